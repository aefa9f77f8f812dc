//! SIGTERM under load, as the shoppers and whoever sends them here see it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::domain::{Ended, EventKind};
use shopclerk::store::Store;

use super::child::Child;
use super::client::{Answer, Socket};
use super::site::Session;

/// A shopper who has read the first word of an answer.
async fn reader(server: &Child, text: &str) -> (Session, Socket) {
    let (session, mut socket) = server.shopper().await;
    socket.say(&session.conv, text).await;
    socket.until("delta").await;
    (session, socket)
}

/// What somebody hears who would come now.
async fn newcomer(server: &Child) -> Answer {
    let head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Protocol: shopclerk.v1\r\n";
    server.request("GET", "/v1/ws", head).await
}

/// Reads to the goodbye and the close.
async fn goodbye(socket: &mut Socket) -> Vec<Value> {
    let mut frames = Vec::new();
    let code = loop {
        match socket.next().await {
            Ok(frame) => frames.push(frame),
            Err(code) => break code,
        }
    };
    let bye = frames.last().expect("a last frame");
    assert_eq!((bye["t"].as_str(), code), (Some("bye"), 1012), "{bye}");
    assert!((500..8_000).contains(&bye["reconnect_in_ms"].as_u64().unwrap()), "{bye}");
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_said_first_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Child::start(data.path(), &[("RUST_LOG", "info")]).await;
    let (_, mut idle) = server.shopper().await;
    // Two answers that end in time and two that cannot: 160 words, ten a second.
    let (_, mut soon) = reader(&server, "[[slow 30]] [[long 60]]").await;
    let (talker, mut talks) = reader(&server, "[[slow 30]] [[long 60]]").await;
    let (late, mut lates) = reader(&server, "[[slow 100]] [[long 160]]").await;
    let (_, mut later) = reader(&server, "[[slow 100]] [[long 160]]").await;
    let (waiting, mut waits) = server.shopper().await;
    waits.say(&waiting.conv, "[[raw]]my turn").await;
    waits.until("queued").await;

    let asked = Instant::now();
    server.terminate();
    let red = loop {
        let ready = server.get("/readyz").await;
        if ready.status == 503 {
            break ready.json();
        }
        assert!(asked.elapsed() < Duration::from_secs(1), "still ready 1 s after SIGTERM: {ready:?}");
    };
    assert_eq!((&red["ready"], &red["draining"], &red["store"]), (&json!(false), &json!(true), &json!(true)));
    let refused = newcomer(&server).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert_eq!(refused.json()["error"]["code"], "draining");
    // Who only waits may go at once; who reads an answer reads on, and begins nothing.
    for socket in [&mut idle, &mut waits] {
        goodbye(socket).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    talks.say(&talker.conv, "[[raw]]too late").await;
    assert_eq!(talks.until("error").await["code"], "restarting");
    for (socket, ended) in [
        (&mut soon, "complete"),
        (&mut talks, "complete"),
        (&mut lates, "interrupted"),
        (&mut later, "interrupted"),
    ] {
        let frames = goodbye(socket).await;
        let replies: Vec<&Value> = frames.iter().filter(|frame| frame["kind"] == "reply").collect();
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!(replies[0]["ended"], ended);
        assert!(replies[0]["text"].as_str().unwrap().starts_with("word1 "), "{}", replies[0]);
    }
    let (status, log) = server.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());

    // Nothing is owed, so the next start answers nobody twice.
    let server = Child::start(data.path(), &[]).await;
    let mut back = server.socket(&waiting.token).await.unwrap();
    back.hello(&waiting.conv, 0).await;
    assert_eq!(back.event("reply").await["text"], "my turn");
    server.terminate();
    assert_eq!(back.end().await, 1012);
    drop(back);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{status}: {log}");
    let store = Store::open(&data.path().join("store"), &crate::store::settings(), Clock::System).unwrap();
    assert_eq!(store.open_jobs_and_waiting().unwrap(), []);
    let events = crate::store::check_fold(&store, late.conv.parse().unwrap()).1;
    crate::store::check_replies(&events);
    let ends = |event: &shopclerk::domain::Event| match &event.kind {
        EventKind::Reply { ended, .. } => Some(*ended),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(ends).collect::<Vec<_>>(), [Ended::Interrupted]);
    store.close().await;
}
