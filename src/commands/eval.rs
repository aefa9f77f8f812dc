//! `shopclerk eval`: base and adapter side by side, through the engine that serves.

mod subject;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use self::subject::Subject;
use super::data::split;
use super::same_flags;
use super::wording::ToolWording;
use crate::config::Config;
use crate::domain::recipe::{Objective, Recipe};
use crate::domain::run::{self, Scorecard};
use crate::eval::{Beside, HeldOut, Material, Replies, Suite, compare, gate, table};
use crate::model::library;
use crate::prompt::Playbook;
use crate::runs::{COMMAND_LINE, Folder, give_way, leash};

const KNOWN: &str = "held-out, replies, sentiment, attributes, qa";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk eval data/runs/0199...            # what the server does after training\n  \
                        shopclerk eval held-out --adapter shop@3    # on the test part of the run it came from\n  \
                        shopclerk eval held-out --data chats.jsonl --adapter ./my-peft-folder\n  \
                        shopclerk eval sentiment --data reviews.jsonl      # the adapter that serves, beside the base\n  \
                        shopclerk eval attributes --recipe adapters/extract.toml --files downloads   # its test part"
)]
pub(super) struct Args {
    /// held-out (loss and perplexity), replies (facts and words), sentiment, attributes, qa (the tools), or the folder of a run
    #[arg(value_name = "SUITE|RUN_DIR")]
    what: String,
    /// Rows to judge on, in any format that can be trained on; the test part of the adapter's run if absent
    #[arg(long, value_name = "FILE")]
    pub(super) data: Option<PathBuf>,
    #[command(flatten)]
    of: split::Of,
    /// For sentiment: fit what the adapter's scores mean to these rows and write it to this file; nothing is scored
    #[arg(long, value_name = "FILE.json")]
    calibrate: Option<PathBuf>,
    /// A PEFT folder, or a version in the registry; the base alone if absent
    #[arg(long, value_name = "DIR|NAME@VERSION")]
    adapter: Option<String>,
    /// For attributes: ask for the attributes a row names, not for all of its category
    #[arg(long)]
    own: bool,
    /// The base alone, without the adapter that serves
    #[arg(long, conflicts_with = "adapter")]
    base: bool,
    /// Replies to make, at most
    #[arg(long, value_name = "N")]
    replies: Option<usize>,
    /// The longest row of --data, in tokens
    #[arg(long, value_name = "TOKENS", default_value_t = 512)]
    max_tokens: usize,
    /// Print the scores as JSON
    #[arg(long)]
    json: bool,
    /// Give way to everything else on this machine, such as a server
    #[arg(long)]
    nice: bool,
    /// End when standard input does, as a child of a server must
    #[arg(long, hide = true)]
    leash: bool,
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    if args.nice {
        give_way().context("the priority cannot be lowered")?;
    }
    if args.leash {
        leash::hold()?;
    }
    if Path::new(&args.what).join("recipe.toml").is_file() {
        return of_run(&args, &config).await;
    }
    if let Some(tool) = tools::named(&args.what) {
        return tools::of_file(tool, &args, &config).await;
    }
    if args.of.recipe.is_some() || args.calibrate.is_some() {
        bail!("--recipe and --calibrate: only for the suites of the tools; {KNOWN}");
    }
    let subject = Subject::find(&args, &config)?;
    let context = config.model.context_in(&subject.base.path);
    if args.data.is_some() && args.max_tokens > context {
        bail!(
            "--max-tokens {}: the model is served with at most {context}; use {context} or less",
            args.max_tokens
        );
    }
    let material = match (&args.data, &subject.run) {
        (Some(file), _) => {
            Material::of_file(file, &subject.base.path, args.max_tokens, &ToolWording::load(&config.shop)?)?
        }
        (None, Some(run)) => Material::of_run(run, &subject.base.path)?,
        (None, None) if !matches!(args.what.as_str(), "held-out" | "replies") => {
            return Err(unknown(&args.what));
        }
        (None, None) => bail!("--data: name a file of rows to judge on"),
    };
    if material.is_empty() {
        bail!("there is nothing to judge on: the run held nothing out (data.test), or the file is empty");
    }
    let suite = suite(&args, &config, &material, &subject.base.path)?;
    let (model, adapter) = subject.load(&config).await?;
    let bar = Bar::new(&args);
    let scores = compare(
        suite.as_ref(),
        model.as_ref(),
        Beside { adapter: adapter.as_deref(), current: None },
        &|who, n| bar.at(&args.what, who, n),
    )
    .await?;
    bar.done();
    print(&scores, &args)
}

fn print(scores: &[run::Suite], args: &Args) -> anyhow::Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(scores)?);
    } else {
        print!("{}", table::suites(scores));
    }
    Ok(())
}

fn suite<'a>(
    args: &Args,
    config: &Config,
    material: &'a Material,
    base: &Path,
) -> anyhow::Result<Box<dyn Suite + 'a>> {
    Ok(match args.what.as_str() {
        "held-out" => Box::new(HeldOut(material)),
        "replies" => {
            let most = args.replies.unwrap_or(config.runs.replies);
            Box::new(Replies::new(material, (base, config.model.context_in(base)), most, &products(config)?)?)
        }
        other => return Err(unknown(other)),
    })
}

fn unknown(what: &str) -> anyhow::Error {
    anyhow::anyhow!("{what}: no such suite, nor the folder of a run; the suites are {KNOWN}")
}

/// The names a reference may mention: those of the shop's products.
fn products(config: &Config) -> anyhow::Result<Vec<String>> {
    let playbook = Playbook::load(&config.shop, &|text| text.to_owned())?;
    Ok(playbook.shop().products.iter().map(|product| product.name.clone()).collect())
}

/// Everything about a run that was trained: its scorecard, written beside its adapter.
async fn of_run(args: &Args, config: &Config) -> anyhow::Result<()> {
    let folder = Folder::new(&args.what);
    let recipe = Recipe::from_toml(&fs_err::read_to_string(folder.file("recipe.toml"))?)?;
    let base = library::resolve(&config.models_dir(), &recipe.base).context("recipe.toml: base")?;
    recipe.fits(config.model.context_in(&base.path))?;
    let material = Material::of_run(folder.path(), &base.path)?;
    let (mut suites, mut current) = (Vec::new(), None);
    if !material.is_empty() {
        let path = base.path.clone();
        let (subject, rival) = Subject::of_run(&folder.file("adapter"), &recipe.name, base, config)?;
        let (model, adapter) = subject.load(config).await?;
        if let Some(rival) = &rival {
            current = Some(rival.load(&model).await?);
        }
        let tried = tools::Tried {
            model: &model,
            adapter: adapter.as_deref(),
            rival: current.as_deref().zip(rival.as_ref()),
        };
        let beside = Beside { adapter: tried.adapter, current: current.as_deref() };
        let bar = Bar::new(args);
        let held_out = HeldOut(&material);
        // Likelihoods first: replies leave their beginnings in the engine's cache.
        let last = last_suite((&folder, &recipe), &tried, (args, config), (&material, &path)).await?;
        let second = last.as_ref().map(|(name, suite)| (*name, suite.as_ref()));
        let first: (&str, &dyn Suite) = ("held-out", &held_out);
        for (name, suite) in [Some(first), second].into_iter().flatten().filter(|(_, s)| s.rows() > 0) {
            let done = |who: &str, n: usize| bar.at(name, who, n);
            suites.extend(compare(suite, model.as_ref(), beside, &done).await?);
        }
        bar.done();
    }
    let card = Scorecard { current, ..gate::gate(&recipe.gate, suites) };
    folder.write("scorecard.json", &serde_json::to_vec_pretty(&card)?)?;
    show(&card, args)?;
    next(&folder, &card, (args, config))
}

/// What is judged besides the loss: the scores of a tool, the replies of a chat, nothing of plain text.
async fn last_suite<'a>(
    (folder, recipe): (&Folder, &'a Recipe),
    tried: &tools::Tried<'_>,
    (args, config): (&Args, &Config),
    (material, base): (&'a Material, &Path),
) -> anyhow::Result<Option<(&'a str, Box<dyn Suite + 'a>)>> {
    let tool = match recipe.objective {
        // Nobody answers anybody in it.
        Objective::Text => return Ok(None),
        Objective::Task => tools::of_run(folder, recipe, tried, config).await?,
        Objective::Chat => None,
    };
    if let Some(suite) = tool {
        return Ok(Some((&recipe.name, suite)));
    }
    let most = args.replies.unwrap_or(config.runs.replies);
    Ok(Some((
        "replies",
        Box::new(Replies::new(material, (base, config.model.context_in(base)), most, &products(config)?)?),
    )))
}

/// A server takes in what it judged; here somebody has to ask for it.
fn next(folder: &Folder, card: &Scorecard, (args, config): (&Args, &Config)) -> anyhow::Result<()> {
    if !args.json && folder.run().is_ok_and(|run| run.by == COMMAND_LINE) {
        let (run, flags) = (folder.path().display(), same_flags(config));
        let force = if card.passed { "" } else { " --force" };
        println!("\n`shopclerk{flags} adapter promote {run}{force}` has it answer.");
    }
    Ok(())
}

fn show(card: &Scorecard, args: &Args) -> anyhow::Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(card)?);
    } else {
        print!("{}", table::of(card));
    }
    Ok(())
}

/// Shown on a terminal; in a pipe, lines now and then.
struct Bar(ProgressBar);

impl Bar {
    fn new(args: &Args) -> Self {
        let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn at(&self, suite: &str, who: &str, rows: usize) {
        self.0.set_message(format!("{suite}: {who}, {rows} rows"));
        self.0.tick();
        if self.0.is_hidden() && (rows == 1 || rows.is_multiple_of(10)) {
            eprintln!("{suite}: {who}, {rows} rows");
        }
    }

    fn done(&self) {
        self.0.finish_and_clear();
    }
}
