//! The memory of a server in a process of its own: what an idle client costs, and what a hostile one can make it hold.
//!
//! Allocated memory only; what the kernel keeps for a connection is bounded by `TCP_NOTSENT_LOWAT` and the peer's window.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::bytes::{Server, frame, hello, rest, say, text};

/// Hostile clients at once: enough that what the server needs anyway does not count.
const CLIENTS: usize = 48;
/// The most bytes each of them sends.
const SENT: usize = 8 << 20;
/// The most the server may grow by for each of them, in KiB.
const EACH_KIB: u64 = 256;
/// Idle sockets.
const IDLE: usize = 500;
/// The most an idle one may cost, in KiB. `bench sockets` has the figure of 5,000; of these few what the server needs anyway is a
/// larger part, and futures without optimisation are larger.
const IDLE_KIB: u64 = if cfg!(debug_assertions) { 36 } else { 28 };

/// Clients that do the same first: code that runs for the first time is memory, too.
const FIRST: usize = 2;

/// KiB by which the server's peak grows while `attack` runs, for each of the clients.
async fn growth(server: &Server, attack: impl Future) -> u64 {
    server.forget_peak();
    let (before, _) = server.memory();
    attack.await;
    let (_, peak) = server.memory();
    peak.saturating_sub(before) / CLIENTS as u64
}

/// Sends `first`, then `again` over and over, without reading. The server may hang up at any byte: that is what it should do.
async fn send(mut stream: TcpStream, first: &[u8], again: &[u8]) {
    let _ = timeout(Duration::from_secs(4), async {
        stream.write_all(first).await?;
        for _ in 0..SENT / again.len() {
            stream.write_all(again).await?;
        }
        std::io::Result::Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_whatever_is_sent() {
    let mask = [0; 4];
    let gib = [&[0x81, 0xFF][..], &(1u64 << 30).to_be_bytes(), &mask].concat();
    let half = vec![b'x'; 0x8000];
    let part = |first: u8| [&[first, 0xFE, 0x80, 0x00][..], &mask, &half].concat();
    let empty = [&[0x00, 0x80][..], &mask].concat().repeat(4_096);
    let ping = [&[0x89, 0xFD][..], &mask, &[b'x'; 125]].concat().repeat(64);
    let ways: [(&str, Vec<u8>, Vec<u8>); 4] = [
        ("1 GiB declared", gib, half.clone()),
        ("a message without end", part(0x01), part(0x00)),
        ("empty continuations", [&[0x01, 0x80][..], &mask].concat(), empty),
        ("pings, nothing read", Vec::new(), ping),
    ];
    for (name, first, again) in &ways {
        let server = Server::start().await;
        let sessions = server.sessions(CLIENTS).await;
        let attack = async |session| send(server.open(session).await, first, again).await;
        join_all(sessions[..FIRST].iter().map(attack)).await;
        let each = growth(&server, join_all(sessions.iter().map(attack))).await;
        println!("{name}: {each} KiB each");
        assert!(each <= EACH_KIB, "{name}: {each} KiB each");
    }
}

/// Long messages of each client.
const MESSAGES: usize = 40;
/// How often it asks for all of them without reading any: some megabytes.
const HELLOS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stop_are_bounded_and_hear_4008() {
    let server = Server::start().await;
    let sessions = server.sessions(CLIENTS).await;
    let long = "x".repeat(3_900);
    let talk = sessions.iter().map(async |session| {
        let mut stream = server.greeted(session).await;
        // To a person: the model has nothing to do with what is measured.
        let person = format!(r#"{{"t":"person","conv":"{}"}}"#, session.conv);
        stream.write_all(&text(&person)).await.unwrap();
        for _ in 0..MESSAGES {
            stream.write_all(&text(&say(session, &long))).await.unwrap();
            while !frame(&mut stream).await.unwrap().1.starts_with(br#"{"t":"ack""#) {}
        }
    });
    join_all(talk).await;
    // What was needed to talk is not there to be used again.
    let server = server.restart().await;
    let mut stopped = Vec::new();
    let attack = async |session| {
        let mut stream = server.greeted(session).await;
        stream.write_all(&text(&hello(session)).repeat(HELLOS)).await.unwrap();
        stream
    };
    let cut = r#"shopclerk_sockets_ended_total{code="4008"}"#;
    stopped.extend(join_all(sessions[..FIRST].iter().map(attack)).await);
    server.reaches(cut, FIRST as f64).await;
    let each = growth(&server, async {
        stopped.extend(join_all(sessions.iter().map(attack)).await);
        server.reaches(cut, (FIRST + CLIENTS) as f64).await;
    })
    .await;
    println!("a reader that stops: {each} KiB");
    assert!(each <= EACH_KIB, "a reader that stops: {each} KiB");
    for stream in &mut stopped {
        let (texts, code) = rest(stream).await;
        assert_eq!(code, 4008, "after {} frames", texts.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_sockets_cost_little() {
    let server = Server::start().await;
    let sessions = server.sessions(IDLE).await;
    let (before, _) = server.memory();
    let mut sockets = Vec::with_capacity(IDLE);
    for session in &sessions {
        sockets.push(server.greeted(session).await);
    }
    let (after, _) = server.memory();
    assert_eq!(server.metric("shopclerk_connections").await, IDLE as f64);
    let each = after.saturating_sub(before) / IDLE as u64;
    println!("an idle socket: {each} KiB");
    assert!(each < IDLE_KIB, "an idle socket: {each} KiB");
}
