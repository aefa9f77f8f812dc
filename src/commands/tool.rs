//! `shopclerk tool`: a JSONL file through one of the tools.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::serve::{load_model, open_adapters};
use crate::config::Config;
use crate::prompt::ToolPrompts;
use crate::tools::{self, Batch, ExtractItem, QaItem, SentimentItem, ToolError, Toolbox, Workers};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  shopclerk tool sentiment --input reviews.jsonl --output sentiment.jsonl\n\nEach input line is one item, e.g. {\"text\": \"It broke.\"}. Each output line has the number of its input line and the\nanswer, or an `error`. A run that was killed goes on where it was."
)]
pub(super) struct Args {
    tool: Name,
    /// One JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    input: PathBuf,
    /// Where the answers go
    #[arg(long, value_name = "FILE.jsonl")]
    output: PathBuf,
    /// Name of a model, its folder, or `scripted`
    #[arg(long, value_name = "NAME|DIR")]
    model: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Attributes of product texts: {"text", "category"?, "attributes"?}
    Extract,
    /// Sentiment of customers' words: {"text", "explain"?, "aspects"?}
    Sentiment,
    /// Question-answer pairs: {"text", "count"?, "title"?}
    Qa,
}

/// One line of the output.
#[derive(Serialize)]
struct Answer<T> {
    line: usize,
    #[serde(flatten)]
    outcome: Outcome<T>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<T> {
    Done(T),
    Failed { error: Failure },
}

#[derive(Serialize)]
struct Failure {
    code: &'static str,
    message: String,
}

pub(super) async fn run(args: Args, mut config: Config) -> anyhow::Result<()> {
    if let Some(model) = args.model.clone() {
        config.model.name = model;
    }
    config.check()?;
    // Before the model is loaded: a wrong path should not take seconds to be said.
    let batch = Batch::open(&args.input, &args.output, &format!("{:?} {}", args.tool, config.model.name))?;
    let toolbox = toolbox(&config).await?;
    let done = match args.tool {
        Name::Extract => each(batch, async |item: ExtractItem| toolbox.extract(&item).await).await,
        Name::Sentiment => each(batch, async |item: SentimentItem| toolbox.sentiment(&item).await).await,
        Name::Qa => each(batch, async |item: QaItem| toolbox.qa(&item).await).await,
    };
    let (lines, failed) = done.with_context(|| format!("{}", args.output.display()))?;
    eprintln!("{lines} lines, {failed} with an error, in {}", args.output.display());
    Ok(())
}

/// The tools over the configured model, with nobody else to wait for.
pub(super) async fn toolbox(config: &Config) -> anyhow::Result<Toolbox> {
    let model = load_model(config).await?;
    Ok(Toolbox::new(tools::Parts {
        workers: Workers::Serving(open_adapters(config, &model).await?),
        model,
        prompts: ToolPrompts::load(&config.shop)?,
        settings: config.tools.clone(),
        busy: None,
    }))
}

async fn each<I: DeserializeOwned, O: Serialize>(
    mut batch: Batch,
    tool: impl AsyncFn(I) -> Result<O, ToolError>,
) -> anyhow::Result<(usize, usize)> {
    let bar = bar(batch.progress().of);
    let mut failed = 0;
    while let Some((line, text)) = batch.next_line()? {
        let item = text.and_then(|text| serde_json::from_str(&text).map_err(|fault| fault.to_string()));
        let outcome = match item {
            Err(message) => Outcome::Failed { error: Failure { code: "bad_line", message } },
            Ok(item) => match tool(item).await {
                Ok(done) => Outcome::Done(done),
                // The next line would fail in the same way; what is done is kept.
                Err(ToolError::Model(fault)) => return Err(fault.into()),
                Err(fault) => {
                    Outcome::Failed { error: Failure { code: fault.code(), message: fault.to_string() } }
                }
            },
        };
        failed += usize::from(matches!(outcome, Outcome::Failed { .. }));
        batch.write(&Answer { line, outcome })?;
        bar.set_position(batch.progress().bytes);
        bar.set_message(format!("{line} lines"));
    }
    bar.finish_and_clear();
    Ok((batch.finish()?.lines, failed))
}

fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent}% {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}
