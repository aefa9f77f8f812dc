//! Two hundred messages a second, and when each is on an agent's screen: in the conversation that is open, and in the list.
//! The reference is the shopper's own acknowledgement of the same messages, which waits for the disk and for nobody's screen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{Times, percentiles};
use crate::commands::bench::Figure;
use crate::commands::bench::child::Child;
use crate::commands::bench::client::{Wire, frame, next};

/// Shoppers who wait for a person and write.
const SHOPPERS: usize = 60;
/// Conversations the agent has open: as many as may be.
const OPEN: usize = 16;
const EVERY: Duration = Duration::from_millis(5);
const SECONDS: u64 = 20;
/// After the last message, for what is still on its way.
const TAIL: Duration = Duration::from_secs(2);

/// When what was seen, by the number of the message.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<usize, Instant>>>);

impl Seen {
    fn note(&self, n: usize, at: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(n).or_insert(at);
    }

    /// How long each that was seen took.
    fn since(&self, sent: &HashMap<usize, Instant>) -> Vec<Duration> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter_map(|(n, at)| Some(at.duration_since(*sent.get(n)?))).collect()
    }
}

pub(super) async fn measure(server: &Child) -> anyhow::Result<Vec<Figure>> {
    let mut shoppers = Vec::new();
    for _ in 0..SHOPPERS {
        let shopper = server.shopper().await?;
        let mut wire = server.greeted(&shopper).await?;
        wire.send(&format!(r#"{{"t":"person","conv":"{}"}}"#, shopper.conv)).await?;
        while !wire.next().await?.contains(r#""kind":"owner""#) {}
        shoppers.push((shopper.conv, wire));
    }
    let mut agent = server.agent().await?;
    agent.send(r#"{"t":"list","tab":"waiting"}"#).await?;
    for (conv, _) in shoppers.iter().take(OPEN) {
        agent.send(&format!(r#"{{"t":"open","conv":"{conv}","seq":0}}"#)).await?;
        while !agent.next().await?.contains(r#""t":"opened""#) {}
    }
    let (shown, listed, acknowledged) = (Seen::default(), Seen::default(), Seen::default());
    let screen = tokio::spawn(look(agent, shown.clone(), listed.clone()));
    let mut writers = Vec::new();
    let mut readers = Vec::new();
    for (conv, wire) in shoppers {
        let (read, write) = wire.stream.into_split();
        writers.push((conv, write));
        readers.push(tokio::spawn(heed(read, acknowledged.clone())));
    }
    let sent = write(&mut writers).await?;
    tokio::time::sleep(TAIL).await;
    screen.abort();
    readers.iter().for_each(tokio::task::JoinHandle::abort);

    let open = sent.keys().filter(|n| *n % SHOPPERS < OPEN).count();
    let (shown, listed, acks) = (shown.since(&sent), listed.since(&sent), acknowledged.since(&sent));
    anyhow::ensure!(acks.len() == sent.len(), "{} of {} messages were acknowledged", acks.len(), sent.len());
    anyhow::ensure!(shown.len() == open, "{} of {open} messages were shown", shown.len());
    let part = listed.len() as f64 / sent.len() as f64;
    let (shown, listed, acks) = (Times::of(shown), Times::of(listed), Times::of(acks));
    let limit = Some(("< 100", 100.0));
    let mut figures = Vec::new();
    let name = "message to an open conversation, 200/s (reference: its ack)";
    figures.extend(percentiles(name, (99, limit), &shown, &acks));
    let name = "message to the agent's list, 200/s (reference: its ack)";
    figures.extend(percentiles(name, (99, limit), &listed, &acks));
    // Rows are gathered for 50 ms: of two messages of one conversation in that time only the newer is a preview.
    figures.push(Figure::new("messages seen as a preview", part * 100.0, "%", None, "> 95", part > 0.95));
    Ok(figures)
}

/// Writes at the rate, whatever becomes of it; when each was sent.
async fn write(writers: &mut [(String, OwnedWriteHalf)]) -> anyhow::Result<HashMap<usize, Instant>> {
    let mut sent = HashMap::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..(SECONDS * 200) as usize {
        // The moment it was due: being late ourselves counts as waiting.
        let due = ticks.tick().await.into_std();
        let (conv, stream) = &mut writers[n % SHOPPERS];
        let cmid = cmid(n);
        let text = format!(r#"{{"t":"say","conv":"{conv}","cmid":"{cmid}","text":"message #{n}"}}"#);
        stream.write_all(&frame(0x81, text.as_bytes())).await?;
        sent.insert(n, due);
    }
    Ok(sent)
}

/// A fresh id that ends in the number of its message.
fn cmid(n: usize) -> Uuid {
    Uuid::from_u128(Uuid::now_v7().as_u128() & !0xFFFF_FFFF | n as u128)
}

/// Reads what a shopper's page gets.
async fn heed(mut read: OwnedReadHalf, acknowledged: Seen) -> anyhow::Result<()> {
    loop {
        let text = next(&mut read).await?;
        let at = Instant::now();
        let told: Value = serde_json::from_str(&text).context("a frame is not JSON")?;
        if told["t"] == "ack" {
            let cmid: Uuid = told["cmid"].as_str().unwrap_or_default().parse()?;
            acknowledged.note((cmid.as_u128() & 0xFFFF_FFFF) as usize, at);
        }
    }
}

/// The number of a message of this run.
fn number(text: &Value) -> Option<usize> {
    text.as_str()?.strip_prefix("message #")?.parse().ok()
}

/// Reads what the agent's page gets.
async fn look(mut agent: Wire, shown: Seen, listed: Seen) -> anyhow::Result<()> {
    loop {
        let text = agent.next().await?;
        let at = Instant::now();
        let told: Value = serde_json::from_str(&text).context("a frame is not JSON")?;
        match told["t"].as_str() {
            Some("event") => number(&told["text"]).into_iter().for_each(|n| shown.note(n, at)),
            Some("rows") => {
                let rows = told["rows"].as_array().into_iter().flatten();
                rows.filter_map(|row| number(&row["preview"]["text"])).for_each(|n| listed.note(n, at));
            }
            _ => {}
        }
    }
}
