//! `shopclerk bench tools`: reviews and titles a second, beside `transformers` on the same CPU, and what a batch costs the shoppers.
//!
//! The engine works in this process; the reference is a Python process with the same weights (the adapter merged) and the same
//! prompts. They take turns: ours, theirs, ours again. What a batch costs a shopper is measured on a server of its own.

mod beside;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::super::tool;
use super::Figure;
use super::chat::median;
use crate::config::Config;
use crate::domain::prompt::Message;
use crate::model::library;
use crate::prompt::shop::Product;
use crate::prompt::{Playbook, Wanted};
use crate::tools::{ExtractItem, LABELS, SentimentItem, Tool, Toolbox};

/// The reference, as a program.
const TRANSFORMERS: &str = include_str!("tools/transformers.py");
/// The longest answer of the reference, in tokens; ours has its own limit, which is higher.
const LONGEST: usize = 160;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  shopclerk bench tools --python .venv/bin/python --reviews reviews.jsonl --titles titles.jsonl --json"
)]
pub(super) struct Args {
    /// Reviews, one {"text"} a line; the shop's product descriptions if absent
    #[arg(long, value_name = "FILE.jsonl")]
    reviews: Option<PathBuf>,
    /// Product titles, one {"text" or "input", "category"?} a line; the names of the shop's products if absent
    #[arg(long, value_name = "FILE.jsonl")]
    titles: Option<PathBuf>,
    /// A Python with torch, transformers and peft, for the reference
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Texts of each kind
    #[arg(long, default_value_t = 32, value_name = "N")]
    count: usize,
    /// Threads of the reference
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[derive(Clone, Debug, Deserialize)]
struct Item {
    #[serde(alias = "input")]
    text: String,
    #[serde(default)]
    category: Option<String>,
}

pub(super) async fn measure(args: &Args, mut config: Config) -> anyhow::Result<Vec<Figure>> {
    // Each answer is the model's own work.
    config.model.recall = 0;
    let folder = library::resolve(&config.models_dir(), &config.model.name)
        .context("the figures are those of the real model")?;
    let reviews = items(args.reviews.as_deref(), args, &config, &description)?;
    let titles = items(args.titles.as_deref(), args, &config, &title)?;
    let tools = tool::toolbox(&config).await?;
    let mut reading = config.clone();
    tool::reading::keep_whole(&mut reading);
    let bench = Bench { reader: tool::toolbox(&reading).await?, tools, folder: folder.path.clone() };
    // The first request of a tool loads its adapter.
    bench.reviews(&reviews[..1]).await?;
    bench.titles(&titles[..1]).await?;
    let mut rates: [Vec<f64>; 2] = Default::default();
    rates[0].push(bench.reviews(&reviews).await?);
    rates[1].push(bench.titles(&titles).await?);
    let theirs = match &args.python {
        Some(python) => Some(bench.reference(python, args, (&reviews, &titles), &config)?),
        None => None,
    };
    rates[0].push(bench.reviews(&reviews).await?);
    rates[1].push(bench.titles(&titles).await?);
    let [ours_reviews, ours_titles] = rates.map(|both| both.iter().sum::<f64>() / both.len() as f64);
    drop(bench);
    let rate = |name: &str, ours: f64, theirs: Option<f64>| {
        Figure::new(name, ours, "/s", theirs, ">= 1x", theirs.is_some_and(|theirs| ours >= theirs))
    };
    let mut figures = vec![
        rate("reviews judged, beside transformers", ours_reviews, theirs.map(|t| t.reviews)),
        rate("titles read for attributes, beside transformers", ours_titles, theirs.map(|t| t.titles)),
    ];
    let beside::Waits { alone, batch } = beside::measure(&folder.path, &titles).await?;
    figures.push(Figure::new(
        "first token while a batch runs",
        median(&batch),
        "s",
        Some(median(&alone)),
        "<= 1.3x",
        median(&batch) <= 1.3 * median(&alone),
    ));
    Ok(figures)
}

fn description(product: &Product) -> Item {
    Item { text: product.description.clone(), category: None }
}

fn title(product: &Product) -> Item {
    Item {
        text: product.name.clone(),
        category: Some(product.category.clone()).filter(|name| !name.is_empty()),
    }
}

/// The first texts of `file`, or what `of` makes of the shop's products.
fn items(
    file: Option<&Path>,
    args: &Args,
    config: &Config,
    of: &dyn Fn(&Product) -> Item,
) -> anyhow::Result<Vec<Item>> {
    let items: Vec<Item> = match file {
        Some(file) => {
            let text = fs_err::read_to_string(file)?;
            let lines = text.lines().filter(|line| !line.trim().is_empty()).take(args.count);
            lines
                .enumerate()
                .map(|(n, line)| {
                    serde_json::from_str(line).with_context(|| format!("{}:{}", file.display(), n + 1))
                })
                .collect::<anyhow::Result<_>>()?
        }
        None => {
            let playbook = Playbook::load(&config.shop, &|text| text.to_owned())?;
            let products = playbook.shop().products.iter().take(args.count);
            products.map(of).collect()
        }
    };
    ensure!(
        !items.is_empty(),
        "there is nothing to measure with: the file is empty, or the shop has no products"
    );
    Ok(items)
}

struct Bench {
    /// As `shopclerk tool sentiment` loads it.
    reader: Toolbox,
    tools: Toolbox,
    folder: PathBuf,
}

/// Texts a second.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Rates {
    reviews: f64,
    titles: f64,
}

impl Bench {
    async fn reviews(&self, items: &[Item]) -> anyhow::Result<f64> {
        let started = Instant::now();
        for item in items {
            self.reader.sentiment(&SentimentItem { text: item.text.clone(), ..Default::default() }).await?;
        }
        Ok(items.len() as f64 / started.elapsed().as_secs_f64())
    }

    async fn titles(&self, items: &[Item]) -> anyhow::Result<f64> {
        let started = Instant::now();
        for item in items {
            let (text, category) = (item.text.clone(), item.category.clone());
            self.tools.extract(&ExtractItem { text, category, attributes: Vec::new() }).await?;
        }
        Ok(items.len() as f64 / started.elapsed().as_secs_f64())
    }

    fn reference(
        &self,
        python: &Path,
        args: &Args,
        (reviews, titles): (&[Item], &[Item]),
        config: &Config,
    ) -> anyhow::Result<Rates> {
        let prompts = self.tools.prompts();
        let mut job = tempfile::NamedTempFile::new()?;
        let reviews: Vec<_> = reviews
            .iter()
            .map(|item| Ok(spoken(prompts.sentiment(item.text.trim())?)))
            .collect::<anyhow::Result<_>>()?;
        let titles: Vec<_> = titles
            .iter()
            .map(|item| {
                let known = item.category.as_deref().and_then(|category| prompts.attributes_of(category));
                let wanted = Wanted {
                    text: &item.text,
                    category: item.category.as_deref(),
                    attributes: known.unwrap_or_default(),
                };
                Ok(spoken(prompts.extract(&wanted)?))
            })
            .collect::<anyhow::Result<_>>()?;
        let adapter = |tool: Tool| serving(tool, config);
        let settings = serde_json::json!({
            "base": self.folder, "threads": args.threads, "longest": LONGEST, "labels": LABELS,
            "reviews": reviews, "titles": titles,
            "adapters": {"reviews": adapter(Tool::Sentiment)?, "titles": adapter(Tool::Extract)?},
        });
        job.write_all(settings.to_string().as_bytes())?;
        job.flush()?;
        let output = Command::new(python)
            .args(["-c", TRANSFORMERS])
            .arg(job.path())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", python.display()))?;
        if !output.status.success() {
            bail!("transformers failed; its error is above");
        }
        serde_json::from_slice(&output.stdout).context("transformers said something else than its figures")
    }
}

/// Messages as a chat template takes them.
fn spoken(messages: Vec<Message>) -> serde_json::Value {
    messages.iter().map(|m| serde_json::json!({"role": m.role.name(), "content": m.content})).collect()
}

/// The folder of the adapter that serves `tool`.
fn serving(tool: Tool, config: &Config) -> anyhow::Result<Option<PathBuf>> {
    let registry = config.adapters();
    if !registry.names()?.iter().any(|name| name == tool.name()) {
        return Ok(None);
    }
    let Some(version) = registry.state(tool.name())?.current.version else { return Ok(None) };
    Ok(Some(registry.folder(&crate::model::adapters::AdapterId::new(tool.name(), version)?)?))
}
