//! A shop with a past: its conversations go through the store as real ones do, under a clock of their own.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt};
use uuid::Uuid;

use crate::clock::{Clock, Millis};
use crate::domain::handoff::{HandOff, Reason};
use crate::domain::{Cmid, Command, ConvId, Ended, MessageId, Opening, Provenance, Said, ShopperId, Speaker};
use crate::store::{Settings, Store, StoreError};

/// 1 November 2025: the past begins here and lasts a year.
const BEGIN: Millis = 1_761_955_200_000;
const YEAR: Millis = 365 * 24 * 60 * 60 * 1000;
/// Conversations that talk at once.
const AT_ONCE: usize = 256;

const WHY: HandOff = HandOff { reason: Reason::Asked, away: false };

const ASKED: [&str; 8] = [
    "Where is my parcel? I ordered the blue rain jacket last week.",
    "Can I return shoes I have worn once, without the receipt",
    "我的包裹在哪里？我上周下的单",
    "Passt die Größe 42 oder fällt der Schuh klein aus?",
    "Is the green scarf made of wool, and can it be washed?",
    "退货的包裹要寄到哪里？",
    "How long does delivery to the islands take in winter?",
    "Thank you, that was quick!",
];
const ANSWERED: [&str; 3] = [
    "Your parcel is on its way and should arrive within two days.",
    "You can return it within 30 days if it is clean and in its box.",
    "It runs true to size; take half a size more for thick socks.",
];

/// Fills the store of a server's folder; returns everything that was said.
pub(super) async fn fill(data: &Path, conversations: usize, messages: usize) -> anyhow::Result<Vec<String>> {
    let settings = Settings { min_free_mib: 0, ballast_mib: 0, ..Settings::default() };
    let clock = Clock::manual(BEGIN);
    let store = Store::open(&data.join("store"), &settings, clock.clone())?;
    let step = Duration::from_millis(YEAR / conversations as Millis);
    let texts: Vec<Vec<String>> = futures_util::stream::iter(0..conversations)
        .map(|n| {
            clock.advance(step);
            converse(&store, &clock, n, messages / 2)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    store.close().await;
    Ok(texts.into_iter().flatten().collect())
}

/// One conversation; every tenth waits for a person, every fourth is resolved.
async fn converse(store: &Store, clock: &Clock, n: usize, exchanges: usize) -> anyhow::Result<Vec<String>> {
    let conv = ConvId(Uuid::now_v7());
    let mut texts = Vec::with_capacity(2 * exchanges);
    commit(store, conv, Command::Open(Opening { shopper: ShopperId(Uuid::new_v4()) })).await?;
    for exchange in 0..exchanges {
        let asked = format!("{} ({n}/{exchange})", ASKED[(n + exchange) % ASKED.len()]);
        let text = Said::parse(&asked).context("a plain text")?;
        let cmid = Cmid(Uuid::now_v7());
        commit(store, conv, Command::Say { cmid, by: Speaker::Shopper, text }).await?;
        let begin = Command::Begin { mid: MessageId(clock.fresh_id()), epoch: 0 };
        let job = commit(store, conv, begin).await?.job.context("an answer that did not begin")?;
        let text = ANSWERED[(n + exchange) % ANSWERED.len()].to_owned();
        texts.extend([asked, text.clone()]);
        let provenance = Some(provenance(n));
        commit(store, conv, Command::Finish { job, text, ended: Ended::Complete, provenance }).await?;
    }
    match n % 20 {
        0 | 10 => drop(commit(store, conv, Command::Person { why: WHY, cut: None }).await?),
        4 | 8 | 12 | 16 | 19 => drop(commit(store, conv, Command::Resolve { cut: None }).await?),
        _ => {}
    }
    Ok(texts)
}

async fn commit(store: &Store, conv: ConvId, command: Command) -> anyhow::Result<crate::store::Committed> {
    loop {
        match store.commit(conv, command.clone()).await {
            Err(StoreError::Busy) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => return other.context("what was said was not stored"),
        }
    }
}

fn provenance(n: usize) -> Provenance {
    let first_ms = 200 + (n as u32 * 37) % 700;
    Provenance {
        model: "bench".to_owned(),
        adapter: n.is_multiple_of(3).then(|| "shop@1".to_owned()),
        prompt: String::new(),
        seed: 0,
        prompt_tokens: 300,
        completion_tokens: 20,
        rounds: 0,
        first_ms,
        total_ms: first_ms + 1_500,
    }
}
