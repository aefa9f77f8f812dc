//! What anybody may ask of runs: submit, look, cancel, pause, resume, listen.

use std::path::{Component, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;

use super::child::Launch;
use super::error::RunsError;
use super::folder::Folder;
use super::gather::Gather;
use super::inner::{Inner, Wish};
use super::publish::Publish;
use super::{Settings, memory, work};
use crate::clock::Clock;
use crate::domain::recipe::{Recipe, RecipeError};
use crate::domain::run::{Control, Row, Run, RunState, Scorecard, StepLog, Trial};
use crate::model::{self, library};

/// Who asked for a run that `shopclerk train` made on the command line: it is shown, and left alone.
pub const COMMAND_LINE: &str = "command line";

/// What the service is made of.
pub struct Parts {
    /// The folder of all runs.
    pub root: PathBuf,
    /// The folder of the models.
    pub models: PathBuf,
    pub settings: Settings,
    /// How the model is served, and so judged.
    pub model: model::Settings,
    pub clock: Clock,
    pub launch: Launch,
    pub gather: Arc<dyn Gather>,
    pub publish: Arc<dyn Publish>,
}

/// What listeners hear; it is on the disk already.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// A run is new or its state has changed.
    Changed { run: Run },
    /// The trainer made a step.
    Step { id: String, log: StepLog },
}

/// Everything about one run.
#[derive(Clone, Debug, Serialize)]
pub struct Details {
    pub run: Run,
    pub recipe: Recipe,
    /// What was left out of the rows, and why.
    pub report: Option<serde_json::Value>,
    /// The newest step.
    pub last: Option<StepLog>,
    pub trials: Vec<Trial>,
    pub scorecard: Option<Scorecard>,
    /// Files that may be fetched.
    pub artefacts: Vec<&'static str>,
}

/// Rows as a run would get them.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The first ones.
    pub rows: Vec<Row>,
    /// How many there are.
    pub count: usize,
    pub report: serde_json::Value,
}

/// See the module.
#[derive(Clone)]
pub struct Runs(pub(super) Arc<Inner>);

impl Runs {
    /// Reads the runs on the disk and goes on with those that were not finished. Needs a tokio runtime.
    ///
    /// # Errors
    /// The folder cannot be made or read. A run that cannot be read is left alone, and said in the log.
    pub fn open(parts: Parts) -> Result<Self, RunsError> {
        fs_err::create_dir_all(&parts.root)?;
        let inner = Arc::new(Inner::new(parts));
        inner.refresh()?;
        for run in inner.lock().runs.values() {
            super::child::reap(&inner.folder(&run.id));
        }
        inner.forget_unprepared()?;
        tokio::spawn(work::work(inner.clone()));
        Ok(Self(inner))
    }

    /// The model that a recipe is for if it does not say.
    pub fn served(&self) -> &str {
        self.0.parts.model.to_train()
    }

    /// Chooses the rows of a run, writes everything down and puts it in line. Takes as long as the rows take: call it off
    /// the runtime.
    ///
    /// # Errors
    /// Faults of the recipe, an unknown base, no rows, too little memory, too many in line.
    pub fn submit(&self, recipe: &Recipe, by: &str) -> Result<Run, RunsError> {
        let inner = &self.0;
        inner.refuse_if_stopping()?;
        admit(recipe, self.served())?;
        let base = library::resolve(&inner.parts.models, &recipe.base).map_err(RunsError::Base)?;
        memory::check(&base.path, recipe, inner.parts.settings.reserve_mib)?;
        recipe.fits(inner.parts.model.context_in(&base.path))?;
        let waiting = inner.lock().runs.values().filter(|run| run.state == RunState::Queued).count();
        if waiting >= inner.parts.settings.queue {
            return Err(RunsError::Full { waiting });
        }
        let run = Run {
            id: inner.parts.clock.fresh_id().to_string(),
            name: recipe.name.clone(),
            state: RunState::Preparing,
            by: by.to_owned(),
            created_at: inner.parts.clock.now(),
            started_at: None,
            ended_at: None,
            fault: None,
            published: None,
        };
        let folder = inner.folder(&run.id);
        fs_err::create_dir_all(folder.path())?;
        let prepared = inner.prepare(&folder, &run, recipe);
        if let Err(fault) = prepared {
            // Who listed the runs meanwhile has seen it; in this order nobody takes it in again.
            let _ = fs_err::remove_dir_all(folder.path());
            inner.lock().runs.remove(&run.id);
            return Err(fault);
        }
        inner.put(Run { state: RunState::Queued, ..run })
    }

    /// The rows that `recipe` would train on, without starting anything. Call it off the runtime.
    pub fn preview(&self, recipe: &Recipe, limit: usize) -> Result<Preview, RunsError> {
        admit(recipe, self.served())?;
        let parts = &self.0.parts;
        // A base that is not there is said by whoever needs it.
        if let Ok(base) = library::resolve(&parts.models, &recipe.base) {
            recipe.fits(parts.model.context_in(&base.path))?;
        }
        let scratch = tempfile::Builder::new().prefix(".preview-").tempdir_in(&parts.root)?;
        let folder = Folder::new(scratch.path());
        let (count, report) = self.0.gather(recipe, &folder)?;
        Ok(Preview { rows: folder.rows(0, limit)?, count, report })
    }

    /// All runs, newest first.
    pub fn list(&self) -> Vec<Run> {
        if let Err(fault) = self.0.refresh() {
            tracing::warn!(%fault, "the runs cannot be listed afresh");
        }
        let mut runs: Vec<Run> = self.0.lock().runs.values().cloned().collect();
        runs.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        runs
    }

    pub fn get(&self, id: &str) -> Result<Run, RunsError> {
        match self.0.current(id) {
            Some(run) if run.by != COMMAND_LINE => Ok(run),
            _ => {
                self.0.refresh()?;
                self.0.current(id).ok_or(RunsError::Unknown)
            }
        }
    }

    /// The files of a run that is known.
    pub fn folder(&self, id: &str) -> Result<Folder, RunsError> {
        Ok(self.0.folder(&self.get(id)?.id))
    }

    pub fn details(&self, id: &str) -> Result<Details, RunsError> {
        let run = self.get(id)?;
        let folder = self.0.folder(id);
        let recipe = Recipe::from_toml(&fs_err::read_to_string(folder.file("recipe.toml"))?)?;
        Ok(Details {
            run,
            recipe,
            report: folder.report()?,
            last: folder.steps(None)?.pop(),
            trials: folder.trials()?,
            scorecard: folder.scorecard()?,
            artefacts: folder.artefacts(),
        })
    }

    /// What happens from now on.
    pub fn listen(&self) -> broadcast::Receiver<RunEvent> {
        self.0.events.subscribe()
    }

    /// Ends a run for good. One that is being trained ends at its next step: the state changes then.
    pub fn cancel(&self, id: &str) -> Result<Run, RunsError> {
        const LIVE: [RunState; 4] =
            [RunState::Queued, RunState::Training, RunState::Paused, RunState::Evaluating];
        let inner = &self.0;
        let mut state = inner.lock();
        let run = state.in_state(id, &LIVE, "cancelled")?;
        if state.active.as_deref() == Some(id) {
            inner.folder(id).control(Control::Cancel)?;
            inner.wish.send_if_modified(|wish| {
                let stopping = *wish == Wish::Stop;
                if !stopping {
                    *wish = Wish::Cancel(id.to_owned());
                }
                !stopping
            });
            return Ok(run);
        }
        let now = inner.parts.clock.now();
        inner.keep(&mut state, Run { state: RunState::Cancelled, ended_at: Some(now), ..run })
    }

    /// The trainer waits before its next step; it keeps its memory and its place.
    pub fn pause(&self, id: &str) -> Result<Run, RunsError> {
        let mut state = self.0.lock();
        let run = state.in_state(id, &[RunState::Training], "paused")?;
        self.0.folder(id).control(Control::Pause)?;
        self.0.keep(&mut state, Run { state: RunState::Paused, ..run })
    }

    /// A paused run goes on; a failed one goes back in line and continues from its last checkpoint.
    pub fn resume(&self, id: &str) -> Result<Run, RunsError> {
        let mut state = self.0.lock();
        let run = state.in_state(id, &[RunState::Paused, RunState::Failed], "resumed")?;
        let next = if run.state == RunState::Paused { RunState::Training } else { RunState::Queued };
        self.0.folder(id).control(Control::Go)?;
        self.0.keep(&mut state, Run { state: next, ended_at: None, fault: None, ..run })
    }

    /// Ends the child, within 10 s, so that its run goes on after the next start.
    pub async fn shut_down(&self) {
        self.0.wish.send_replace(Wish::Stop);
        self.0.wake.notify_one();
        let _ = self.0.idle.subscribe().wait_for(|idle| *idle).await;
    }
}

/// Checks a recipe that came over the wire: besides being right, it may name only what is the server's.
fn admit(recipe: &Recipe, served: &str) -> Result<(), RecipeError> {
    recipe.check()?;
    let mut faults = Vec::new();
    if recipe.base != served && !library::is_name(&recipe.base) {
        faults
            .push(format!("base: {:?}: name a model of the server, e.g. smollm2-135m-instruct", recipe.base));
    }
    for file in &recipe.data.files {
        if !file.components().all(|part| matches!(part, Component::Normal(_))) {
            faults.push(format!(
                "data.files: {file:?}: put it under `datasets` in the server's data folder and name it from there"
            ));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(RecipeError(faults)) }
}
