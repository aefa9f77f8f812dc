//! `shopclerk adapter`: which adapters there are, which serve, and changing that, also under a running server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::shelf::Shelf;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::run::{Manifest, Scorecard};
use crate::model::adapters::{
    AdapterError, AdapterId, Base, Force, Listed, Promotion, Registry, Role, State,
};
use crate::model::library;
use crate::staff::{Audit, Entry};

/// The file that makes a folder a run.
const RUN: &str = "run.json";
/// How changes made here are signed.
const BY: &str = "command line";
/// How long a running server may take to load what was promoted.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk adapter list\n  shopclerk adapter promote shop@3 --share 10%\n  shopclerk adapter rollback shop"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List all versions of all adapters
    #[command(after_help = "Example:\n  shopclerk adapter list --json")]
    List {
        /// Print a JSON list for programs
        #[arg(long)]
        json: bool,
    },
    /// Show what serves under a name, or everything about one version, as JSON
    #[command(after_help = "Examples:\n  shopclerk adapter show shop\n  shopclerk adapter show shop@3")]
    Show {
        #[arg(value_name = "NAME[@VERSION]")]
        adapter: String,
    },
    /// Have a version answer, once it has been checked; a running server follows within seconds
    #[command(
        after_help = "Examples:\n  shopclerk adapter promote shop@3\n  shopclerk adapter promote shop@4 --share 10%\n  \
                      shopclerk adapter promote data/runs/0199...   # takes the judged run in first"
    )]
    Promote {
        /// A version, or the folder of a run that was judged
        #[arg(value_name = "NAME@VERSION|RUN_DIR")]
        adapter: String,
        /// Part of the conversations that go to it; each stays where it is
        #[arg(long, value_name = "10%", value_parser = share)]
        share: Option<f64>,
        /// Promote it although its scorecard did not pass; this is recorded
        #[arg(long)]
        force: bool,
    },
    /// Take the version on trial back; without one, bring back what served before
    #[command(after_help = "Example:\n  shopclerk adapter rollback shop")]
    Rollback { name: String },
    /// Remove a version that answers nobody
    #[command(after_help = "Example:\n  shopclerk adapter remove shop@2")]
    Remove {
        #[arg(value_name = "NAME@VERSION")]
        adapter: AdapterId,
    },
    /// Take in a PEFT folder made elsewhere, or a run that was judged, as the next version of a name
    #[command(
        after_help = "Examples:\n  shopclerk adapter import ./my-peft-folder shop\n  shopclerk adapter import data/runs/0199..."
    )]
    Import {
        #[arg(value_name = "DIR|RUN_DIR")]
        dir: PathBuf,
        /// The adapter's name; a run has its own
        name: Option<String>,
    },
}

/// `10%` or `0.1`.
fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_err(|fault| fault.to_string())? / whole;
    if share > 0.0 && share <= 1.0 {
        Ok(share)
    } else {
        Err("write a share above 0 and up to 100%".to_owned())
    }
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    let registry = config.adapters();
    match args.action {
        Action::List { json: true } => print_json(&registry.list()?),
        Action::List { json: false } => list(&registry, &config),
        Action::Show { adapter } => show(&registry, &adapter),
        Action::Promote { adapter, share, force } => {
            let force = if force { Force::Yes } else { Force::No };
            let id = version(&adapter, &config)?;
            let wish = Promotion { id, share, by: BY.to_owned(), force, at: Clock::System.now() };
            let state = registry.promote(&wish, base(&config)?.as_ref())?;
            let share = wish.share.unwrap_or(1.0) * 100.0;
            let detail = format!("{share:.0}% of conversations");
            note(&config, Entry::new("cli", "adapter_promoted").on(&wish.id.to_string()).detail(&detail))?;
            follow(&registry, wish.id.name(), &state).await
        }
        Action::Rollback { name } => {
            let state = registry.roll_back(&name, BY, Clock::System.now())?;
            note(&config, Entry::new("cli", "adapter_rolled_back").on(&name))?;
            follow(&registry, &name, &state).await
        }
        Action::Remove { adapter } => {
            registry.remove(&adapter)?;
            note(&config, Entry::new("cli", "adapter_removed").on(&adapter.to_string()))?;
            println!("{adapter} is removed");
            Ok(())
        }
        Action::Import { dir, name } => import(&registry, &config, &dir, name),
    }
}

fn note(config: &Config, entry: Entry) -> anyhow::Result<()> {
    Ok(Audit::open(&config.staff_dir(), Clock::System).note(entry)?)
}

/// The configured model as adapters see it; `None` if it has no files (`scripted`).
pub(super) fn base(config: &Config) -> anyhow::Result<Option<Base>> {
    if config.model.name == "scripted" {
        return Ok(None);
    }
    let folder = library::find(&config.models_dir(), &config.model.name)?;
    match Base::read(&folder.path, &config.adapters().cache()) {
        Ok(base) => Ok(Some(base)),
        // The model can chat all the same.
        Err(AdapterError::Damaged { file, problem, .. }) => {
            tracing::warn!(file = %file.display(), problem, "adapters cannot be used with this model");
            Ok(Some(Base::unknown()))
        }
        Err(fault) => Err(fault.into()),
    }
}

fn list(registry: &Registry, config: &Config) -> anyhow::Result<()> {
    let found = registry.list()?;
    if found.is_empty() {
        println!("There is no adapter in {}.", config.data.join("adapters").display());
        return Ok(());
    }
    print!("{}", table(&found));
    Ok(())
}

/// A line for each version, and one below it for what is wrong with it.
fn table(found: &[Listed]) -> String {
    let mut text = format!("{:<24} {:<14} {:<8} BASE\n", "ADAPTER", "ROLE", "GATE");
    for one in found {
        let gate = match one.passed {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "none",
        };
        let _ = writeln!(text, "{:<24} {:<14} {gate:<8} {}", one.id.to_string(), role(one), one.base);
        if one.tainted {
            text.push_str(
                "  tainted: it learnt from a shopper who was erased since; train anew without them\n",
            );
        }
        if let Some(fault) = &one.fault {
            let _ = writeln!(text, "  damaged: {fault}");
        }
    }
    text
}

fn role(one: &Listed) -> String {
    match (one.role, one.share) {
        (Role::Current, _) => "current".to_owned(),
        (Role::Candidate, Some(share)) => format!("trial {:.0}%", share * 100.0),
        (Role::Candidate, None) => "trial".to_owned(),
        (Role::Idle, _) => "-".to_owned(),
    }
}

fn show(registry: &Registry, adapter: &str) -> anyhow::Result<()> {
    if adapter.contains('@') {
        return print_json(&registry.manifest(&adapter.parse()?)?);
    }
    let state = registry.state(adapter)?;
    if state == State::default() && !registry.list()?.iter().any(|one| one.id.name() == adapter) {
        bail!("{adapter}: there is no such adapter; `shopclerk adapter list` shows those that are there");
    }
    print_json(&state)
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Waits until a running server has done what the files say, and tells how it went.
async fn follow(registry: &Registry, name: &str, state: &State) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut running = false;
    while let Some(noticed) = registry.noticed(name)? {
        running = true;
        if noticed >= state.revision {
            break;
        }
        if started.elapsed() > PATIENCE {
            bail!(
                "the running server has not taken notice within {} s; its log says why",
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let state = registry.state(name)?;
    if let Some(fault) = &state.fault {
        bail!("{fault}");
    }
    let serves = state.current.version.map_or("the base model".to_owned(), |v| format!("{name}@{v}"));
    let trial = state.candidate.as_ref().and_then(|c| Some((c.served.version?, c.share * 100.0)));
    let trial =
        trial.map_or(String::new(), |(v, share)| format!("; {name}@{v} is on trial with {share:.0}%"));
    let when = if running { "now" } else { "from the next start on" };
    println!("{serves} answers {when}{trial}");
    Ok(())
}

/// `shop@3`, or the version of a run's adapter, which is taken in if it was not yet.
fn version(adapter: &str, config: &Config) -> anyhow::Result<AdapterId> {
    let dir = Path::new(adapter);
    if dir.join(RUN).is_file() { take_in(dir, None, config) } else { Ok(adapter.parse()?) }
}

fn take_in(run: &Path, name: Option<String>, config: &Config) -> anyhow::Result<AdapterId> {
    let id = Shelf::of(config).take_in(run, name)?;
    note(config, Entry::new("cli", "adapter_published").on(&id.to_string()))?;
    Ok(id)
}

fn import(registry: &Registry, config: &Config, dir: &Path, name: Option<String>) -> anyhow::Result<()> {
    if dir.join(RUN).is_file() {
        let id = take_in(dir, name, config)?;
        println!("{id} is there; `shopclerk adapter promote {id}` has it answer");
        return Ok(());
    }
    let base = base(config)?.context("give the model the adapter belongs to with `model.name`")?;
    let name = name.context("give the adapter a name, e.g. `shop`")?;
    let id = registry.publish(dir, foreign(name, config, &base))?;
    if let Err(fault) = registry.check(&id, Some(&base)) {
        registry.remove(&id)?;
        return Err(fault).context("it was not taken in");
    }
    note(config, Entry::new("cli", "adapter_published").on(&id.to_string()))?;
    println!("{id} is there; `shopclerk adapter promote {id} --force` has it answer (it has no scorecard)");
    Ok(())
}

/// An adapter that nobody here has judged.
fn foreign(name: String, config: &Config, base: &Base) -> Manifest {
    Manifest {
        name,
        version: 0,
        base: config.model.name.clone(),
        base_fingerprint: base.fingerprint().to_owned(),
        weights_hash: String::new(),
        data_hash: String::new(),
        recipe: String::new(),
        scorecard: None::<Scorecard>,
        run: None,
        created_at: Clock::System.now(),
        forced_by: None,
        tainted: false,
        files: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_shows_what_is_tainted_and_what_is_damaged() {
        let one = |id: &str, role, passed| Listed {
            id: id.parse().expect("an id"),
            role,
            share: None,
            shipped: false,
            base: "tiny".to_owned(),
            created_at: 1,
            passed,
            tainted: false,
            fault: None,
        };
        let tainted = Listed { tainted: true, ..one("shop@1", Role::Current, Some(true)) };
        let damaged = Listed { fault: Some("is missing".to_owned()), ..one("shop@2", Role::Idle, None) };
        insta::assert_snapshot!(table(&[tainted, damaged]), @r"
        ADAPTER                  ROLE           GATE     BASE
        shop@1                   current        passed   tiny
          tainted: it learnt from a shopper who was erased since; train anew without them
        shop@2                   -              none     tiny
          damaged: is missing
        ");
    }
}
