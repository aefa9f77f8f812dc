//! What the service and its worker share: the list of runs, and who may change it when.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::{Notify, broadcast, watch};

use super::error::RunsError;
use super::folder::Folder;
use super::gather::GatherError;
use super::service::{COMMAND_LINE, Parts, RunEvent};
use crate::domain::recipe::Recipe;
use crate::domain::run::{Control, Run, RunState};

pub(super) struct Inner {
    pub(super) parts: Parts,
    pub(super) state: Mutex<State>,
    pub(super) events: broadcast::Sender<RunEvent>,
    /// There may be something to do.
    pub(super) wake: Notify,
    /// What the worker is to do with its child.
    pub(super) wish: watch::Sender<Wish>,
    /// True once the worker has ended.
    pub(super) idle: watch::Sender<bool>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) runs: BTreeMap<String, Run>,
    /// The run that the worker is at.
    pub(super) active: Option<String>,
}

impl State {
    /// The run, if it is in one of the states in which it can be `asked`.
    pub(super) fn in_state(
        &self,
        id: &str,
        wanted: &[RunState],
        asked: &'static str,
    ) -> Result<Run, RunsError> {
        let run = self.runs.get(id).ok_or(RunsError::Unknown)?;
        if run.by == COMMAND_LINE {
            return Err(RunsError::Foreign);
        }
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

/// Events that a slow listener may lag behind before it has to look at the files.
const EVENTS: usize = 1024;

impl Inner {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            state: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            wake: Notify::new(),
            wish: watch::Sender::new(Wish::Go),
            idle: watch::Sender::new(false),
        }
    }

    pub(super) fn folder(&self, id: &str) -> Folder {
        Folder::new(self.parts.root.join(id))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this. This is a bug.")
    }

    pub(super) fn refuse_if_stopping(&self) -> Result<(), RunsError> {
        if *self.wish.borrow() == Wish::Stop { Err(RunsError::Draining) } else { Ok(()) }
    }

    /// Has the rows of `recipe` written to `folder`; returns how many there are, and the report.
    pub(super) fn gather(
        &self,
        recipe: &Recipe,
        folder: &Folder,
    ) -> Result<(usize, serde_json::Value), RunsError> {
        let report = self.parts.gather.gather(recipe, folder.path())?;
        Ok((folder.count_rows()?, report))
    }

    pub(super) fn prepare(&self, folder: &Folder, run: &Run, recipe: &Recipe) -> Result<(), RunsError> {
        folder.save(run)?;
        folder.write("recipe.toml", recipe.to_toml().as_bytes())?;
        let (count, report) = self.gather(recipe, folder)?;
        if count == 0 {
            return Err(GatherError::Empty.into());
        }
        let report = serde_json::to_vec_pretty(&report).map_err(std::io::Error::other)?;
        folder.write("report.json", &report)?;
        folder.control(Control::Go)?;
        Ok(())
    }

    /// Takes notice of runs that the command line makes, and of what becomes of them.
    pub(super) fn refresh(&self) -> std::io::Result<()> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir(&self.parts.root)? {
            let path = entry?.path();
            // Hidden ones are in the making.
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            let folder = Folder::new(&path);
            match folder.run() {
                Ok(run) if path.ends_with(&run.id) => found.push(as_it_is(run, &folder)),
                Ok(_) => {
                    tracing::warn!(folder = %path.display(), "a run that bears another name was left alone")
                }
                Err(fault) => {
                    tracing::warn!(folder = %path.display(), %fault, "a folder that is no run was left alone");
                }
            }
        }
        let mut state = self.lock();
        for run in found {
            let is_news = run.by == COMMAND_LINE || !state.runs.contains_key(&run.id);
            // What was refused since it was read is gone from the disk, and then from the list.
            if is_news && self.folder(&run.id).file("run.json").is_file() {
                state.runs.insert(run.id.clone(), run);
            }
        }
        Ok(())
    }

    /// Runs whose rows were being chosen when the server stopped: nobody was told that they are in line.
    pub(super) fn forget_unprepared(&self) -> Result<(), RunsError> {
        let unprepared: Vec<Run> = self
            .lock()
            .runs
            .values()
            .filter(|r| r.state == RunState::Preparing && r.by != COMMAND_LINE)
            .cloned()
            .collect();
        for run in unprepared {
            let fault = "the server stopped while the rows were chosen; start it again".to_owned();
            self.end(&run.id, RunState::Failed, Some(fault))?;
        }
        Ok(())
    }

    /// Keeps a run: on the disk, in the list, then for the listeners.
    pub(super) fn keep(&self, state: &mut State, run: Run) -> Result<Run, RunsError> {
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
            let fitting =
                state.runs.values().filter(|run| wanted.contains(&run.state) && run.by != COMMAND_LINE);
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

/// A run of the command line whose trainer was killed says for ever that it trains: nobody was left to write how it ended.
fn as_it_is(run: Run, folder: &Folder) -> Run {
    if run.by != COMMAND_LINE || run.state != RunState::Training || !folder.is_let_go() {
        return run;
    }
    // It may have ended well since the file was read.
    let run = folder.run().unwrap_or(run);
    if run.state != RunState::Training {
        return run;
    }
    let place = folder.path().display();
    let fault =
        format!("the trainer was ended before it could say how; `shopclerk train --resume {place}` goes on");
    Run { state: RunState::Failed, fault: Some(fault), ..run }
}
