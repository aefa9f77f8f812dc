//! `shopclerk data`: look at, save, restore and erase the conversations, and make training data of them.

mod backup;
mod erase;
pub(super) mod rows;

#[cfg(feature = "train")]
mod preview;
#[cfg(feature = "train")]
pub(super) mod split;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Manifest, Recovery, Store, Table, Verified};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  shopclerk data verify\n  shopclerk data export backup.ndjson\n  \
                        shopclerk --data fresh data import backup.ndjson")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Read everything and compare: exit code 1 if anything is not as it was written
    #[command(after_help = "Example:\n  shopclerk data verify --json")]
    Verify,
    /// Write all conversations as lines of JSON, with a manifest
    #[command(after_help = "Example:\n  shopclerk data export backup.ndjson")]
    Export {
        /// One file if the name ends in .ndjson, else a new folder
        to: PathBuf,
    },
    /// Make training data of what staff answered and corrected and shoppers liked, without personal data
    #[command(
        after_help = "Example:\n  shopclerk data rows --recipe recipe.toml --output rows.jsonl --report report.json"
    )]
    Rows(rows::Args),
    /// Erase all that is kept of one shopper: conversations, profile, training rows. There is no way back
    #[command(after_help = "Example:\n  shopclerk data erase jane@example.com")]
    Erase {
        /// The shopper's id, e-mail address or customer number
        shopper: String,
    },
    /// Write everything that cannot be made again to one file, also while a server runs: conversations, accounts, settings,
    /// adapters, what runs tell of themselves. Models are not in it
    #[command(after_help = "Example:\n  shopclerk data backup /backups/shop-2026-11-24.tar")]
    Backup {
        /// A tar file; it must not exist yet
        to: PathBuf,
    },
    /// Make a data folder from a backup; what is there must be empty
    #[command(after_help = "Example:\n  shopclerk --data fresh data restore /backups/shop-2026-11-24.tar")]
    Restore {
        /// What `data backup` or the dashboard wrote
        from: PathBuf,
    },
    /// Make a store from an export; what is there must be empty
    #[command(after_help = "Example:\n  shopclerk --data fresh data import backup.ndjson")]
    Import {
        /// What `data export` wrote
        from: PathBuf,
    },
    /// Show what a trainer would learn from some rows, and how long they are
    #[cfg(feature = "train")]
    Preview(preview::Args),
    /// Write the rows of one part of a recipe's data, e.g. those an adapter was not trained on
    #[cfg(feature = "train")]
    Split(split::Args),
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    match args.what {
        What::Verify => verify(&config, args.json).await,
        What::Export { to } => export(&config, &to, args.json).await,
        #[cfg(feature = "train")]
        What::Preview(preview) => {
            tokio::task::spawn_blocking(move || preview::run(&preview, &config, args.json)).await?
        }
        #[cfg(feature = "train")]
        What::Split(split) => {
            tokio::task::spawn_blocking(move || split::run(&split, &config, args.json)).await?
        }
        What::Backup { to } => backup::make(&config, &to, args.json).await,
        What::Restore { from } => backup::restore(&config, &from, args.json).await,
        What::Import { from } => import(&config, &from, args.json).await,
        What::Rows(what) => rows::run(what, &config, args.json).await,
        What::Erase { shopper } => erase::run(&shopper, &config, args.json).await,
    }
}

/// What verify prints with --json.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    #[serde(flatten)]
    verified: &'a Verified,
    /// What opening did: entries replayed after a stop, bytes cut off, an index made again.
    replayed: u64,
    torn_bytes: u64,
    rebuilt: Option<String>,
}

async fn verify(config: &Config, json: bool) -> anyhow::Result<()> {
    let store = open_existing(config)?;
    let bar = Bar::new();
    let verified = store.verify(&|what, done, total| bar.show(what, done, total));
    bar.done();
    let recovery = store.recovery().clone();
    store.close().await;
    let verified = verified?;
    if json {
        let rebuilt = recovery.rebuilt.as_deref().map(|p| p.display().to_string());
        let (replayed, torn_bytes) = (recovery.replayed, recovery.torn_bytes);
        let report =
            Report { ok: verified.faults.is_empty(), verified: &verified, replayed, torn_bytes, rebuilt };
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_verified(&verified, &recovery);
    }
    if verified.faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{}: {} fault(s) found; what is listed cannot be read any more, the rest is served as before. \
         To have it back, restore a backup with `shopclerk data restore`, or an export with `shopclerk data import`",
        config.store_dir().display(),
        verified.faults.len()
    )
}

fn print_verified(verified: &Verified, recovery: &Recovery) {
    println!(
        "{} conversations, {} events, {} shoppers; {} journal entries in {} bytes",
        verified.conversations,
        verified.events,
        verified.shoppers,
        verified.journal_entries,
        verified.journal_bytes
    );
    if recovery.replayed > 0 {
        println!("after the last stop {} entries were put into the index", recovery.replayed);
    }
    if recovery.torn_bytes > 0 {
        println!("{} bytes of an unfinished last write were cut off", recovery.torn_bytes);
    }
    if let Some(kept) = &recovery.rebuilt {
        println!("the index was broken and was made again from the journal; kept: {}", kept.display());
    }
    for fault in &verified.faults {
        println!("FAULT {}: {}", fault.place, fault.what);
    }
    if verified.faults.is_empty() {
        println!("everything is as it was written");
    }
}

async fn export(config: &Config, to: &Path, json: bool) -> anyhow::Result<()> {
    let store = open_existing(config)?;
    let bar = Bar::new();
    let manifest = store.export(to, &|what, done, total| bar.show(what, done, total));
    bar.done();
    store.close().await;
    let manifest = manifest?;
    if manifest.holes > 0 {
        eprintln!(
            "shopclerk: {} events could not be read; a note stands in the place of each. `shopclerk data verify` lists them",
            manifest.holes
        );
    }
    tell(&manifest, json, &format!("written to {}", to.display()))
}

async fn import(config: &Config, from: &Path, json: bool) -> anyhow::Result<()> {
    let dir = config.store_dir();
    fs_err::create_dir_all(&config.data).context("the data folder cannot be made")?;
    let bar = Bar::new();
    let progress = |what: &str, done, total| bar.show(what, done, total);
    let manifest = Store::import(&dir, from, &config.store, Clock::System, &progress).await;
    bar.done();
    tell(&manifest?, json, &format!("read from {} into {}", from.display(), dir.display()))
}

fn tell(manifest: &Manifest, json: bool, what: &str) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(manifest)?);
        return Ok(());
    }
    let rows = |table| manifest.tables.get(&table).map_or(0, |sum| sum.rows);
    println!(
        "{} conversations, {} events, {} shoppers {what}",
        rows(Table::Conversations),
        rows(Table::Events),
        rows(Table::Shoppers)
    );
    Ok(())
}

/// Looking must not make a new store where there is none.
pub(super) fn open_existing(config: &Config) -> anyhow::Result<Store> {
    let dir = config.store_dir();
    if !dir.join("journal").is_dir() {
        bail!(
            "{}: there is no store here; give --data the folder that `shopclerk serve` uses",
            dir.display()
        );
    }
    Ok(Store::open(&dir, &config.store, Clock::System)?)
}

/// A progress bar on a terminal, nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:14} {bar:40} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn show(&self, what: &str, done: u64, total: u64) {
        if self.0.message() != what {
            self.0.set_message(what.to_owned());
        }
        self.0.set_length(total.max(done));
        self.0.set_position(done);
    }

    fn done(&self) {
        self.0.finish_and_clear();
    }
}
