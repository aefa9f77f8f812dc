//! `shopclerk eval`: base and adapter side by side, through the engine that serves.

mod subject;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use self::subject::Subject;
use super::data::split;
use super::wording::ToolWording;
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::{self, Scorecard};
use crate::eval::{HeldOut, Material, Replies, Suite, compare, gate, table};
use crate::model::library;
use crate::prompt::Playbook;
use crate::runs::{Folder, leash};

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
        rustix::process::nice(10).context("the priority cannot be lowered")?;
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
    let material = match (&args.data, &subject.run) {
        (Some(file), _) => {
            Material::of_file(file, &subject.base.path, args.max_tokens, &ToolWording::load(&config.shop)?)?
        }
        (None, Some(run)) => Material::of_run(run, &subject.base.path)?,
        (None, None) => bail!("--data: name a file of rows to judge on"),
    };
    if material.is_empty() {
        bail!("there is nothing to judge on: the run held nothing out (data.test), or the file is empty");
    }
    let suite = suite(&args, &config, &material, &subject.base.path)?;
    let (model, adapter) = subject.load(&config).await?;
    let bar = Bar::new(&args);
    let scores =
        compare(suite.as_ref(), model.as_ref(), adapter.as_deref(), &|who, n| bar.at(&args.what, who, n))
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
            Box::new(Replies::new(material, base, most, &products(config)?)?)
        }
        other => bail!("{other}: no such suite, nor the folder of a run; the suites are {KNOWN}"),
    })
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
    let material = Material::of_run(folder.path(), &base.path)?;
    let mut suites = Vec::new();
    if !material.is_empty() {
        let subject = Subject { base, bundle: None, run: None, calibration: None };
        let bundle = subject.bundle_of(&folder.file("adapter"), &recipe.name, config)?;
        let subject = Subject { bundle: Some(bundle), ..subject };
        let replies = Replies::new(
            &material,
            &subject.base.path,
            args.replies.unwrap_or(config.runs.replies),
            &products(config)?,
        )?;
        let (model, adapter) = subject.load(config).await?;
        let tool = tools::of_run(&folder, &recipe, (&model, adapter.as_deref()), config).await?;
        let bar = Bar::new(args);
        let held_out = HeldOut(&material);
        // Likelihoods first: replies leave their beginnings in the engine's cache. Of a tool, its own scores say more.
        let last: (&str, &dyn Suite) = match &tool {
            Some(suite) => (&recipe.name, suite.as_ref()),
            None => ("replies", &replies),
        };
        for (name, suite) in
            [("held-out", &held_out as &dyn Suite), last].into_iter().filter(|(_, s)| s.rows() > 0)
        {
            let done = |who: &str, n: usize| bar.at(name, who, n);
            suites.extend(compare(suite, model.as_ref(), adapter.as_deref(), &done).await?);
        }
        bar.done();
    }
    let card = gate::gate(&recipe.gate, suites);
    folder.write("scorecard.json", &serde_json::to_vec_pretty(&card)?)?;
    show(&card, args)
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
