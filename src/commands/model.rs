//! `shopclerk model`: fetch, import, list and check models.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::Config;
use crate::model::library::{self, Staging};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  shopclerk model pull\n  shopclerk model check smollm2-135m-instruct")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Turn a GGUF file into a model folder
    #[command(
        after_help = "Example:\n  shopclerk model import qwen2.5-0.5b-instruct-q8_0.gguf data/models/qwen2.5-0.5b"
    )]
    Import(Import),
    /// List the models under the data folder
    #[command(after_help = "Example:\n  shopclerk model list --json")]
    List {
        /// Print a JSON list for programs
        #[arg(long)]
        json: bool,
    },
    /// Compare every file of a model with its manifest
    #[command(after_help = "Example:\n  shopclerk model check smollm2-135m-instruct")]
    Check {
        /// A model's name, or a folder
        #[arg(value_name = "NAME|DIR")]
        model: String,
        /// Print the report as JSON for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The GGUF file
    #[arg(value_name = "FILE.gguf")]
    file: PathBuf,
    /// The folder to make
    dir: PathBuf,
    /// How weights are stored; f32 below a billion parameters, else bf16
    #[arg(long, value_enum, default_value_t = DtypeArg::Auto)]
    dtype: DtypeArg,
    /// Replace the folder if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DtypeArg {
    Auto,
    F32,
    F16,
    Bf16,
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    let models = config.models_dir();
    match args.action {
        Action::Import(args) => import(args).await,
        Action::List { json } => list(&models, json),
        Action::Check { model, json } => check(&models, &model, json).await,
    }
}

async fn import(_args: Import) -> anyhow::Result<()> {
    #[cfg(feature = "import")]
    return blocking(move || import_file(&_args)).await;
    #[cfg(not(feature = "import"))]
    anyhow::bail!("this shopclerk was built without the importer; build it with `--features import`")
}

#[cfg(feature = "import")]
fn import_file(args: &Import) -> anyhow::Result<()> {
    use crate::model::import::{self, Dtype, Options};
    use crate::model::library::manifest::Source;

    if args.dir.exists() && !args.force {
        return Err(library::LibraryError::Exists(args.dir.clone()).into());
    }
    let staging = Staging::begin(&args.dir)?;
    let bar = bar("importing");
    let sha256 = library::hash_of(&args.file, &mut |_| ())?;
    let name = staging.target().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let options = Options {
        name,
        source: Source { origin: format!("file:{file}"), sha256: Some(sha256) },
        dtype: match args.dtype {
            DtypeArg::Auto => None,
            DtypeArg::F32 => Some(Dtype::F32),
            DtypeArg::F16 => Some(Dtype::F16),
            DtypeArg::Bf16 => Some(Dtype::Bf16),
        },
        created: Clock::System.now(),
    };
    let manifest = import::import(&args.file, &staging.content(), &options, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let target = staging.install()?;
    println!("{}: {} parameters as {}", target.display(), manifest.parameters, manifest.dtype);
    Ok(())
}

fn list(models: &Path, json: bool) -> anyhow::Result<()> {
    let found = library::list(models)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    for one in found {
        println!("{}", one.name);
    }
    Ok(())
}

async fn check(models: &Path, model: &str, json: bool) -> anyhow::Result<()> {
    let folder = library::find(models, model)?;
    let report = blocking(move || {
        let bar = bar("checking");
        let report = library::check(&folder.path, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        Ok(report)
    })
    .await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}: {} files verified", report.name, report.verified);
    }
    Ok(())
}

/// Runs work that keeps a core or a disk busy, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work stopped half-way")?
}

/// A progress bar in bytes on a terminal, else silent.
fn bar(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}% {eta}");
    ProgressBar::no_length()
        .with_prefix(what)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
