//! `shopclerk data erase`: somebody leaves the shop's memory; and what is kept too long.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::open_existing;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{ConvId, ShopperId};
use crate::runs::rows::forget::{self, Forgotten, forget};
use crate::store::{Erasure, Store, Whose};

const DAY: u64 = 24 * 60 * 60 * 1000;

#[derive(Serialize)]
struct Done {
    #[serde(flatten)]
    erasure: Erasure,
    #[serde(flatten)]
    forgotten: Forgotten,
}

/// Rows first: the store still knows who the shopper is if this is stopped and done again.
pub(super) async fn run(word: &str, config: &Config, json: bool) -> anyhow::Result<()> {
    let store = open_existing(config)?;
    let outcome = erase(&store, word, &config.data).await;
    store.close().await;
    let done = outcome?;
    // The index still holds traces; opening makes it again.
    open_existing(config)?.close().await;
    if json {
        println!("{}", serde_json::to_string_pretty(&done)?);
        return Ok(());
    }
    println!(
        "{} conversations erased ({} journal entries), {} rows of {} runs removed",
        done.erasure.conversations.len(),
        done.erasure.entries,
        done.forgotten.rows,
        done.forgotten.runs.len()
    );
    for adapter in &done.forgotten.adapters {
        println!(
            "tainted: {adapter} learnt from this shopper; train it again, or `shopclerk adapter remove {adapter}`"
        );
    }
    Ok(())
}

async fn erase(store: &Store, word: &str, data: &Path) -> anyhow::Result<Done> {
    let shopper = the_one(store, word)?;
    let forgotten = forget(data, forget::Whose::Shopper(shopper))?;
    let erasure = store.erase(Whose::Shopper(shopper)).await?;
    Ok(Done { erasure, forgotten })
}

fn the_one(store: &Store, word: &str) -> anyhow::Result<ShopperId> {
    if let Ok(id) = word.parse::<ShopperId>() {
        return Ok(id);
    }
    match store.find_shoppers(word)?.as_slice() {
        [only] => Ok(only.id),
        [] => bail!(
            "no shopper has this e-mail address or customer number; give the shopper's id, as `shopclerk data export` lists it"
        ),
        many => bail!(
            "{} shoppers have this e-mail address; give the id of one: {}",
            many.len(),
            many.iter().map(|shopper| shopper.id.to_string()).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Erases what nothing happened in for `store.retention_days`, now and once a day, as long as it is polled.
pub(crate) async fn keep_to_retention(store: Store, config: Config, clock: Clock) {
    let days = config.store.retention_days;
    if days == 0 {
        return;
    }
    loop {
        let before = clock.now().saturating_sub(days * DAY);
        match retire(&store, &config.data, before).await {
            Ok(erasure) if erasure == Erasure::default() => {}
            Ok(erasure) => {
                tracing::info!(
                    conversations = erasure.conversations.len(),
                    days,
                    "erased what was kept long enough"
                );
            }
            Err(fault) => tracing::error!(%fault, "what was kept long enough could not be erased"),
        }
        tokio::time::sleep(Duration::from_millis(DAY)).await;
    }
}

async fn retire(store: &Store, data: &Path, before: u64) -> anyhow::Result<Erasure> {
    let old: Vec<ConvId> = store
        .conversations(None, usize::MAX)?
        .into_iter()
        .filter(|(_, head)| head.updated_at < before)
        .map(|(conv, _)| conv)
        .collect();
    // Rows first, as above.
    if !old.is_empty() {
        let data = data.to_owned();
        tokio::task::spawn_blocking(move || forget(&data, forget::Whose::Conversations(&old))).await??;
    }
    Ok(store.erase(Whose::UntouchedSince(before)).await?)
}
