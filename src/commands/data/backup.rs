//! `shopclerk data backup` and `restore`: everything that cannot be made again, in one file.

use std::path::Path;
use std::time::Duration;

use super::open_existing;
use crate::clock::Clock;
use crate::config::Config;
use crate::keep::asked;
use crate::keep::backup::{self, Contents, Source};
use crate::staff::{Audit, Entry};
use crate::store::StoreError;

/// How long a running server may take.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

pub(super) async fn make(config: &Config, to: &Path, json: bool) -> anyhow::Result<()> {
    let to = std::path::absolute(to)?;
    let contents = match open_existing(config) {
        Ok(store) => {
            let source = Source { store: &store, data: &config.data, clock: &Clock::System };
            let made = backup::make(&source, &to);
            store.close().await;
            let made = made?;
            let words = format!("{} conversations", made.conversations);
            Audit::open(&config.staff_dir(), Clock::System)
                .note(Entry::new("cli", "backup_made").detail(&words))?;
            made
        }
        // A server has it: it makes the backup.
        Err(fault) if matches!(fault.downcast_ref::<StoreError>(), Some(StoreError::Locked(_))) => {
            asked::ask(&config.staff_dir(), &to, PATIENCE).await?
        }
        Err(fault) => return Err(fault),
    };
    tell(&contents, json, &format!("written to {} and read again", to.display()))
}

pub(super) async fn restore(config: &Config, from: &Path, json: bool) -> anyhow::Result<()> {
    let contents = backup::restore(from, &config.data, &config.store, Clock::System).await?;
    tell(&contents, json, &format!("restored to {} and verified", config.data.display()))
}

fn tell(contents: &Contents, json: bool, what: &str) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(contents)?);
        return Ok(());
    }
    let (conversations, events, files) = (contents.conversations, contents.events, contents.files.len());
    println!("{conversations} conversations, {events} events and {files} files {what}");
    if contents.holes > 0 {
        println!("{} events could not be read; `shopclerk data verify` lists them", contents.holes);
    }
    Ok(())
}
