//! After a person takes over, no piece of the model's answer reaches anybody.

use std::time::Duration;

use serde_json::json;

use super::site::{Site, roomy, site};

const RACES: usize = 1_000;

/// One race: the take falls somewhere into the reply. The shopper's frames after the owner's event.
async fn race(site: &Site, n: usize) {
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
    for (name, socket) in [("shopper", &mut shopper), ("staff", &mut staff)] {
        let owner = socket.event("owner").await;
        assert_eq!(owner["owner"], "staff");
        // A mark that comes after whatever could still come.
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_races() {
    let site = site(roomy()).await;
    for round in 0..RACES / 20 {
        futures_util::future::join_all((0..20).map(|n| race(&site, round * 20 + n))).await;
    }
}
