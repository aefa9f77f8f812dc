//! `shopclerk bench inbox`: what the staff's side does over 10,000 conversations with 100,000 messages, on a running server with
//! the scripted model: a shopper's message on an agent's screen, search, the list, the numbers.

mod live;
mod shop;

use std::time::{Duration, Instant};

use anyhow::Context;

use super::Figure;
use super::child::{Child, Model};
use crate::config::Config;

/// Conversations, and messages of each.
const CONVERSATIONS: usize = 10_000;
const MESSAGES: usize = 10;
/// What is looked for: common and rare words, the beginning of one, a phrase, Chinese, nothing.
const QUERIES: [&str; 8] =
    ["parcel", "parc", "receipt 4711", "\"blue rain jacket\"", "包裹", "退货 包裹", "grosse", "zzzz"];
/// Times each is asked.
const TIMES: usize = 25;

pub(super) async fn measure(config: Config) -> anyhow::Result<Vec<Figure>> {
    fs_err::create_dir_all(&config.data)?;
    let new = || tempfile::Builder::new().prefix("bench-inbox-").tempdir_in(&config.data);
    let (large, small) = (new()?, new()?);
    let texts = shop::fill(large.path(), CONVERSATIONS, MESSAGES).await?;
    shop::fill(small.path(), 10, MESSAGES).await?;

    let opening = Instant::now();
    let server = Child::start_in(large, &Model::Scripted).await?;
    let ready = counted(&server, opening).await?;
    let indexed = indexed(&server, opening).await?;
    let empty = Child::start_in(small, &Model::Scripted).await?;
    counted(&empty, Instant::now()).await?;

    let seconds = |time: Duration| time.as_secs_f64();
    let mut figures = vec![
        Figure::new(
            "list and numbers made after a start",
            seconds(ready),
            "s",
            None,
            "< 10",
            seconds(ready) < 10.0,
        ),
        Figure::new("search index made from nothing", seconds(indexed), "s", None, "", true),
    ];
    figures.extend(search(&server, &texts).await?);
    figures.extend(pages(&server, &empty).await?);
    figures.extend(live::measure(&server).await?);
    Ok(figures)
}

/// Times of one thing.
struct Times(Vec<f64>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect())
    }

    /// Milliseconds, by the nearest rank.
    fn rank(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Two figures: the percentiles of `times` beside those of a reference, the upper one with a target.
fn percentiles(
    name: &str,
    (upper, limit): (usize, Option<(&'static str, f64)>),
    times: &Times,
    reference: &Times,
) -> [Figure; 2] {
    [50, upper].map(|percent| {
        let value = times.rank(percent);
        let target = limit.filter(|_| percent == upper);
        let met = target.is_none_or(|(_, limit)| value < limit);
        let target = target.map_or("", |(words, _)| words);
        Figure::new(&format!("{name}, p{percent}"), value, "ms", Some(reference.rank(percent)), target, met)
    })
}

/// Waits until everything old was counted.
async fn counted(server: &Child, since: Instant) -> anyhow::Result<Duration> {
    wait(since, "the list was not made", async || {
        Ok(server.staff("/v1/staff/numbers").await?.0["ready"] == true)
    })
    .await
}

/// Waits until everything old can be found.
async fn indexed(server: &Child, since: Instant) -> anyhow::Result<Duration> {
    wait(since, "the index was not made", async || {
        Ok(server.staff("/v1/staff/search?q=zzzz").await?.0["behind"] == 0)
    })
    .await
}

async fn wait(
    since: Instant,
    what: &str,
    is: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    while since.elapsed() < Duration::from_secs(300) {
        if is().await? {
            return Ok(since.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("{what} within 300 s")
}

/// Searches over HTTP, beside reading every message once.
async fn search(server: &Child, texts: &[String]) -> anyhow::Result<Vec<Figure>> {
    let (mut times, mut scans) = (Vec::new(), Vec::new());
    for n in 0..TIMES * QUERIES.len() {
        let query = QUERIES[n % QUERIES.len()];
        let (found, took) = server.staff(&format!("/v1/staff/search?q={}", escape(query))).await?;
        let total = found["total"].as_u64().context("a search without a total")?;
        anyhow::ensure!((total > 0) == (query != "zzzz"), "`{query}` was found {total} times");
        times.push(took);
        if n < 2 * QUERIES.len() {
            let word = query.trim_matches('"');
            let started = Instant::now();
            let hits = texts.iter().filter(|text| text.to_lowercase().contains(word)).count();
            scans.push(started.elapsed());
            std::hint::black_box(hits);
        }
    }
    let name = format!("search over {} messages (reference: reading all)", texts.len());
    Ok(percentiles(&name, (95, Some(("< 100", 100.0))), &Times::of(times), &Times::of(scans)).into())
}

/// `text` in an address.
fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Pages of the list and the numbers, beside those of a shop with ten conversations.
async fn pages(server: &Child, empty: &Child) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let list = |tab: &str| format!(r#"{{"t":"list","tab":"{tab}","limit":200}}"#);
    let (mut large, mut small) = (server.agent().await?, empty.agent().await?);
    let (mut times, mut others) = (Vec::new(), Vec::new());
    for n in 0..200 {
        let frame = list(["all", "waiting", "resolved", "mine"][n % 4]);
        for (wire, times) in [(&mut large, &mut times), (&mut small, &mut others)] {
            let asked = Instant::now();
            wire.send(&frame).await?;
            while !wire.next().await?.contains(r#""t":"list""#) {}
            times.push(asked.elapsed());
        }
    }
    let name = "snapshot of the list, 200 rows of 10,000 (reference: of 10)";
    figures.extend(percentiles(name, (95, Some(("< 50", 50.0))), &Times::of(times), &Times::of(others)));
    for (name, path, limit) in [
        ("page of the list over HTTP", "/v1/staff/conversations?tab=all&limit=200", ("< 50", 50.0)),
        ("numbers of 400 days", "/v1/staff/numbers?from=2025-10-20&to=2026-11-23", ("< 50", 50.0)),
    ] {
        let (mut times, mut others) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            times.push(server.staff(path).await?.1);
            others.push(empty.staff(path).await?.1);
        }
        let name = format!("{name}, 10,000 conversations (reference: 10)");
        figures.extend(percentiles(&name, (95, Some(limit)), &Times::of(times), &Times::of(others)));
    }
    let (numbers, _) = server.staff("/v1/staff/numbers?from=2025-10-20&to=2026-11-23").await?;
    let all = &numbers["total"]["conversations"];
    anyhow::ensure!(all.as_u64() == Some(CONVERSATIONS as u64), "{all} conversations were counted");
    Ok(figures)
}
