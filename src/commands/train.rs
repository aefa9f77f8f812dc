//! `shopclerk train`: trains an adapter, from a recipe or in the folder of a run.

mod progress;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use self::progress::Progress;
use super::clean::Cleaner;
use super::same_flags;
use super::training::put_chats;
use super::wording::ToolWording;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Run, RunState};
use crate::model::library::{self, ModelFolder};
use crate::train::data::prepare::{self, Clean, Place};
use crate::train::data::task;
use crate::train::files;
use crate::train::lora::Lora;
use crate::train::run::control::ControlFile;
use crate::train::run::{Folder, Net, Order, Outcome, Show, Start};

/// Who asked for a run that the command line made: a server leaves it alone.
const BY: &str = crate::runs::COMMAND_LINE;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk train recipe.toml\n  shopclerk train --resume data/runs/0199...\n\n\
                        A recipe makes a new folder under data/runs; docs/recipes.md explains every field. While it runs, \
                        `echo pause > FOLDER/control` pauses it, `go` goes on, `cancel` ends it."
)]
pub(super) struct Args {
    /// A recipe (TOML), or the folder of a run
    #[arg(value_name = "RECIPE.toml|RUN_DIR")]
    what: PathBuf,
    /// Go on from the newest checkpoint
    #[arg(long)]
    resume: bool,
    /// Give way to everything else on this machine, such as a server
    #[arg(long)]
    nice: bool,
    /// End when standard input does, as a child of a server must
    #[arg(long, hide = true)]
    leash: bool,
    /// Threads, instead of the recipe's
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Seconds of work that a kill may cost
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, hide = true)]
    save_every: f64,
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || work(&args, &config)).await?
}

fn work(args: &Args, config: &Config) -> anyhow::Result<()> {
    if args.nice {
        crate::runs::give_way().context("the priority cannot be lowered")?;
    }
    if args.leash {
        crate::runs::leash::hold()?;
    }
    let folder = if args.what.is_dir() { Folder::new(&args.what) } else { begin(&args.what, config)? };
    let own = read_run(&folder).is_some_and(|run| run.by == BY);
    let mut progress = Progress::new(own.then(|| folder.path().join("log.txt")));
    if own {
        note(&folder, |run| {
            (run.state, run.fault, run.ended_at) = (RunState::Training, None, None);
            run.started_at.get_or_insert_with(|| Clock::System.now());
        })?;
    }
    let ended = train(args, config, &folder, &mut progress);
    progress.done();
    if own {
        note(&folder, |run| {
            run.ended_at = Some(Clock::System.now());
            run.state = match &ended {
                Ok(Some(_)) => RunState::Done,
                Ok(None) => RunState::Cancelled,
                Err(_) => RunState::Failed,
            };
            run.fault = ended.as_ref().err().map(|fault| format!("{fault:#}"));
        })?;
    }
    let Some(outcome) = ended? else {
        bail!("cancelled; `shopclerk train --resume {}` goes on", folder.path().display())
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        tell(&folder, &outcome);
        if own {
            next(&folder, config);
        }
    }
    Ok(())
}

fn train(
    args: &Args,
    config: &Config,
    folder: &Folder,
    show: &mut dyn Show,
) -> anyhow::Result<Option<Outcome>> {
    let recipe = folder.recipe()?;
    let base = base_of(&recipe, config)?;
    let mut control = ControlFile(folder.control());
    let make = |recipe: &Recipe| {
        let mut recipe = recipe.clone();
        recipe.train.threads = args.threads.unwrap_or(recipe.train.threads);
        Ok(Box::new(Lora::load(&base.path, &recipe)?) as Box<dyn Net>)
    };
    if args.resume && !args.leash {
        // Whoever resumes means it. A server has said so already, and may have said `cancel` since; so may somebody to a trainer that
        // works here now.
        let _lock = folder.lock()?;
        control.go_on()?;
    }
    // A server starts its own runs again after a stop, whatever there was to go on from.
    let served = read_run(folder).is_some_and(|run| run.by != BY);
    let order = Order {
        folder,
        base: &base.path,
        start: if args.resume || served { Start::Resume } else { Start::Fresh },
        make: &make,
        now: Clock::System.now(),
        save_every: Duration::try_from_secs_f64(args.save_every).context("--save-every")?,
    };
    crate::train::run::run(&order, &mut control, show)
}

/// The model that is adapted, if it can be judged on rows as long as the recipe's.
fn base_of(recipe: &Recipe, config: &Config) -> anyhow::Result<ModelFolder> {
    let base = library::resolve(&config.models_dir(), &recipe.base).context("recipe.toml: base")?;
    recipe.fits(config.model.context_in(&base.path))?;
    Ok(base)
}

/// Makes the folder of a new run: the recipe with its defaults written out, and its rows.
fn begin(file: &Path, config: &Config) -> anyhow::Result<Folder> {
    if !file.is_file() {
        bail!("{}: there is no such recipe, nor a folder of a run", file.display());
    }
    let text = fs_err::read_to_string(file)?;
    let recipe =
        Recipe::from_toml_for(&text, config.model.to_train()).with_context(|| file.display().to_string())?;
    base_of(&recipe, config)?;
    let wording = ToolWording::load(&config.shop)?;
    let beside = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let now = Clock::System.now();
    let id = Clock::System.fresh_id().to_string();
    let path = config.data.join("runs").join(&id);
    fs_err::create_dir_all(&path)?;
    let clean = Cleaner::of(&recipe, config)?;
    let clean = clean.as_ref().map(|clean| clean as &dyn Clean);
    let place = Place { folder: &path, beside, now, wording: Some(&wording), clean };
    let made = fill(&recipe, place, (&id, config));
    if made.is_err() {
        // Nothing was trained yet: a recipe with a fault leaves no run behind.
        fs_err::remove_dir_all(&path)?;
    }
    made?;
    eprintln!("run {}", path.display());
    Ok(Folder::new(path))
}

fn fill(recipe: &Recipe, place: Place<'_>, (id, config): (&str, &Config)) -> anyhow::Result<()> {
    files::write(&place.folder.join("recipe.toml"), recipe.to_toml().as_bytes())?;
    let wording = place.beside.join(task::FILE);
    if wording.is_file() {
        fs_err::copy(wording, place.folder.join(task::FILE))?;
    }
    let chats = put_chats(recipe, config, place.folder)?;
    if let Some(chats) = &chats {
        eprint!("{chats}");
    }
    let rows = prepare::prepare(recipe, place)?;
    let report = serde_json::json!({"chats": chats, "files": rows});
    files::write_json(&place.folder.join("report.json"), &report)?;
    let run = Run {
        id: id.to_owned(),
        name: recipe.name.clone(),
        state: RunState::Queued,
        by: BY.to_owned(),
        created_at: place.now,
        started_at: None,
        ended_at: None,
        fault: None,
        published: None,
    };
    files::write_json(&place.folder.join("run.json"), &run)?;
    Ok(())
}

fn read_run(folder: &Folder) -> Option<Run> {
    let text = fs_err::read_to_string(folder.path().join("run.json")).ok()?;
    serde_json::from_str(&text).ok()
}

fn note(folder: &Folder, change: impl FnOnce(&mut Run)) -> anyhow::Result<()> {
    if let Some(mut run) = read_run(folder) {
        change(&mut run);
        files::write_json(&folder.path().join("run.json"), &run)?;
    }
    Ok(())
}

fn tell(folder: &Folder, outcome: &Outcome) {
    println!(
        "{} steps, {} tokens in {:.0} s ({:.0} tokens/s), at most {:.0} MiB; the adapter is that of step {}",
        outcome.steps,
        outcome.tokens,
        outcome.seconds,
        outcome.tokens_per_second,
        outcome.peak_mib,
        outcome.best_step
    );
    for (part, pair) in [("dev", outcome.dev), ("test", outcome.test)] {
        if let Some(pair) = pair {
            println!("{part:<4} loss {:.4} -> {:.4}", pair.base, pair.adapter);
        }
    }
    println!("{}", folder.adapter().display());
}

/// A server judges and publishes what it trained; here somebody has to ask for it.
fn next(folder: &Folder, config: &Config) {
    let (run, flags) = (folder.path().display(), same_flags(config));
    println!("\nNext:");
    println!("  shopclerk{flags} eval {run}               # base and adapter side by side");
    println!("  shopclerk{flags} adapter promote {run}    # has it answer, if that was in its favour");
}
