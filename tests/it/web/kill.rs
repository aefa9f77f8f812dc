//! kill -9 of the server at any moment, under shoppers who come back and send again what they are not sure of.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::domain::{Ended, Event, EventKind};
use shopclerk::store::Store;

use super::child::{Child, spawn};
use super::client::Socket;
use super::site::Session;
use crate::store::{check_fold, check_replies};

const ROUNDS: u64 = 30;
const SHOPPERS: usize = 8;
/// How long a server is let live under load.
const LIFE: std::ops::Range<u64> = 0..500;
/// Quick ones, slow ones, and bursts.
const TEXTS: [&str; 4] =
    ["[[raw]]hi", "[[slow 10]] [[long 12]]", "[[slow 40]] [[long 20]]", "[[raw]]and then"];

/// What a shopper's page keeps over all of this.
struct Shopper {
    session: Session,
    events: BTreeMap<u64, Value>,
    /// Frames that were sent and not acknowledged.
    outbox: Vec<Value>,
    /// Numbers that were promised, by `cmid`.
    acked: HashMap<String, u64>,
    rng: StdRng,
}

impl Shopper {
    fn last(&self) -> u64 {
        self.events.keys().next_back().copied().unwrap_or(0)
    }

    /// A new message, kept until it is acknowledged.
    fn write(&mut self) -> Value {
        let text = TEXTS[self.rng.random_range(0..TEXTS.len())];
        let cmid = uuid::Uuid::now_v7().to_string();
        let frame = json!({"t": "say", "conv": self.session.conv, "cmid": cmid, "text": text});
        self.outbox.push(frame.clone());
        frame
    }

    /// True if something was acknowledged.
    fn hear(&mut self, frame: &Value) -> bool {
        match frame["t"].as_str().unwrap() {
            "event" => {
                let seq = frame["seq"].as_u64().unwrap();
                assert_eq!(seq, self.last() + 1, "a gap or a repeat: {frame}");
                self.events.insert(seq, frame.clone());
                false
            }
            "ack" => {
                let (cmid, seq) = (frame["cmid"].as_str().unwrap(), frame["seq"].as_u64().unwrap());
                self.outbox.retain(|sent| sent["cmid"] != cmid);
                let before = self.acked.insert(cmid.to_owned(), seq);
                assert!(before.is_none_or(|before| before == seq), "{frame} after {before:?}");
                true
            }
            "reset" | "error" => panic!("{frame}"),
            _ => false,
        }
    }

    /// Comes (back), says where it is, and sends again what it is not sure of.
    async fn come(&mut self, server: &Child) -> Result<Socket, Gone> {
        let mut socket = server.socket(&self.session.token).await.unwrap();
        let point = json!({"conv": self.session.conv, "seq": self.last()});
        socket.try_send(&json!({"t": "hello", "resume": [point]})).await?;
        for frame in &self.outbox {
            socket.try_send(frame).await?;
        }
        Ok(socket)
    }

    /// Writes and reads until the server is gone.
    async fn talk(&mut self, mut socket: Socket) -> Result<std::convert::Infallible, Gone> {
        if self.outbox.is_empty() {
            let frame = self.write();
            socket.try_send(&frame).await?;
        }
        loop {
            let frame = socket.next().await?;
            let acked = self.hear(&frame);
            // Sometimes before the answer, sometimes after it.
            if (acked && self.rng.random_bool(0.3)) || (frame["kind"] == "reply" && self.outbox.is_empty()) {
                let frame = self.write();
                socket.try_send(&frame).await?;
            }
        }
    }

    /// All that is still owed comes.
    async fn settle(&mut self, server: &Child) {
        let mut socket = self.come(server).await.unwrap();
        while !self.is_settled() {
            let frame = socket.next().await.unwrap();
            self.hear(&frame);
        }
    }

    /// Everything is acknowledged, has come back, and is answered.
    fn is_settled(&self) -> bool {
        let newest = self.acked.values().max().copied().unwrap_or(0);
        let answered = self.events.values().filter_map(|event| event["upto"].as_u64()).max().unwrap_or(0);
        self.outbox.is_empty() && self.last() >= newest && answered >= newest
    }

    /// What the page has is what is on the disk.
    fn check(&self, events: &[Event]) {
        check_replies(events);
        let mut said = HashMap::new();
        for event in events {
            let shown = &self.events[&event.seq];
            match &event.kind {
                EventKind::Said { cmid, text, .. } => {
                    assert_eq!(said.insert(cmid.0.to_string(), event.seq), None, "stored twice: {event:?}");
                    assert_eq!(&shown["text"], text);
                }
                EventKind::Reply { mid, text, .. } => {
                    assert_eq!((&shown["mid"], &shown["text"]), (&json!(mid.0), &json!(text)));
                }
                _ => {}
            }
        }
        assert_eq!(self.events.len(), events.len());
        assert_eq!(said, self.acked, "what is stored is what was acknowledged");
    }
}

/// The server is.
#[derive(Debug)]
struct Gone;

impl From<u16> for Gone {
    fn from(_: u16) -> Self {
        Self
    }
}

impl From<tokio_tungstenite::tungstenite::Error> for Gone {
    fn from(_: tokio_tungstenite::tungstenite::Error) -> Self {
        Self
    }
}

/// One life of a server: everybody comes back, and talks until it is killed.
async fn life(server: Child, shoppers: &mut [Shopper], how_long: Duration) {
    let mut sockets = Vec::new();
    for shopper in shoppers.iter_mut() {
        sockets.push(shopper.come(&server).await.unwrap());
    }
    let talks = join_all(shoppers.iter_mut().zip(sockets).map(|(shopper, socket)| shopper.talk(socket)));
    let killed = async {
        tokio::time::sleep(how_long).await;
        server.kill_9().await;
    };
    tokio::join!(talks, killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(2);
    let mut shoppers = Vec::new();
    let mut server = Child::start(data.path(), &[]).await;
    for n in 0..SHOPPERS as u64 {
        let session = server.session().await;
        let (events, outbox, acked) = Default::default();
        shoppers.push(Shopper { session, events, outbox, acked, rng: StdRng::seed_from_u64(n) });
    }
    for round in 0..ROUNDS {
        life(server, &mut shoppers, Duration::from_millis(rng.random_range(LIFE))).await;
        if round % 3 == 0 {
            // Some die before they are ready.
            let mut starting = spawn(data.path(), &[]);
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..150))).await;
            starting.kill().await.unwrap();
        }
        server = Child::start(data.path(), &[]).await;
    }
    for shopper in &mut shoppers {
        shopper.settle(&server).await;
    }
    server.terminate();
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");

    let store = Store::open(&data.path().join("store"), &crate::store::settings(), Clock::System).unwrap();
    assert_eq!(store.verify(&|_, _, _| {}).unwrap().faults, []);
    let (mut said, mut cut) = (0, 0);
    for shopper in &shoppers {
        let events = check_fold(&store, shopper.session.conv.parse().unwrap()).1;
        shopper.check(&events);
        said += shopper.acked.len();
        let is_cut = |e: &&Event| matches!(e.kind, EventKind::Reply { ended: Ended::Interrupted, .. });
        cut += events.iter().filter(is_cut).count();
    }
    store.close().await;
    assert!(said > ROUNDS as usize, "hardly anything was said: {said}");
    println!(
        "{ROUNDS} kills, {said} acknowledged messages, {cut} answers marked interrupted, none lost or doubled"
    );
}
