//! What anybody may ask of runs: submit, look, cancel, pause, resume, listen.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use tokio::sync::{Notify, broadcast, watch};

use super::child::Launch;
use super::error::RunsError;
use super::folder::Folder;
use super::gather::{Gather, GatherError, Gathered};
use super::publish::Publish;
use super::{Settings, memory, work};
use crate::clock::Clock;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Control, Row, Run, RunState, Scorecard, StepLog, Trial};
use crate::model::library;

/// Events that a slow listener may lag behind before it has to look at the files.
const EVENTS: usize = 1024;

/// What the service is made of.
pub struct Parts {
    /// The folder of all runs.
    pub root: PathBuf,
    /// The folder of the models.
    pub models: PathBuf,
    pub settings: Settings,
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

pub(super) struct Inner {
    pub(super) parts: Parts,
    state: Mutex<State>,
    pub(super) events: broadcast::Sender<RunEvent>,
    /// There may be something to do.
    pub(super) wake: Notify,
    /// What the worker is to do with its child.
    pub(super) wish: watch::Sender<Wish>,
    /// True once the worker has ended.
    pub(super) idle: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    runs: BTreeMap<String, Run>,
    /// The run whose child is alive.
    active: Option<String>,
}

impl State {
    /// The run, if it is in one of the states in which it can be `asked`.
    fn in_state(&self, id: &str, wanted: &[RunState], asked: &'static str) -> Result<Run, RunsError> {
        let run = self.runs.get(id).ok_or(RunsError::Unknown)?;
        if wanted.contains(&run.state) {
            return Ok(run.clone());
        }
        Err(RunsError::State { state: run.state, asked, wanted: wanted.to_vec() })
    }
}

/// What is asked of the one child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    Go,
    /// End this run for good.
    Cancel(String),
    /// End whatever runs; it goes on after the next start.
    Stop,
}

impl Runs {
    /// Reads the runs on the disk and goes on with those that were not finished. Needs a tokio runtime.
    ///
    /// # Errors
    /// The folder cannot be made or read. A run that cannot be read is left alone, and said in the log.
    pub fn open(parts: Parts) -> Result<Self, RunsError> {
        fs_err::create_dir_all(&parts.root)?;
        let mut runs = BTreeMap::new();
        for entry in fs_err::read_dir(&parts.root)? {
            let folder = Folder::new(entry?.path());
            match folder.run() {
                Ok(run) => {
                    super::child::reap(&folder);
                    runs.insert(run.id.clone(), run);
                }
                Err(fault) => {
                    tracing::warn!(folder = %folder.path().display(), %fault, "a folder that is no run was left alone");
                }
            }
        }
        let inner = Arc::new(Inner {
            parts,
            state: Mutex::new(State { runs, active: None }),
            events: broadcast::Sender::new(EVENTS),
            wake: Notify::new(),
            wish: watch::Sender::new(Wish::Go),
            idle: watch::Sender::new(false),
        });
        inner.forget_unprepared()?;
        tokio::spawn(work::work(inner.clone()));
        Ok(Self(inner))
    }

    /// Chooses the rows of a run, writes everything down and puts it in line. Takes as long as the rows take: call it off
    /// the runtime.
    ///
    /// # Errors
    /// Faults of the recipe, an unknown base, no rows, too little memory, too many in line.
    pub fn submit(&self, recipe: &Recipe, by: &str) -> Result<Run, RunsError> {
        let inner = &self.0;
        inner.refuse_if_stopping()?;
        recipe.check()?;
        let base = library::resolve(&inner.parts.models, &recipe.base).map_err(RunsError::Base)?;
        memory::check(&base.path, recipe, inner.parts.settings.reserve_mib)?;
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
            // Nobody has heard of it.
            let _ = fs_err::remove_dir_all(folder.path());
            return Err(fault);
        }
        inner.put(Run { state: RunState::Queued, ..run })
    }

    /// The rows that `recipe` would train on, without starting anything. Call it off the runtime.
    pub fn preview(&self, recipe: &Recipe, limit: usize) -> Result<Preview, RunsError> {
        recipe.check()?;
        let mut gathered = self.0.gather(recipe)?;
        let count = gathered.rows.len();
        gathered.rows.truncate(limit);
        Ok(Preview { rows: gathered.rows, count, report: gathered.report })
    }

    /// All runs, newest first.
    pub fn list(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.0.lock().runs.values().cloned().collect();
        runs.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        runs
    }

    pub fn get(&self, id: &str) -> Result<Run, RunsError> {
        self.0.lock().runs.get(id).cloned().ok_or(RunsError::Unknown)
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

impl Inner {
    pub(super) fn folder(&self, id: &str) -> Folder {
        Folder::new(self.parts.root.join(id))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this. This is a bug.")
    }

    fn refuse_if_stopping(&self) -> Result<(), RunsError> {
        if *self.wish.borrow() == Wish::Stop { Err(RunsError::Draining) } else { Ok(()) }
    }

    fn gather(&self, recipe: &Recipe) -> Result<Gathered, RunsError> {
        let gathered = self.parts.gather.gather(recipe)?;
        if gathered.rows.is_empty() {
            let report = gathered.report.to_string();
            return Err(GatherError::Empty(format!("widen `data`; what was left out: {report}")).into());
        }
        Ok(gathered)
    }

    fn prepare(&self, folder: &Folder, run: &Run, recipe: &Recipe) -> Result<(), RunsError> {
        folder.save(run)?;
        folder.write("recipe.toml", recipe.to_toml().as_bytes())?;
        let gathered = self.gather(recipe)?;
        folder.write_rows(&gathered.rows)?;
        let report = serde_json::to_vec_pretty(&gathered.report).map_err(std::io::Error::other)?;
        folder.write("report.json", &report)?;
        folder.control(Control::Go)?;
        Ok(())
    }

    /// Runs whose rows were being chosen when the server stopped: nobody was told that they are in line.
    fn forget_unprepared(&self) -> Result<(), RunsError> {
        let unprepared: Vec<Run> =
            self.lock().runs.values().filter(|r| r.state == RunState::Preparing).cloned().collect();
        for run in unprepared {
            let fault = "the server stopped while the rows were chosen; start it again".to_owned();
            self.end(&run.id, RunState::Failed, Some(fault))?;
        }
        Ok(())
    }

    /// Keeps a run: on the disk, in the list, then for the listeners.
    fn keep(&self, state: &mut State, run: Run) -> Result<Run, RunsError> {
        self.folder(&run.id).save(&run)?;
        state.runs.insert(run.id.clone(), run.clone());
        // Under the lock, so that listeners hear changes in their order. Nobody listening is no fault.
        let _ = self.events.send(RunEvent::Changed { run: run.clone() });
        self.wake.notify_one();
        Ok(run)
    }

    pub(super) fn put(&self, run: Run) -> Result<Run, RunsError> {
        self.keep(&mut self.lock(), run)
    }

    /// Moves a run on, unless somebody was faster and it is in none of the states `from`.
    pub(super) fn advance(
        &self,
        id: &str,
        from: &[RunState],
        to: impl FnOnce(Run) -> Run,
    ) -> Result<Option<Run>, RunsError> {
        let mut state = self.lock();
        match state.runs.get(id).filter(|run| from.contains(&run.state)).cloned() {
            Some(run) => self.keep(&mut state, to(run)).map(Some),
            None => Ok(None),
        }
    }

    /// Puts a run into a state that it does not leave by itself.
    pub(super) fn end(&self, id: &str, to: RunState, fault: Option<String>) -> Result<(), RunsError> {
        let mut state = self.lock();
        let Some(run) = state.runs.get(id).cloned() else { return Ok(()) };
        let ended_at = Some(self.parts.clock.now());
        self.keep(&mut state, Run { state: to, fault, ended_at, ..run })?;
        Ok(())
    }

    pub(super) fn current(&self, id: &str) -> Option<Run> {
        self.lock().runs.get(id).cloned()
    }

    /// The run to work on next, which from now on is the active one: one that was interrupted, else the oldest in line. A
    /// paused run keeps its place, so nothing else begins beside it.
    pub(super) fn take_next(&self) -> Option<Run> {
        let mut state = self.lock();
        let oldest = |wanted: &[RunState]| {
            let fitting = state.runs.values().filter(|run| wanted.contains(&run.state));
            fitting.min_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id))).cloned()
        };
        let interrupted = oldest(&[RunState::Training, RunState::Evaluating]);
        let paused = oldest(&[RunState::Paused]);
        let next = match (interrupted, paused) {
            (Some(run), _) => Some(run),
            (None, Some(_)) => None,
            (None, None) => oldest(&[RunState::Queued]),
        }?;
        state.active = Some(next.id.clone());
        Some(next)
    }

    pub(super) fn leave(&self) {
        self.lock().active = None;
        self.wish.send_if_modified(|wish| {
            let over = matches!(wish, Wish::Cancel(_));
            if over {
                *wish = Wish::Go;
            }
            over
        });
    }
}
