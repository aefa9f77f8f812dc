//! `shopclerk bench train`: one epoch of LoRA on dialogues, as `shopclerk train` does it and, beside it, as PEFT on PyTorch
//! does the same rows in the same batches. Both are asked for their loss on dialogues that neither has seen.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Figure;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::{DataRecipe, Objective, Recipe, Schedule, TooLong};
use crate::domain::run::Part;
use crate::model::library;
use crate::prompt::Playbook;
use crate::train::data::corpus::Corpus;
use crate::train::data::encode::Encoder;
use crate::train::data::prepare::{self, Place, prepare};
use crate::train::data::split::{self, Split};
use crate::train::run::plan::Plan;
use crate::train::run::{Folder, Outcome, journal};

/// The reference, as a program.
const PEFT: &str = include_str!("train/peft.py");
/// Seeds that are tried until one holds out as many as asked for.
const SEEDS: u64 = 10_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  shopclerk bench train --rows dialogues.jsonl --python .venv/bin/python --json"
)]
pub(super) struct Args {
    /// Dialogues to train on (JSONL, any format `train` reads); what the shop says of itself if absent
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// A Python with torch, transformers and peft, for the reference
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Dialogues that are not trained on, and judged before and after; which ones follows from how many
    #[arg(long, value_name = "N", default_value_t = 10)]
    hold_out: usize,
    /// Threads of both
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// What one training showed.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Seen {
    tokens_per_second: f64,
    peak_mib: f64,
    /// Mean of the steps' losses.
    loss: f64,
    /// Loss of a learnt token of the dialogues that were held out, before and after.
    held_out: Option<[f64; 2]>,
}

pub(super) fn measure(args: &Args, config: &Config) -> anyhow::Result<Vec<Figure>> {
    let base = library::resolve(&config.models_dir(), &config.model.name)?;
    let scratch = tempfile::tempdir()?;
    let mut recipe = recipe(args, &base.path);
    let rows = match &args.rows {
        Some(rows) => rows.clone(),
        None => of_the_shop(&scratch.path().join("shop.jsonl"), config)?,
    };
    let all = Rows::prepare(&scratch.path().join("all"), &rows, &recipe, &base.path)?;
    let half = scratch.path().join("half.jsonl");
    head(&all.folder.join(prepare::ROWS), &half, all.corpus.part(Part::Train).len() / 2)?;
    hold_out(args.hold_out, &all.folder.join(prepare::ROWS), &mut recipe)?;
    // With its share of what is held out: judging takes memory as well.
    let half = Rows::prepare(&scratch.path().join("half"), &half, &recipe, &base.path)?;
    let whole = Rows::prepare(&scratch.path().join("whole"), &rows, &recipe, &base.path)?;
    let count = whole.corpus.part(Part::Train).len();
    ensure!(count >= 8, "{}: {count} rows are too few to measure anything", rows.display());

    let at_half = half.ours(config)?;
    let ours = whole.ours(config)?;
    let theirs = args.python.as_deref().map(|python| whole.peft(python, &recipe, &base.path)).transpose()?;
    let rate = theirs.map(|seen| seen.tokens_per_second);
    let (cost, cost_at_half) = (1000.0 / ours.tokens_per_second, 1000.0 / at_half.tokens_per_second);
    let figure = |name: String, value, unit, reference, target, met| {
        Figure::new(&name, value, unit, reference, target, met)
    };
    let half_count = half.corpus.part(Part::Train).len();
    let mut figures = vec![
        figure(
            format!("training, one epoch of {count} dialogues"),
            ours.tokens_per_second,
            "tokens/s",
            rate,
            ">= 1.2x",
            rate.is_some_and(|rate| ours.tokens_per_second >= 1.2 * rate),
        ),
        figure(
            "peak memory while training".to_owned(),
            ours.peak_mib,
            "MiB",
            theirs.map(|seen| seen.peak_mib),
            "< 2048",
            ours.peak_mib < 2048.0,
        ),
        figure(
            "mean training loss of the epoch".to_owned(),
            ours.loss,
            "nats",
            theirs.map(|seen| seen.loss),
            "<= 1.02x",
            theirs.is_none_or(|seen| ours.loss <= 1.02 * seen.loss),
        ),
        figure(
            format!("time a token, {count} rows against {half_count}"),
            cost,
            "ms",
            Some(cost_at_half),
            "<= 1.1x",
            cost <= 1.1 * cost_at_half,
        ),
        figure(
            format!("peak memory, {count} rows against {half_count}"),
            ours.peak_mib,
            "MiB",
            Some(at_half.peak_mib),
            "<= 1.05x",
            ours.peak_mib <= 1.05 * at_half.peak_mib,
        ),
    ];
    figures.extend(judged(whole.corpus.part(Part::Test).len(), ours, theirs));
    Ok(figures)
}

/// What both say to dialogues that neither has seen.
fn judged(count: usize, ours: Seen, theirs: Option<Seen>) -> Vec<Figure> {
    let Some([before, after]) = ours.held_out else { return Vec::new() };
    let theirs = theirs.and_then(|seen| seen.held_out);
    let figure = |when: &str, value, reference: Option<f64>, target, met: &dyn Fn(f64) -> bool| {
        let name = format!("loss on {count} other dialogues, {when}");
        Figure::new(&name, value, "nats", reference, target, reference.is_none_or(|other| met(value / other)))
    };
    vec![
        // Nothing was learnt yet: this says that both measure the same.
        figure("before", before, theirs.map(|pair| pair[0]), "0.999-1.001x", &|x| (x - 1.0).abs() <= 0.001),
        figure("after", after, theirs.map(|pair| pair[1]), "<= 1.005x", &|x| x <= 1.005),
    ]
}

/// Has `recipe` hold out exactly `count` conversations of the file `rows`: by the first seed that does.
fn hold_out(count: usize, rows: &Path, recipe: &mut Recipe) -> anyhow::Result<()> {
    let mut groups = BTreeSet::new();
    prepare::for_each_row(rows, |row| {
        groups.insert(row.group);
        Ok(())
    })?;
    ensure!(
        count < groups.len(),
        "--hold-out: {count} of {} conversations leave nothing to train on",
        groups.len()
    );
    recipe.data.test = count as f64 / groups.len() as f64;
    let held_out = |data: &DataRecipe| {
        let places: Vec<u64> = groups.iter().map(|group| split::place(data.split_seed, group)).collect();
        let split = Split::new(places.clone(), data);
        places.iter().filter(|place| split.part(**place) == Part::Test).count()
    };
    let seed =
        (0..SEEDS).find(|seed| held_out(&DataRecipe { split_seed: *seed, ..recipe.data.clone() }) == count);
    recipe.data.split_seed = seed.context("--hold-out: no seed holds out as many; take another number")?;
    Ok(())
}

/// A dialogue for each policy and each product of the shop.
fn of_the_shop(file: &Path, config: &Config) -> anyhow::Result<PathBuf> {
    let playbook = Playbook::load(&config.shop, &|text| text.to_owned())?;
    let shop = playbook.shop();
    let policies = shop.policies.iter().map(|one| (one.title.as_str(), one.text.as_str()));
    let products = shop.products.iter().map(|one| (one.name.as_str(), one.description.as_str()));
    let mut to = std::io::BufWriter::new(fs_err::File::create(file)?);
    for (title, text) in policies.chain(products) {
        let asked = format!("What can you tell me about this: {title}?");
        let messages = [("user", asked.as_str()), ("assistant", text)];
        let messages =
            messages.map(|(role, content)| serde_json::json!({ "role": role, "content": content }));
        writeln!(to, "{}", serde_json::json!({ "messages": messages }))?;
    }
    to.flush()?;
    Ok(file.to_owned())
}

/// The settings of the comparison; both sides take them from here.
fn recipe(args: &Args, base: &Path) -> Recipe {
    let mut recipe =
        Recipe { base: base.display().to_string(), objective: Objective::Chat, ..Recipe::default() };
    (recipe.data.dev, recipe.data.test) = (0.0, 0.0);
    (recipe.data.max_tokens, recipe.data.too_long) = (512, TooLong::CutOrDrop);
    (recipe.train.batch, recipe.train.lr, recipe.train.epochs) = (4, 2e-4, 1.0);
    (recipe.train.schedule, recipe.train.warmup) = (Schedule::Constant, 0.0);
    recipe.train.threads = args.threads;
    recipe
}

/// A run's folder and its tokenised rows.
struct Rows {
    folder: PathBuf,
    corpus: Corpus,
    plan: Plan,
}

impl Rows {
    fn prepare(folder: &Path, rows: &Path, recipe: &Recipe, base: &Path) -> anyhow::Result<Self> {
        fs_err::create_dir_all(folder)?;
        let mut recipe = recipe.clone();
        recipe.data.files = vec![fs_err::canonicalize(rows)?];
        fs_err::write(folder.join("recipe.toml"), recipe.to_toml())?;
        let source = prepare(
            &recipe,
            Place { folder, beside: folder, now: Clock::System.now(), wording: None, clean: None },
        )?;
        let encoder = Encoder::load(base, source.now)?;
        let file = folder.join(prepare::ROWS);
        let corpus = Corpus::build(&file, folder, &encoder, (&recipe.data, recipe.objective))?;
        let lengths = corpus.part(Part::Train).iter().map(|n| corpus.tokens(*n)).collect();
        let plan = Plan::new(lengths, &recipe.train);
        Ok(Self { folder: folder.to_owned(), corpus, plan })
    }

    /// Trains in a process of its own, so that its peak is its own.
    fn ours(&self, config: &Config) -> anyhow::Result<Seen> {
        let output = Command::new(std::env::current_exe()?)
            .arg("--data")
            .arg(&config.data)
            .args(["train", "--json"])
            .arg(&self.folder)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start the trainer")?;
        ensure!(output.status.success(), "the trainer failed; its error is above");
        let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
        let losses: Vec<f64> =
            journal::read(&Folder::new(&self.folder))?.iter().filter_map(|log| log.loss).collect();
        let loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let held_out = outcome.test.map(|pair| [pair.base, pair.adapter]);
        Ok(Seen { tokens_per_second: outcome.tokens_per_second, peak_mib: outcome.peak_mib, loss, held_out })
    }

    /// A line of rows a batch, as the reference reads them.
    fn write(&self, name: &str, batches: impl Iterator<Item = Vec<usize>>) -> anyhow::Result<PathBuf> {
        let file = self.folder.join(name);
        let mut out = std::io::BufWriter::new(fs_err::File::create(&file)?);
        for examples in batches {
            let rows = self.corpus.read(&examples)?;
            let rows: Vec<_> = rows.iter().map(|row| serde_json::json!([row.ids, row.targets])).collect();
            writeln!(out, "{}", serde_json::Value::Array(rows))?;
        }
        out.flush()?;
        Ok(file)
    }

    /// The same batches through PEFT.
    fn peft(&self, python: &Path, recipe: &Recipe, base: &Path) -> anyhow::Result<Seen> {
        let (train, test) = (self.corpus.part(Part::Train), self.corpus.part(Part::Test));
        let mut plan = self.plan.clone();
        let batches =
            (1..=self.plan.steps).map(|step| plan.batch(step).into_iter().map(|n| train[n]).collect());
        let batches = self.write("batches.jsonl", batches)?;
        let held_out = self.write("held_out.jsonl", test.iter().map(|n| vec![*n]))?;
        let settings = serde_json::json!({
            "base": base, "batches": batches, "held_out": held_out, "rank": recipe.lora.rank, "alpha": recipe.lora.alpha,
            "targets": recipe.lora.targets, "lr": recipe.train.lr, "clip": recipe.train.clip, "seed": recipe.train.seed,
            "threads": recipe.train.threads,
        });
        let output = Command::new(python)
            .args(["-c", PEFT, &settings.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", python.display()))?;
        ensure!(output.status.success(), "PEFT failed; its error is above");
        serde_json::from_slice(&output.stdout).context("PEFT said something else than its figures")
    }
}

/// The first `count` lines of a file.
fn head(from: &Path, to: &Path, count: usize) -> anyhow::Result<()> {
    let text = fs_err::read_to_string(from)?;
    let lines: String = text.lines().take(count).map(|line| format!("{line}\n")).collect();
    Ok(fs_err::write(to, lines)?)
}
