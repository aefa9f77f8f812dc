//! `shopclerk data erase`: somebody leaves the shop's memory while no server runs. The dashboard does the same while one does.

use anyhow::bail;

use super::open_existing;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ShopperId;
use crate::keep;
use crate::staff::{Audit, Entry};
use crate::store::Store;

pub(super) async fn run(word: &str, config: &Config, json: bool) -> anyhow::Result<()> {
    let store = open_existing(config)?;
    let outcome = erase(&store, word, config).await;
    store.close().await;
    let (shopper, done) = outcome?;
    // The index still holds traces; opening makes it again.
    open_existing(config)?.close().await;
    let audit = Audit::open(&config.staff_dir(), Clock::System);
    let words = format!("{} conversations, {} rows", done.erasure.conversations.len(), done.forgotten.rows);
    audit.note(Entry::new("cli", "shopper_erased").on(&shopper.to_string()).detail(&words))?;
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

async fn erase(store: &Store, word: &str, config: &Config) -> anyhow::Result<(ShopperId, keep::Erased)> {
    let shopper = the_one(store, word)?;
    Ok((shopper, keep::erase(store, &config.data, shopper).await?))
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
