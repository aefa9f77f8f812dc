//! `shopclerk tool extract --shop`: the attributes that a shop's descriptions tell, written into its catalogue.
//!
//! Every product is a line of a batch, so that a killed run goes on where it was. What is to be changed is written down in the report
//! before anything is, and done from there: a run that is killed in the middle of it ends with the same catalogue and report. The
//! owner may change the catalogue while a run goes on, which takes hours: it is read again before it is written.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fs_err::File;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{doer, each, toolbox};
use crate::config::Config;
use crate::tools::{Batch, Catalogue, Enriched, Entry, ExtractItem, Extracted, Opened, Tool};

#[derive(Debug, clap::Args)]
pub(super) struct Enrich {
    /// With --shop: write the report, and leave the catalogue as it is
    #[arg(long, requires = "shop")]
    dry_run: bool,
    /// With --shop: where the report goes, a line a product; DIR/enrichment.jsonl if absent
    #[arg(long, requires = "shop", value_name = "FILE.jsonl")]
    report: Option<PathBuf>,
    /// With --shop: how sure the model has to be of an attribute, 0 to 1
    #[arg(long, requires = "shop", value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    min_confidence: f32,
}

impl Enrich {
    /// Whether something was said that only a catalogue has.
    pub(super) fn is_wanted(&self) -> bool {
        self.dry_run || self.report.is_some()
    }
}

fn share(text: &str) -> Result<f32, String> {
    let fault = || format!("{text}: use a number from 0 to 1");
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(fault)
}

/// What the batch kept of one product.
#[derive(Deserialize)]
struct Line {
    line: usize,
    #[serde(flatten)]
    found: Extracted,
}

/// As [`Line`], where it failed.
#[derive(Deserialize)]
struct Failed {
    line: usize,
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
}

pub(super) async fn run(shop: &Path, args: &Enrich, config: &Config) -> anyhow::Result<()> {
    let catalogue = Catalogue::read(shop)?;
    let name = if args.dry_run { "enrichment.dry-run.jsonl" } else { "enrichment.jsonl" };
    let report = args.report.clone().unwrap_or_else(|| shop.join(name));
    let items = Items { file: beside(&report, "items"), ready: beside(&report, "ready") };
    items.write(&catalogue)?;
    if Batch::check(&items.file, &report).is_err() {
        // That of the run before.
        fs_err::rename(&report, beside(&report, "old"))?;
    }
    let tools = toolbox(config).await?;
    let options = format!(
        "--shop --min-confidence {}{}",
        args.min_confidence,
        if args.dry_run { " --dry-run" } else { "" }
    );
    let doer = doer(&tools, Tool::Extract, &options, config).await?;
    if let Opened::Begun(batch) = Batch::open(&items.file, &report, doer)? {
        if batch.progress().lines == 0 {
            remove(&items.ready)?;
        }
        let (batch, _) =
            each(batch, async |entry: Entry| tools.extract(&ExtractItem::from(&entry)).await).await?;
        batch.finish_as(|answers| finish(answers, &report, &items, (args, catalogue)))?;
    }
    remove(&items.file)?;
    tell(&report, args.dry_run)
}

/// Files beside the report, while it is made.
struct Items {
    /// What the batch reads: products without their attributes, so that it stays the same when some are added.
    file: PathBuf,
    /// The report, while the catalogue is not changed yet.
    ready: PathBuf,
}

impl Items {
    fn write(&self, catalogue: &Catalogue) -> anyhow::Result<()> {
        whole(&self.file, &mut |to| lines(to, &catalogue.entries()))
    }
}

fn finish(
    answers: &Path,
    report: &Path,
    items: &Items,
    (args, began): (&Enrich, Catalogue),
) -> anyhow::Result<()> {
    if !items.ready.exists() {
        let done = sorted(answers, &began.entries(), (&began.again()?, args.min_confidence))?;
        whole(&items.ready, &mut |to| lines(to, &done))?;
    }
    if !args.dry_run {
        let done: Vec<Enriched> = read(&items.ready)?;
        // Right before it is written: what the owner changed since the run began stays.
        let mut now = began.again()?;
        let added: usize = done.iter().filter_map(|one| now.add(one)).sum();
        if added > 0 {
            now.write()?;
        }
    }
    fs_err::rename(&items.ready, report)?;
    Ok(())
}

/// Every product with what was found, in the order of `entries`, beside what its owner has in the catalogue now.
fn sorted(
    answers: &Path,
    entries: &[Entry],
    (now, floor): (&Catalogue, f32),
) -> anyhow::Result<Vec<Enriched>> {
    let entry =
        |line: usize| line.checked_sub(1).and_then(|n| entries.get(n)).context("a line without its product");
    let mut done = Vec::with_capacity(entries.len());
    for text in BufReader::new(File::open(answers)?).lines() {
        let text = text?;
        if let Ok(Failed { line, error }) = serde_json::from_str(&text) {
            let Entry { id, text, .. } = entry(line)?.clone();
            done.push(Enriched { id, text, fault: Some(error.message), ..Enriched::default() });
        } else {
            let Line { line, found } = serde_json::from_str(&text)?;
            done.push(now.sort(entry(line)?, found, floor));
        }
    }
    Ok(done)
}

fn tell(report: &Path, dry_run: bool) -> anyhow::Result<()> {
    let done: Vec<Enriched> = read(report)?;
    let sum = |count: fn(&Enriched) -> usize| done.iter().map(count).sum::<usize>();
    let changed = done.iter().filter(|one| !one.added.is_empty()).count();
    println!(
        "{} products: {} new attributes for {changed} of them{}, {} of the owner's kept, {} left out as unsure, {} products with an error; {}",
        done.len(),
        sum(|one| one.added.len()),
        if dry_run { " (not written: a dry run)" } else { "" },
        sum(|one| one.kept.len()),
        sum(|one| one.unsure.len()),
        sum(|one| usize::from(one.fault.is_some())),
        report.display()
    );
    let meanwhile = done.iter().filter(|one| one.changed).count();
    if meanwhile > 0 {
        println!(
            "{meanwhile} products were changed or taken out meanwhile and left as they are; run again for them"
        );
    }
    if !dry_run && changed > 0 {
        println!("a server that runs reads the catalogue again within a few seconds");
    }
    Ok(())
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<Vec<T>> {
    let lines = BufReader::new(File::open(file)?).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn lines(to: &mut dyn Write, all: &[impl Serialize]) -> anyhow::Result<()> {
    for one in all {
        serde_json::to_writer(&mut *to, one)?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// A file that appears whole.
pub(super) fn whole(
    file: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut to = std::io::BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
    write(&mut to)?;
    let to = to.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    to.as_file().sync_all()?;
    to.persist(file).map_err(|fault| fault.error)?;
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

fn remove(file: &Path) -> anyhow::Result<()> {
    match fs_err::remove_file(file) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => Err(fault.into()),
        _ => Ok(()),
    }
}
