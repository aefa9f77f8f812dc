//! The one worker: takes the next run, trains, judges, publishes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::child::{Child, Job};
use super::error::RunsError;
use super::folder::Folder;
use super::follow::Follow;
use super::inner::{Inner, Wish};
use super::rows::forget::{TAINTED, taint};
use super::service::RunEvent;
use super::{memory, publish};
use crate::domain::recipe::Recipe;
use crate::domain::run::{Control, Run, RunState};
use crate::model::library::{self, ModelFolder};

/// How often the journal of a running trainer is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a trainer may take to notice that it is cancelled: one step.
const STEP: Duration = Duration::from_secs(60);

/// How a child's work ended.
enum Outcome {
    /// It did what it was for.
    Well,
    /// It was cancelled.
    Cancelled,
    /// The server goes down; the run goes on after the next start.
    Stopped,
    Failed(String),
}

/// Works until the server goes down.
pub(super) async fn work(inner: Arc<Inner>) {
    let mut wish = inner.wish.subscribe();
    loop {
        if *wish.borrow_and_update() == Wish::Stop {
            break;
        }
        let taken = inner.take_next();
        let Some(run) = taken else {
            tokio::select! {
                () = inner.wake.notified() => {}
                _ = wish.changed() => {}
            }
            continue;
        };
        let id = run.id.clone();
        tracing::info!(run = id, name = run.name, "a run begins");
        if let Err(fault) = one(&inner, run).await {
            tracing::error!(run = id, %fault, "a run cannot go on");
            let _ = inner.end(&id, RunState::Failed, Some(fault.to_string()));
        }
        inner.leave();
    }
    inner.idle.send_replace(true);
}

/// One run from where it is to its end.
async fn one(inner: &Arc<Inner>, run: Run) -> Result<(), RunsError> {
    let id = run.id.clone();
    let outcome = if run.state == RunState::Evaluating { Outcome::Well } else { train(inner, &id).await? };
    if !go_on(inner, &id, outcome)? {
        return Ok(());
    }
    // The trainer may have been through before it read that it should wait.
    let from = [RunState::Training, RunState::Paused, RunState::Evaluating];
    let evaluating = inner.advance(&id, &from, |run| Run { state: RunState::Evaluating, ..run })?;
    if evaluating.is_none() {
        return Ok(());
    }
    let outcome = evaluate(inner, &id).await?;
    if !go_on(inner, &id, outcome)? {
        return Ok(());
    }
    let keeper = inner.clone();
    let done = tokio::task::spawn_blocking(move || publish(&keeper, &id)).await;
    done.map_err(|fault| RunsError::Io(std::io::Error::other(fault)))?
}

/// Puts the run into the state that `outcome` means; true if there is more to do.
fn go_on(inner: &Inner, id: &str, outcome: Outcome) -> Result<bool, RunsError> {
    match outcome {
        Outcome::Well => return Ok(true),
        Outcome::Stopped => {}
        Outcome::Cancelled => inner.end(id, RunState::Cancelled, None)?,
        Outcome::Failed(fault) => {
            tracing::warn!(run = id, "a run failed");
            inner.end(id, RunState::Failed, Some(fault))?;
        }
    }
    Ok(false)
}

/// What the run is to do, and the model it is about.
fn asked(inner: &Inner, folder: &Folder) -> Result<(Recipe, ModelFolder), RunsError> {
    let recipe = Recipe::from_toml(&fs_err::read_to_string(folder.file("recipe.toml"))?)?;
    let base = library::resolve(&inner.parts.models, &recipe.base).map_err(RunsError::Base)?;
    Ok((recipe, base))
}

async fn train(inner: &Inner, id: &str) -> Result<Outcome, RunsError> {
    let folder = inner.folder(id);
    let (recipe, base) = asked(inner, &folder)?;
    memory::check(&base.path, &recipe, inner.parts.settings.reserve_mib)?;
    let threads = match recipe.train.threads {
        0 => inner.parts.settings.threads(),
        n => n,
    };
    folder.control(Control::Go)?;
    let resume = folder.has_checkpoint();
    let now = inner.parts.clock.now();
    let begun = inner.advance(id, &[RunState::Queued, RunState::Training], |run| Run {
        state: RunState::Training,
        started_at: run.started_at.or(Some(now)),
        ..run
    })?;
    if begun.is_none() {
        return Ok(Outcome::Stopped);
    }
    let job = Job::Train { folder: folder.path().to_owned(), resume, threads };
    Ok(match watch(inner, id, &job, "the trainer").await? {
        Outcome::Well if !folder.has_adapter() => Outcome::Failed(
            "the trainer ended well but wrote no adapter/adapter_model.safetensors".to_owned(),
        ),
        outcome => outcome,
    })
}

async fn evaluate(inner: &Inner, id: &str) -> Result<Outcome, RunsError> {
    let folder = inner.folder(id);
    let _ = fs_err::remove_file(folder.file("scorecard.json"));
    let (recipe, base) = asked(inner, &folder)?;
    let limits = (inner.parts.model.quantise, inner.parts.settings.reserve_mib);
    memory::check_judging(&base.path, &recipe, limits)?;
    let threads = inner.parts.settings.threads();
    let job = Job::Evaluate { folder: folder.path().to_owned(), threads };
    Ok(match watch(inner, id, &job, "the evaluation").await? {
        Outcome::Well => match folder.scorecard() {
            Ok(Some(_)) => Outcome::Well,
            Ok(None) => Outcome::Failed("the evaluation ended well but wrote no scorecard.json".to_owned()),
            Err(fault) => Outcome::Failed(fault.to_string()),
        },
        outcome => outcome,
    })
}

/// Starts a child, follows it to its end, and ends it when asked to.
async fn watch(inner: &Inner, id: &str, job: &Job, who: &str) -> Result<Outcome, RunsError> {
    let folder = inner.folder(id);
    let mut journal = Follow::new(folder.file("metrics.jsonl"));
    // What was there before is no news.
    journal.more();
    let mut child = Child::start(&inner.parts.launch, job)?;
    let tell = |journal: &mut Follow| {
        for log in journal.more() {
            let _ = inner.events.send(RunEvent::Step { id: id.to_owned(), log });
        }
    };
    let mut wish = inner.wish.subscribe();
    let mut look = tokio::time::interval(LOOK);
    let patience = tokio::time::sleep(STEP);
    tokio::pin!(patience);
    let mut asked = false;
    loop {
        let wished = wish.borrow_and_update().clone();
        match wished {
            Wish::Stop => {
                child.end().await;
                return Ok(Outcome::Stopped);
            }
            Wish::Cancel(which) if which == id && !asked => {
                asked = true;
                // An evaluation has no steps to wait for.
                if inner.current(id).is_some_and(|run| run.state == RunState::Evaluating) {
                    child.kill().await;
                    return Ok(Outcome::Cancelled);
                }
                // The word may have been written over when the trainer was started.
                folder.control(Control::Cancel)?;
                patience.as_mut().reset(tokio::time::Instant::now() + STEP);
            }
            _ => {}
        }
        tokio::select! {
            status = child.ended() => {
                tell(&mut journal);
                let status = status?;
                // It may have read the word before this task was told.
                return Ok(match (asked || folder.is_cancelled(), status.success()) {
                    (true, _) => Outcome::Cancelled,
                    (false, true) => Outcome::Well,
                    (false, false) => Outcome::Failed(child.fault(who, status)),
                });
            }
            _ = look.tick() => tell(&mut journal),
            _ = wish.changed() => {}
            () = &mut patience, if asked => {
                child.kill().await;
                return Ok(Outcome::Cancelled);
            }
        }
    }
}

fn publish(inner: &Inner, id: &str) -> Result<(), RunsError> {
    let folder = inner.folder(id);
    let Some(run) = inner.current(id) else { return Ok(()) };
    let now = inner.parts.clock.now();
    let manifest = publish::manifest(&folder, &run, now)?;
    let before = manifest.tainted;
    match inner.parts.publish.publish(&folder.file("adapter"), manifest) {
        Ok(published) => {
            // A shopper who was erased in between: whoever erases looks at the adapters after the run's own mark.
            if !before && folder.file(TAINTED).exists() {
                mark(&inner.parts.root, id)?;
            }
            tracing::info!(run = id, published, "a run is done");
            inner.advance(id, &[RunState::Evaluating], |run| Run {
                state: RunState::Done,
                published: Some(published),
                ended_at: Some(now),
                ..run
            })?;
        }
        Err(fault) => {
            let fault = format!("the adapter was trained but cannot be published: {fault}");
            inner.end(id, RunState::Failed, Some(fault))?;
        }
    }
    Ok(())
}

/// Marks what the run `id` published, beside the folder of the runs.
fn mark(root: &Path, id: &str) -> Result<(), RunsError> {
    let Some(data) = root.parent() else { return Ok(()) };
    let marked = taint(data, &[id.to_owned()]);
    marked.map(drop).map_err(|fault| RunsError::Io(std::io::Error::other(fault)))
}
