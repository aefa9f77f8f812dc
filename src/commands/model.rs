//! `shopclerk model`: fetch, import, list and check models.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::prompt::{Message, Prompt, Role};
use crate::model::DEFAULT_MODEL;
use crate::model::library::{self, Order, Progress, Staging, Step, Wanted};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  shopclerk model pull\n  shopclerk model check smollm2-135m-instruct")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fetch a model: the default one, or one from the Hugging Face Hub
    #[command(
        after_help = "Examples:\n  shopclerk model pull\n  shopclerk model pull hf:Qwen/Qwen2.5-0.5B-Instruct@main"
    )]
    Pull(Pull),
    /// Turn a GGUF file into a model folder
    #[command(
        after_help = "Example:\n  shopclerk model import qwen2.5-0.5b-q8_0.gguf data/models/qwen2.5-0.5b"
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
struct Pull {
    /// What to fetch
    #[arg(value_name = "NAME|hf:OWNER/NAME[@REVISION]", default_value = DEFAULT_MODEL)]
    model: String,
    /// The name to give it
    #[arg(long)]
    name: Option<String>,
    /// Fetch it again even if it is there
    #[arg(long)]
    force: bool,
    /// Do not load the model once to see that it answers
    #[arg(long)]
    no_trial: bool,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The GGUF file
    #[arg(value_name = "FILE.gguf")]
    file: PathBuf,
    /// The folder to make
    dir: PathBuf,
    /// How weights are stored; auto is f32 below a billion parameters, else bf16
    #[arg(long, value_enum, default_value_t = DtypeArg::Auto)]
    dtype: DtypeArg,
    /// Replace the folder if it exists
    #[arg(long)]
    force: bool,
    /// Do not load the model once to see that it answers
    #[arg(long)]
    no_trial: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DtypeArg {
    Auto,
    F32,
    F16,
    Bf16,
}

#[cfg(feature = "import")]
impl DtypeArg {
    fn chosen(self) -> Option<crate::model::import::Dtype> {
        use crate::model::import::Dtype;
        match self {
            Self::Auto => None,
            Self::F32 => Some(Dtype::F32),
            Self::F16 => Some(Dtype::F16),
            Self::Bf16 => Some(Dtype::Bf16),
        }
    }
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    let models = config.models_dir();
    match args.action {
        Action::Pull(args) => pull(args, &config).await,
        Action::Import(args) => import(args, &config).await,
        Action::List { json } => list(&models, Form::of(json)),
        Action::Check { model, json } => check(&models, &model, Form::of(json)).await,
    }
}

/// How a result is printed.
#[derive(Clone, Copy)]
enum Form {
    People,
    Programs,
}

impl Form {
    fn of(json: bool) -> Self {
        if json { Self::Programs } else { Self::People }
    }
}

/// Runs the model in `folder` once before it is called good: weights that load may still fail in the first forward pass.
async fn try_out(folder: &Path, config: &Config) -> anyhow::Result<()> {
    if !cfg!(feature = "llm") {
        return Ok(());
    }
    let folder = library::ModelFolder { name: "new".to_owned(), path: folder.to_owned() };
    let model = super::serve::load_engine(&folder, config).await?;
    let labels = ["Yes".to_owned(), "No".to_owned()];
    let messages = vec![Message::new(Role::User, "Do you ship abroad?")];
    let scores = model.score(Prompt { messages, ..Prompt::default() }, &labels).await?;
    anyhow::ensure!(scores.iter().all(|score| score.is_finite()), "its answers are not numbers");
    Ok(())
}

async fn pull(args: Pull, config: &Config) -> anyhow::Result<()> {
    let models = config.models_dir();
    let trial = (!args.no_trial).then_some(config);
    let wanted = Wanted::parse(&args.model)?;
    let name = args.name.unwrap_or_else(|| wanted.name());
    let target = models.join(&name);
    if target.exists() && !args.force {
        return already_there(&wanted, &models, &name).await;
    }
    let bar = Bar::new();
    let progress = bar.progress();
    let order = Order { wanted, name, models, created: Clock::System.now(), progress };
    let work = async {
        let staging = library::fetch(&order).await?;
        finish(staging, &bar, trial).await
    };
    let target = until_stopped(&target, work).await?;
    println!("{} is ready in {}", order.name, target.display());
    Ok(())
}

/// The model is there: says so if it is the one that is asked for, and whole.
async fn already_there(wanted: &Wanted, models: &Path, name: &str) -> anyhow::Result<()> {
    let folder = library::find(models, name)?;
    library::expect_origin(&folder, wanted)?;
    let path = folder.path.clone();
    let report = checked(folder.path).await?;
    println!("{name} is already in {}: {} files verified", path.display(), report.verified);
    Ok(())
}

#[cfg(not(feature = "import"))]
#[expect(clippy::unused_async, reason = "the same face as with the importer")]
async fn import(_args: Import, _config: &Config) -> anyhow::Result<()> {
    anyhow::bail!("this shopclerk was built without the importer; build it with `--features import`");
}

#[cfg(feature = "import")]
async fn import(args: Import, config: &Config) -> anyhow::Result<()> {
    if args.dir.exists() && !args.force {
        return Err(library::LibraryError::Exists(args.dir).into());
    }
    let target = args.dir.clone();
    let trial = (!args.no_trial).then_some(config);
    let bar = Bar::new();
    let progress = bar.progress();
    let work = async {
        let staging = blocking(move || import_file(&args, &progress)).await?;
        finish(staging, &bar, trial).await
    };
    let target = until_stopped(&target, work).await?;
    println!("the model is ready in {}", target.display());
    Ok(())
}

#[cfg(feature = "import")]
fn import_file(args: &Import, progress: &Progress) -> anyhow::Result<Staging> {
    use crate::model::import::{self, Options};
    use crate::model::library::manifest::Source;

    let staging = Staging::begin(&args.dir)?;
    let dtype = args.dtype.chosen();
    staging.expect_space(import::output_bytes(&args.file, dtype)?)?;
    let size = fs_err::metadata(&args.file)?.len();
    let sha256 = library::hash_of(&args.file, &mut |done| progress.tell(Step::Checking, done, size))?;
    let file_name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let options = Options {
        name: file_name(staging.target()),
        source: Source { origin: format!("file:{}", file_name(&args.file)), sha256: Some(sha256) },
        dtype,
        created: Clock::System.now(),
    };
    let mut tell = |done, all| progress.tell(Step::Importing, done, all);
    import::import(&args.file, &staging.content(), &options, &mut tell)?;
    Ok(staging)
}

/// Installs what was made; with a configuration, only after the model has answered once.
async fn finish(staging: Staging, bar: &Bar, trial: Option<&Config>) -> anyhow::Result<PathBuf> {
    if let Some(config) = trial {
        try_out(&staging.content(), config)
            .await
            .context("the model does not work; nothing was installed")?;
    }
    bar.clear();
    Ok(staging.install()?)
}

/// Does the work unless somebody stops it (Ctrl-C, or a service manager); then nothing of it stays behind.
async fn until_stopped<T>(target: &Path, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Both listen from here on, before the work begins.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => return done,
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    // The work is dropped by now, but a thread of its own may still write.
    Staging::abandon(target);
    anyhow::bail!("stopped; nothing was installed")
}

fn list(models: &Path, form: Form) -> anyhow::Result<()> {
    let found = library::list(models)?;
    if let Form::Programs = form {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if found.is_empty() {
        println!("There is no model in {}. `shopclerk model pull` fetches one.", models.display());
        return Ok(());
    }
    println!("{:<28} {:>10} {:>10}  {:<12} SOURCE", "NAME", "PARAMETERS", "SIZE", "LICENCE");
    for one in found {
        let parameters = one.parameters.map_or_else(|| "?".to_owned(), |n| format!("{} M", n / 1_000_000));
        let size = HumanBytes(one.bytes).to_string();
        let licence = one.licence.as_deref().unwrap_or("?");
        let source = one.source.as_deref().unwrap_or("a folder without a manifest");
        println!("{:<28} {parameters:>10} {size:>10}  {licence:<12} {source}", one.name);
        if let Some(fault) = one.fault {
            println!("  damaged: {fault}");
        }
    }
    Ok(())
}

async fn check(models: &Path, model: &str, form: Form) -> anyhow::Result<()> {
    let folder = library::find(models, model)?;
    let report = checked(folder.path).await?;
    match form {
        Form::Programs => println!("{}", serde_json::to_string_pretty(&report)?),
        Form::People if report.manifest => println!(
            "{} is whole: {} files verified, {} tensors, {} parameters",
            report.name, report.verified, report.tensors, report.parameters
        ),
        Form::People => println!(
            "{} can be read ({} tensors, {} parameters), but has no {} to verify it against",
            report.name,
            report.tensors,
            report.parameters,
            library::Manifest::FILE
        ),
    }
    Ok(())
}

async fn checked(path: PathBuf) -> anyhow::Result<library::Report> {
    let bar = Bar::new();
    let progress = bar.progress();
    let report = blocking(move || {
        Ok(library::check(&path, &mut |done, all| progress.tell(Step::Checking, done, all))?)
    })
    .await?;
    bar.clear();
    Ok(report)
}

/// Runs work that keeps a core or a disk busy, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work stopped half-way")?
}

/// A progress bar on a terminal, else nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{prefix:11} {wide_bar} {percent:>3}% {eta:>4}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::no_length().with_style(style))
    }

    fn progress(&self) -> Progress {
        let bar = self.0.clone();
        Progress::new(move |step, done, all| {
            bar.set_prefix(match step {
                Step::Downloading => "downloading",
                Step::Importing => "importing",
                Step::Checking => "checking",
            });
            bar.set_length(all);
            bar.set_position(done);
        })
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
