//! The same model through the server's socket.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::super::child::Child;
use super::super::client::Wire;
use super::{ROUNDS, median, small_talk};

/// Who waits longer than this for the first sign must have been told a place.
const SILENCE: Duration = Duration::from_millis(700);
const CROWD: usize = 8;

pub(super) struct Served {
    pub(super) first: f64,
    pub(super) rate: f64,
    /// Tokens per second of eight shoppers together.
    pub(super) crowd: f64,
    /// Shoppers of the crowd who waited without hearing of a place.
    pub(super) untold: usize,
    /// Seconds to the first piece of turn 2 and turn 10 of one conversation.
    pub(super) second: f64,
    pub(super) tenth: f64,
}

/// `count` counts the tokens of an answer.
pub(super) async fn measure(server: &Child, count: &dyn Fn(&str) -> usize) -> anyhow::Result<Served> {
    let mut firsts = Vec::new();
    let mut rates = Vec::new();
    for n in 0..ROUNDS {
        let told = ask(&mut enter(server).await?, &small_talk(n)).await?;
        firsts.push(told.first.as_secs_f64());
        rates.push(told.rate(count));
    }
    let (crowd, untold) = crowd(server, count).await?;
    let (second, tenth) = turns(server).await?;
    Ok(Served { first: median(&firsts), rate: median(&rates), crowd, untold, second, tenth })
}

async fn enter(server: &Child) -> anyhow::Result<Wire> {
    let shopper = server.shopper().await?;
    server.greeted(&shopper).await
}

/// One answer as a shopper sees it.
struct Told {
    first: Duration,
    last: Duration,
    /// Told a place, or the first piece came soon.
    informed: bool,
    /// What was streamed; what is kept may be shorter, where an answer went in circles.
    text: String,
}

impl Told {
    fn rate(&self, count: &dyn Fn(&str) -> usize) -> f64 {
        let tokens = count(&self.text).saturating_sub(1);
        tokens as f64 / (self.last - self.first).as_secs_f64().max(1e-9)
    }
}

async fn ask(wire: &mut Wire, question: &str) -> anyhow::Result<Told> {
    let asked = Instant::now();
    wire.say(question).await?;
    let (mut first, mut last, mut place, mut text) = (None, Duration::ZERO, false, String::new());
    loop {
        let frame: Value = serde_json::from_str(&wire.next().await?)?;
        match frame["t"].as_str() {
            Some("delta") if frame["text"] != "" => {
                text.push_str(frame["text"].as_str().unwrap_or_default());
                first.get_or_insert(asked.elapsed());
                last = asked.elapsed();
            }
            // A place in the line, or the sign that it is one's turn.
            Some("queued" | "typing") => place |= asked.elapsed() < SILENCE,
            Some("event") if frame["kind"] == "reply" => {
                let first = first.context("an answer without pieces")?;
                return Ok(Told { first, last, informed: place || first < SILENCE, text });
            }
            Some("error") => bail!("refused: {}", frame["code"]),
            _ => {}
        }
    }
}

/// Eight shoppers ask in the same moment.
async fn crowd(server: &Child, count: &dyn Fn(&str) -> usize) -> anyhow::Result<(f64, usize)> {
    let mut wires = Vec::new();
    for _ in 0..CROWD {
        wires.push(enter(server).await?);
    }
    let started = Instant::now();
    let asked = wires.iter_mut().enumerate().map(|(n, wire)| async move { ask(wire, &small_talk(n)).await });
    let told: Vec<Told> = futures_util::future::try_join_all(asked).await?;
    let wall = started.elapsed().as_secs_f64();
    let tokens: usize = told.iter().map(|one| count(&one.text)).sum();
    Ok((tokens as f64 / wall, told.iter().filter(|one| !one.informed).count()))
}

/// Ten turns of one conversation: seconds to the first piece of the second and the tenth.
async fn turns(server: &Child) -> anyhow::Result<(f64, f64)> {
    let mut seconds = Vec::new();
    let mut tenths = Vec::new();
    for _ in 0..3 {
        let mut wire = enter(server).await?;
        for turn in 1..=10 {
            let first = ask(&mut wire, &format!("And this is number {turn}, how nice to talk."))
                .await?
                .first
                .as_secs_f64();
            match turn {
                2 => seconds.push(first),
                10 => tenths.push(first),
                _ => {}
            }
        }
    }
    Ok((median(&seconds), median(&tenths)))
}
