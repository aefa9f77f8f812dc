//! No gap, no repeat, in order: over cuts, reconnects, tabs and a restart of the server.

use std::collections::BTreeMap;

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::site::{Session, Site, Socket, roomy, site};

/// What a client keeps: its events, and the reply being shown.
#[derive(Default)]
struct Client {
    events: BTreeMap<u64, Value>,
    live: BTreeMap<String, String>,
}

impl Client {
    fn last(&self) -> u64 {
        self.events.keys().next_back().copied().unwrap_or(0)
    }

    fn hear(&mut self, frame: &Value) {
        match frame["t"].as_str().unwrap() {
            "event" => {
                let seq = frame["seq"].as_u64().unwrap();
                assert_eq!(seq, self.last() + 1, "a gap or a repeat: {frame}");
                if frame["kind"] == "reply"
                    && let Some(shown) = self.live.remove(frame["mid"].as_str().unwrap())
                {
                    let whole = frame["text"].as_str().unwrap();
                    assert!(whole.starts_with(&shown), "`{shown}` was shown, the reply is `{whole}`");
                }
                self.events.insert(seq, frame.clone());
            }
            "delta" => {
                let shown = self.live.entry(frame["mid"].as_str().unwrap().to_owned()).or_default();
                let off = frame["off"].as_u64().unwrap() as usize;
                if off == 0 {
                    shown.clear();
                }
                assert_eq!(shown.chars().count(), off, "a hole in the reply: {frame}");
                shown.push_str(frame["text"].as_str().unwrap());
            }
            _ => {}
        }
    }
}

/// One connection: hears `frames` frames at most, and goes.
async fn visit(site: &Site, session: &Session, client: &mut Client, frames: usize) {
    let mut socket = site.socket(&session.token).await;
    // A new connection shows the reply from its beginning.
    client.live.clear();
    socket.hello(&session.conv, client.last()).await;
    for _ in 0..frames {
        let frame = socket.next().await.unwrap();
        client.hear(&frame);
        if is_done(client) {
            return;
        }
    }
}

/// The answer to the last message has come.
fn is_done(client: &Client) -> bool {
    client.events.values().any(|e| {
        e["kind"] == "reply" && e["text"].as_str().is_some_and(|text| text.trim_end().ends_with("word40"))
    })
}

#[test]
fn random_cuts_lose_and_repeat_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let site = runtime.block_on(site(roomy()));
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let cuts = proptest::collection::vec(1usize..14, 1..8);
    runner
        .run(&cuts, |cuts| {
            runtime.block_on(async {
                let session = site.session().await;
                let mut client = Client::default();
                site.says(&session.conv, "hello").await;
                site.says(&session.conv, "[[slow 2]] [[long 40]]").await;
                for frames in cuts {
                    visit(&site, &session, &mut client, frames).await;
                }
                while !is_done(&client) {
                    visit(&site, &session, &mut client, usize::MAX).await;
                }
                let conv = session.conv.parse().unwrap();
                let log = site.desk.history(conv, 0, 1_000).unwrap();
                let stored: Vec<u64> = log.iter().map(|e| e.seq).take(client.events.len()).collect();
                let heard: Vec<u64> = client.events.keys().copied().collect();
                assert_eq!(heard, stored);
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_see_the_same_and_a_late_one_sees_the_text_so_far() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let mut first = site.greeted(&session).await;
    first.until("welcome").await;
    first.say(&session.conv, "[[slow 20]] [[long 40]]").await;
    first.until("ack").await;
    let mut shown = first.until("delta").await;
    assert_eq!(shown["off"], 0);
    while shown["off"].as_u64().unwrap() < 20 {
        shown = first.until("delta").await;
    }
    let mut second = site.greeted(&session).await;
    let whole = second.until("delta").await;
    assert_eq!(whole["off"], 0);
    assert!(whole["text"].as_str().unwrap().chars().count() >= 20, "{whole}");
    let (a, b) = (first.event("reply").await, second.event("reply").await);
    assert_eq!(a, b);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_twice_is_there_once() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let cmid = uuid::Uuid::now_v7();
    let frame = json!({"t": "say", "conv": session.conv, "cmid": cmid, "text": "once"});
    let mut acks = Vec::new();
    for _ in 0..2 {
        let mut socket = site.greeted(&session).await;
        socket.until("welcome").await;
        socket.send(&frame).await;
        socket.send(&frame).await;
        acks.push(socket.until("ack").await);
        acks.push(socket.until("ack").await);
    }
    assert!(acks.iter().all(|ack| *ack == acks[0]), "{acks:?}");
    let log = site.desk.history(session.conv.parse().unwrap(), 0, 100).unwrap();
    let said = log.iter().filter(|e| matches!(e.kind, shopclerk::domain::EventKind::Said { .. })).count();
    assert_eq!(said, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_and_a_number_from_the_future_mean_reset() {
    let site = site(roomy()).await;
    let session = site.session().await;
    site.says(&session.conv, "hello").await;
    for hello in [
        json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 1}], "epoch": "another"}),
        json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 1_000}]}),
    ] {
        let mut socket = site.socket(&session.token).await;
        socket.send(&hello).await;
        socket.until("welcome").await;
        assert_eq!(socket.until_any(&["reset", "event"]).await["t"], "reset", "{hello}");
        assert_eq!(socket.until("event").await["seq"], 1, "{hello}");
    }
    let mut socket = site.socket(&session.token).await;
    let epoch = site.desk.epoch().to_owned();
    socket.send(&json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 1}], "epoch": epoch})).await;
    assert_eq!(socket.until_any(&["reset", "event"]).await["seq"], 2, "the right epoch goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_when_to_come_back() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let mut socket: Socket = site.greeted(&session).await;
    socket.until("welcome").await;
    let running = site.running;
    let (address, origin) = (site.address, format!("http://{}", site.address));
    let drained = tokio::spawn(async move {
        running.drain().await;
        running
    });
    let bye = socket.until("bye").await;
    assert!((500..8_000).contains(&bye["reconnect_in_ms"].as_u64().unwrap()), "{bye}");
    assert_eq!(socket.end().await, 1012);
    drop(socket);
    let running = drained.await.unwrap();
    let request =
        format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    running.stop().await;
}
