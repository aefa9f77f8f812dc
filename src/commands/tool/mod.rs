//! `shopclerk tool`: a JSONL file through one of the tools.

mod enrich;
mod pairs;
pub(super) mod reading;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::adapter::base;
use super::same_flags;
use super::serve::{load_model, open_adapters};
use crate::config::Config;
use crate::model::adapters::{AdapterError, AdapterId, Base};
use crate::model::settings::Quantise;
use crate::prompt::ToolPrompts;
use crate::tools::{
    self, Batch, Doer, ExtractItem, Opened, SentimentItem, Tool, ToolError, Toolbox, Workers,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk tool sentiment --input reviews.jsonl --output sentiment.jsonl\n  \
                  shopclerk tool qa --input policies.jsonl --as faq --output faq\n  \
                  shopclerk tool extract --shop my-shop --dry-run\n\n\
                  Each input line is one item, e.g. {\"text\": \"It broke.\"}. Each output line has the number of its input line, its `id` if it\n\
                  has one, and the answer, or an `error`; empty lines are counted and passed over. A run that was killed goes on where it was. docs/tools.md has all forms."
)]
pub(super) struct Args {
    tool: Name,
    /// One JSON object a line
    #[arg(long, value_name = "FILE.jsonl", required_unless_present = "shop")]
    input: Option<PathBuf>,
    /// Where the answers go
    #[arg(long, value_name = "FILE.jsonl", required_unless_present = "shop")]
    output: Option<PathBuf>,
    /// For qa: what to make of the pairs
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,
    /// Give way to everything else on this machine, such as a server
    #[arg(long)]
    nice: bool,
    // To clap this and the flag of all commands are one argument: the configuration has the folder already.
    /// The shop's folder. For extract without --input: its products.json gets new attributes from its descriptions
    #[arg(long, value_name = "DIR")]
    shop: Option<PathBuf>,
    #[command(flatten)]
    enrich: enrich::Enrich,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Attributes of product texts: {"text", "category"?, "attributes"?}
    Extract,
    /// Sentiment of customers' words: {"text", "explain"?, "aspects"?}
    Sentiment,
    /// Question-answer pairs: {"text", "count"?, "title"?}, or a chat: {"turns": [{"by": "shopper"|"staff", "text"}], ...}
    Qa,
}

impl Name {
    fn tool(self) -> Tool {
        match self {
            Self::Extract => Tool::Extract,
            Self::Sentiment => Tool::Sentiment,
            Self::Qa => Tool::Qa,
        }
    }
}

/// What pairs become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A folder: policies/*.md for the shop's own folder, canned.json with replies for the team
    Faq,
    /// Training rows, one JSON object a line, each knowing where it comes from
    Rows,
}

/// One line of the output.
#[derive(Serialize)]
struct Answer<T> {
    line: usize,
    /// The item's own, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
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
    if args.nice {
        crate::runs::give_way().context("the priority cannot be lowered")?;
    }
    if let (Some(shop), None, None) = (&args.shop, &args.input, &args.output) {
        if args.tool != Name::Extract {
            bail!("--shop: only `tool extract` reads a catalogue; name a file with --input");
        }
        return enrich::run(shop, &args.enrich, &config).await;
    }
    if args.enrich.is_wanted() {
        bail!("--dry-run and --report: for a catalogue; leave --input and --output out");
    }
    if args.form.is_some() && args.tool != Name::Qa {
        bail!("--as: only `tool qa` makes pairs");
    }
    let input = args.input.as_deref().context("--input: name a file")?;
    let output = args.output.as_deref().context("--output: name a file")?;
    // Before the model is loaded: a wrong path should not take seconds to be said.
    Batch::check(input, output)?;
    if args.tool == Name::Sentiment {
        reading::keep_whole(&mut config);
    }
    let toolbox = toolbox(&config).await?;
    if args.tool == Name::Qa {
        return pairs::run((input, output), args.form, &toolbox, &config).await;
    }
    let doer = doer(&toolbox, args.tool.tool(), "", &config).await?;
    let Opened::Begun(batch) = Batch::open(input, output, doer)? else { return was_finished(output) };
    let worked = match args.tool {
        Name::Extract => each(batch, async |item: ExtractItem| toolbox.extract(&item).await).await,
        Name::Sentiment | Name::Qa => {
            each(batch, async |item: SentimentItem| toolbox.sentiment(&item).await).await
        }
    };
    let (batch, done) = worked.with_context(|| output.display().to_string())?;
    done.tell(batch.finish()?.lines, output)
}

fn was_finished(output: &Path) -> anyhow::Result<()> {
    eprintln!("{} is finished", output.display());
    Ok(())
}

/// Who makes a file, down to the weights and how they are kept: the name of a model may come to mean another.
async fn doer(toolbox: &Toolbox, tool: Tool, options: &str, config: &Config) -> anyhow::Result<Doer> {
    let base = base(config)?;
    sound(tool, base.as_ref(), config)?;
    let mut doer = toolbox.doer(tool, options).await?;
    if let Some(base) = base {
        doer.model.push_str(&format!(" of weights {:.12}", base.fingerprint()));
    }
    if config.model.quantise != Quantise::Auto {
        doer.model.push_str(&format!(" with quantise {}", json!(config.model.quantise)));
    }
    Ok(doer)
}

/// The adapter that is to do the work can: a server answers with the base rather than not at all, but hours of a file's answers by
/// somebody else are worth less than an error. One that was made for another model is nobody's fault.
fn sound(tool: Tool, base: Option<&Base>, config: &Config) -> anyhow::Result<()> {
    let registry = config.adapters();
    let Some(version) = registry.state(tool.name())?.current.version else { return Ok(()) };
    let id = AdapterId::new(tool.name(), version)?;
    match registry.check(&id, base) {
        Ok(_) | Err(AdapterError::OtherBase { .. }) => Ok(()),
        Err(fault) => Err(fault).with_context(|| {
            let flags = same_flags(config);
            format!(
                "{id} does this tool's work and cannot; mend it, or have another do it: `shopclerk{flags} adapter list`, \
                 `shopclerk{flags} adapter rollback {}`",
                tool.name()
            )
        }),
    }
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

/// The item of a line and its `id`, which belongs to whoever asks.
fn item<I: DeserializeOwned>(line: &str) -> Result<(Option<Value>, I), (Option<Value>, String)> {
    let mut fields = match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err((None, "a line is one JSON object".to_owned())),
        Err(fault) => return Err((None, format!("a line is one JSON object: {fault}"))),
    };
    let id = fields.remove("id");
    match tools::item(fields) {
        Ok(item) => Ok((id, item)),
        Err(fault) => Err((id, fault.to_string())),
    }
}

/// What came of the lines that were left.
#[derive(Default)]
struct Done {
    failed: usize,
    /// The first fault, in words.
    fault: Option<String>,
}

impl Done {
    /// # Errors
    /// Not one line was answered: the file is of another form.
    fn tell(self, lines: usize, output: &Path) -> anyhow::Result<()> {
        eprintln!("{lines} lines, {} with an error, in {}", self.failed, output.display());
        match self.fault {
            Some(fault) if self.failed == lines => {
                bail!("no line could be answered; the first fault: {fault}")
            }
            Some(fault) => eprintln!("the first fault: {fault}"),
            None => {}
        }
        Ok(())
    }
}

/// Answers every line that is left.
async fn each<I: DeserializeOwned, O: Serialize>(
    mut batch: Batch,
    tool: impl AsyncFn(I) -> Result<O, ToolError>,
) -> anyhow::Result<(Batch, Done)> {
    let bar = bar(batch.progress().of);
    let mut done = Done::default();
    while let Some((line, text)) = batch.next_line()? {
        let item = text.map_err(|fault| (None, fault)).and_then(|text| item(&text));
        let (id, outcome) = match item {
            Err((id, message)) => (id, Err(Failure { code: "bad_line", message })),
            Ok((id, item)) => match tool(item).await {
                Ok(done) => (id, Ok(done)),
                Err(fault) if fault.is_of_item() => {
                    (id, Err(Failure { code: fault.code(), message: fault.to_string() }))
                }
                // The next line would fail in the same way; what is done is kept.
                Err(fault) => return Err(fault.into()),
            },
        };
        let outcome = match outcome {
            Ok(answer) => Outcome::Done(answer),
            Err(error) => {
                done.failed += 1;
                done.fault.get_or_insert_with(|| format!("line {line}: {}", error.message));
                Outcome::Failed { error }
            }
        };
        batch.write(&Answer { line, id, outcome })?;
        bar.set_position(batch.progress().bytes);
        bar.set_message(format!("{line} lines"));
    }
    bar.finish_and_clear();
    Ok((batch, done))
}

fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent}% {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}
