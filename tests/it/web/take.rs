//! After a person takes over, no piece of the model's answer reaches anybody.

use std::time::Duration;

use serde_json::json;
use shopclerk::domain::{EventKind, Owner};

use super::site::{Session, Site, Socket, roomy, site};

const RACES: usize = 1_000;
const AT_ONCE: usize = 20;
/// A socket holds pieces back for 50 ms, to send them together.
const HELD_BACK: Duration = Duration::from_millis(80);

/// A conversation that was taken over.
struct Taken {
    n: usize,
    session: Session,
    /// Who heard of it, up to then.
    sockets: [(&'static str, Socket); 2],
}

/// One race: the take falls somewhere into the reply.
async fn race(site: &Site, n: usize) -> Taken {
    let session = site.session().await;
    let mut shopper = site.greeted(&session).await;
    shopper.until("welcome").await;
    let mut staff = site.staff().await;
    staff.send(&json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 0}]})).await;
    staff.until("welcome").await;
    shopper.say(&session.conv, "[[slow 1]] [[long 30]]").await;
    shopper.until("ack").await;
    // The moment is spread over the reply: before its first word, within it, after its end.
    tokio::time::sleep(Duration::from_micros((n as u64 * 97) % 60_000)).await;
    staff.send(&json!({"t": "take", "conv": session.conv})).await;
    let mut sockets = [("shopper", shopper), ("staff", staff)];
    for (_, socket) in &mut sockets {
        assert_eq!(socket.event("owner").await["owner"], "staff");
    }
    Taken { n, session, sockets }
}

impl Taken {
    /// Nothing came after the owner's event, neither to a socket nor to the disk. Called when nothing can come any more.
    async fn check(self, site: &Site) {
        let Self { n, session, sockets } = self;
        for (name, mut socket) in sockets {
            // A mark behind all that came.
            socket.send(&json!({"t": "nonsense"})).await;
            loop {
                let frame = socket.until_any(&["delta", "event", "error"]).await;
                assert_ne!(frame["t"], "delta", "race {n}: {name} was shown {frame}");
                assert_ne!(frame["kind"], "reply", "race {n}: {name} was told {frame}");
                if frame["t"] == "error" {
                    break;
                }
            }
        }
        let events = site.desk.history(session.conv.parse().unwrap(), 0, 1_000).unwrap();
        let taken = |kind: &EventKind| matches!(kind, EventKind::Owner { owner: Owner::Staff, .. });
        let after = events.iter().skip_while(|event| !taken(&event.kind)).skip(1);
        let late = after.filter(|event| matches!(event.kind, EventKind::Reply { .. })).collect::<Vec<_>>();
        assert!(late.is_empty(), "race {n}: on the disk is {late:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_races() {
    let site = site(roomy()).await;
    for round in 0..RACES / AT_ONCE {
        let races = (0..AT_ONCE).map(|n| race(&site, round * AT_ONCE + n));
        let taken = futures_util::future::join_all(races).await;
        // The model has fallen silent, and what a socket held back is sent.
        site.desk.busy().wait_for(|busy| *busy == 0).await.unwrap();
        tokio::time::sleep(HELD_BACK).await;
        for one in taken {
            one.check(&site).await;
        }
    }
}
