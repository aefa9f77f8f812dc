//! The same model through the server's socket.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::super::child::Child;
use super::super::client::Wire;
use super::{ROUNDS, median, name, small_talk};

/// Who is not served at once must have been told a place within this time.
const SILENCE: Duration = Duration::from_millis(700);
const CROWD: usize = 8;

pub(super) struct Served {
    pub(super) first: f64,
    pub(super) rate: f64,
    /// Tokens per second of eight shoppers together.
    pub(super) crowd: f64,
    /// Tokens of one of their answers, on average.
    pub(super) story: usize,
    /// Shoppers of the crowd who waited without hearing of a place.
    pub(super) untold: usize,
    /// Seconds to the first piece of turn 2 and turn 10 of one conversation.
    pub(super) second: f64,
    pub(super) tenth: f64,
}

/// `count` counts the tokens of an answer; the model answers `at_once` shoppers at once.
pub(super) async fn measure(
    server: &Child,
    at_once: usize,
    count: &dyn Fn(&str) -> usize,
) -> anyhow::Result<Served> {
    let mut firsts = Vec::new();
    let mut rates = Vec::new();
    for n in 0..ROUNDS {
        let told = ask(&mut enter(server).await?, &small_talk(n)).await?;
        firsts.push(told.first.as_secs_f64());
        rates.push(told.rate(count));
    }
    let (told, tokens, crowd) = crowd(server, count).await?;
    let (untold, story) = (untold(&told, at_once), tokens / CROWD);
    let chatter = |_, turn| format!("And this is number {turn}, how nice to talk.");
    let (second, tenth) = turns(server, &chatter).await?;
    Ok(Served { first: median(&firsts), rate: median(&rates), crowd, story, untold, second, tenth })
}

/// Seconds to the first piece of turn 2 and turn 10 where shoppers ask a shop that nobody has changed the settings of. No two
/// prompts are the same.
pub(super) async fn shipped(server: &Child) -> anyhow::Result<(f64, f64)> {
    turns(server, &|round, turn| {
        format!("It is {} once more, with question {turn}: how long does shipping take?", name(round))
    })
    .await
}

async fn enter(server: &Child) -> anyhow::Result<Wire> {
    let shopper = server.shopper().await?;
    server.greeted(&shopper).await
}

/// One answer as a shopper sees it.
struct Told {
    first: Duration,
    last: Duration,
    /// When the place in the line was said, if it was.
    place: Option<Duration>,
    /// When the model turned to this shopper.
    turn: Option<Duration>,
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
    let (mut first, mut last, mut text) = (None, Duration::ZERO, String::new());
    let (mut place, mut turn) = (None, None);
    loop {
        let frame: Value = serde_json::from_str(&wire.next().await?)?;
        match frame["t"].as_str() {
            Some("delta") if frame["text"] != "" => {
                text.push_str(frame["text"].as_str().unwrap_or_default());
                first.get_or_insert(asked.elapsed());
                last = asked.elapsed();
            }
            // 0 is no place in the line but the end of it.
            Some("queued") if frame["position"] != 0 => {
                place.get_or_insert(asked.elapsed());
            }
            Some("typing") if frame["who"] == "ai" => {
                turn.get_or_insert(asked.elapsed());
            }
            Some("event") if frame["kind"] == "reply" => {
                let first = first.context("an answer without pieces")?;
                return Ok(Told { first, last, place, turn, text });
            }
            Some("error") => bail!("refused: {}", frame["code"]),
            _ => {}
        }
    }
}

/// How many of a crowd waited without hearing of a place. Only as many as the model serves at once can have done without:
/// those to whom it turned first, and at once.
fn untold(told: &[Told], at_once: usize) -> usize {
    let soon = |when: Option<Duration>| when.is_some_and(|when| when < SILENCE);
    let silent: Vec<&Told> = told.iter().filter(|one| !soon(one.place)).collect();
    let served = silent.iter().filter(|one| soon(one.turn)).count().min(at_once);
    silent.len() - served
}

/// Eight shoppers ask in the same moment, for long answers that none of the shop's facts is about. What they were
/// told, how many tokens that was, and the tokens per second of all together.
async fn crowd(server: &Child, count: &dyn Fn(&str) -> usize) -> anyhow::Result<(Vec<Told>, usize, f64)> {
    let mut wires = Vec::new();
    for _ in 0..CROWD {
        wires.push(enter(server).await?);
    }
    let started = Instant::now();
    let asked = wires.iter_mut().enumerate().map(|(n, wire)| async move {
        ask(wire, &format!("{} wants a long poem that rhymes", name(n))).await
    });
    let told: Vec<Told> = futures_util::future::try_join_all(asked).await?;
    let wall = started.elapsed().as_secs_f64();
    let tokens: usize = told.iter().map(|one| count(&one.text)).sum();
    Ok((told, tokens, tokens as f64 / wall))
}

/// Ten turns of a conversation, in three of them: seconds to the first piece of the second and the tenth.
async fn turns(server: &Child, text: &dyn Fn(usize, usize) -> String) -> anyhow::Result<(f64, f64)> {
    let mut seconds = Vec::new();
    let mut tenths = Vec::new();
    for round in 0..3 {
        let mut wire = enter(server).await?;
        for turn in 1..=10 {
            let first = ask(&mut wire, &text(round, turn)).await?.first.as_secs_f64();
            match turn {
                2 => seconds.push(first),
                10 => tenths.push(first),
                _ => {}
            }
        }
    }
    Ok((median(&seconds), median(&tenths)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Option<u64>, turn: Option<u64>) -> Told {
        let (first, last) = (Duration::from_secs(1), Duration::from_secs(2));
        let [place, turn] = [place, turn].map(|ms| ms.map(Duration::from_millis));
        Told { first, last, place, turn, text: String::new() }
    }

    #[test]
    fn who_waits_must_have_been_told_a_place() {
        let served = || told(None, Some(20));
        let waited = || told(Some(20), Some(3_000));
        assert_eq!(untold(&[served(), waited(), waited()], 1), 0);
        assert_eq!(untold(&[served(), served(), served()], 1), 2, "the sign of a turn is no place");
        assert_eq!(untold(&[served(), served(), waited()], 2), 0);
        assert_eq!(untold(&[served(), told(Some(900), Some(3_000))], 1), 1, "told too late");
        assert_eq!(untold(&[told(None, Some(900)), waited()], 1), 1, "served late and told nothing");
        assert_eq!(untold(&[told(None, None), waited()], 1), 1);
    }
}
