//! What hostile clients can make the server hold: the growth of its peak memory, per connection.

use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::super::child::{Child, Model};
use super::super::client::{Wire, frame, header};
use super::figure;
use crate::commands::bench::Figure;

/// Hostile clients at once.
const CLIENTS: usize = 64;
/// How many of them do the same before anything is measured.
const FIRST: usize = 2;
/// The most bytes each of them sends.
const SENT: usize = 8 << 20;
/// Long messages of a client that talks, and how often it then asks for all of them: some megabytes of answers.
const MESSAGES: usize = 40;
const HELLOS: usize = 20;
/// A hostile client that is not read from gives up then.
const TIRED: Duration = Duration::from_secs(4);

/// One way to be hostile: what is sent first, and then over and over.
struct Way {
    name: &'static str,
    first: Vec<u8>,
    again: Vec<u8>,
    talks: Talks,
}

/// What a client does with the answers it asks for.
#[derive(Clone, Copy, PartialEq)]
enum Talks {
    /// It asks for none.
    Never,
    /// It asks for its whole history, over and over, and reads it.
    Reads,
    /// It asks for the same, and reads nothing.
    StopsReading,
}

fn ways() -> Vec<Way> {
    let filler = vec![b'x'; 16 * 1024];
    let sends = |name, first, again| Way { name, first, again, talks: Talks::Never };
    vec![
        sends("1 GiB declared in one frame", header(0x81, 1 << 30), filler),
        sends("a message that never ends", frame(0x01, b"x"), frame(0x00, &[b'x'; 60_000])),
        sends("empty continuations", frame(0x01, b""), frame(0x00, b"").repeat(1_000)),
        sends("pings, nothing read", Vec::new(), frame(0x89, &[b'x'; 125]).repeat(100)),
        talker("a reader that stops", Talks::StopsReading),
    ]
}

fn talker(name: &'static str, talks: Talks) -> Way {
    Way { name, first: Vec::new(), again: Vec::new(), talks }
}

pub(super) async fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for way in ways() {
        let grown = growth(&way).await.with_context(|| format!("with {}", way.name))?;
        let name = format!("peak memory per hostile client: {}", way.name);
        if way.talks == Talks::Never {
            figures.push(figure(&name, grown, "KiB", None, "<= 256", grown <= 256.0));
            continue;
        }
        // The same, read: what answering costs anyway.
        let read = growth(&talker("a reader", Talks::Reads)).await?;
        figures.push(figure(&name, grown, "KiB", Some(read), "<= 256", grown <= 256.0));
    }
    Ok(figures)
}

/// KiB that the server's peak memory grows by, per client. Each time a fresh server: what one leaves in the allocator must
/// not hide what the next takes.
async fn growth(way: &Way) -> anyhow::Result<f64> {
    let mut server = Child::start(&Model::Scripted).await?;
    let shoppers = super::in_turns(CLIENTS, |_| server.shopper()).await?;
    if way.talks != Talks::Never {
        let talks = shoppers.iter().map(|shopper| converse(&server, shopper));
        futures_util::future::try_join_all(talks).await.context("while they talked")?;
        // What was needed to talk is not there to be used again.
        server = server.restart(&Model::Scripted).await?;
    }
    // Code that runs for the first time is memory, too.
    let first = shoppers[..FIRST].iter().map(|shopper| attack(&server, shopper, way));
    futures_util::future::try_join_all(first).await.context("at first")?;
    server.forget_peak()?;
    let before = server.memory()?;
    let attacks = shoppers.iter().map(|shopper| attack(&server, shopper, way));
    futures_util::future::try_join_all(attacks).await.context("during the attack")?;
    let grown = server.memory()?.peak.saturating_sub(before.resident);
    anyhow::ensure!(
        server.request("GET", "/healthz", "").await?.starts_with("HTTP/1.1 200"),
        "the server does not answer after `{}`",
        way.name
    );
    Ok(grown as f64 / CLIENTS as f64)
}

async fn attack(server: &Child, shopper: &super::Shopper, way: &Way) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    let stream = socket.connect(server.address).await?;
    let mut wire = Wire::over(stream, server.address, shopper).await?;
    if way.talks != Talks::Never {
        return look_back(wire, shopper, way.talks).await;
    }
    // The server may hang up at any byte: that is what it should do.
    let _ = timeout(TIRED, async {
        wire.stream.write_all(&way.first).await?;
        for _ in 0..SENT / way.again.len() {
            wire.stream.write_all(&way.again).await?;
        }
        std::io::Result::Ok(())
    })
    .await;
    Ok(())
}

/// Long messages, to a person: the model has nothing to do with what is measured.
async fn converse(server: &Child, shopper: &super::Shopper) -> anyhow::Result<()> {
    let mut wire = server.greeted(shopper).await?;
    let text = "x".repeat(3_900);
    wire.send(&format!(r#"{{"t":"person","conv":"{}"}}"#, shopper.conv)).await?;
    for _ in 0..MESSAGES {
        wire.say(&text).await?;
        while !wire.next().await?.contains(r#""t":"ack""#) {}
    }
    Ok(())
}

/// Asks for the whole history over and over, and reads it, or does not.
async fn look_back(mut wire: Wire, shopper: &super::Shopper, talks: Talks) -> anyhow::Result<()> {
    wire.hello(shopper).await?;
    let hello = format!(r#"{{"t":"hello","resume":[{{"conv":"{}","seq":0}}]}}"#, shopper.conv);
    for _ in 0..HELLOS {
        wire.send(&hello).await?;
    }
    if talks == Talks::StopsReading {
        tokio::time::sleep(TIRED).await;
        return Ok(());
    }
    // To the end of the last answer.
    while timeout(TIRED, wire.next()).await.is_ok_and(|frame| frame.is_ok()) {}
    Ok(())
}
