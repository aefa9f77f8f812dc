//! One recipe trained several times, each with another seed, and the mean of what came out (a "model soup", Wortsman et al. 2022):
//! better than one of them as a rule, and no slower to serve.
//!
//! Every run is in `runs/NNN/` with checkpoints and a journal of its own; the run's own journal has all their steps, numbered on.
//! A killed run goes on in the middle of the one it was at.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use fs_err as fs;

use super::checkpoint::{Kept, State};
use super::session::Session;
use super::{Net, Show, journal, look};
use crate::domain::recipe::Recipe;
use crate::domain::run::{Part, StepLog};
use crate::train::files;

/// Trains all runs that are left and puts the mean, as the one checkpoint, into the run's own folder. `None`: cancelled.
///
/// # Errors
/// What a run says.
pub(super) fn all(session: &mut Session<'_>) -> anyhow::Result<Option<(State, Box<dyn Net>)>> {
    let (recipe, folder) = (session.recipe.clone(), session.folder.clone());
    if let Some(state) = folder.newest()? {
        let mut net = (session.make)(&recipe)?;
        net.load(&folder.checkpoint(state.step))?;
        return Ok(Some((state, net)));
    }
    let (mut states, mut chosen, mut last): (Vec<State>, Vec<PathBuf>, _) = (Vec::new(), Vec::new(), None);
    for number in 0..recipe.train.runs {
        let one = nth(&recipe, number);
        session.show.say(&format!("run {} of {}: seed {}", number + 1, recipe.train.runs, one.train.seed));
        // Two networks at once would be one too many.
        drop(last.take());
        let Some((state, net)) = part(session, &one, (number, &states))? else { return Ok(None) };
        let step = state.best.first().map_or(state.step, |kept| kept.step);
        chosen.push(folder.repeat(number).checkpoint(step));
        states.push(state);
        last = Some(net);
    }
    let mut net = last.context("train.runs: use 1 or more")?;
    net.mean(&chosen)?;
    let dev = look::at(session.corpus, Part::Dev, net.as_ref(), recipe.data.max_tokens)?.mean();
    let state = whole(&states, dev, session.fingerprint(&recipe));
    if let Some(loss) = dev {
        session.show.say(&format!("the mean of {} runs: dev {loss:.4}", states.len()));
    }
    folder.save(&state, net.as_ref())?;
    Ok(Some((state, net)))
}

/// The recipe of one of the runs: with a seed and a share of the time of its own.
fn nth(recipe: &Recipe, number: usize) -> Recipe {
    let mut one = recipe.clone();
    one.train.seed = recipe.train.seed.wrapping_add(number as u64);
    one.train.minutes = recipe.train.minutes / recipe.train.runs as f64;
    one.train.runs = 1;
    one
}

/// Trains one run behind those in `before`.
fn part(
    session: &mut Session<'_>,
    one: &Recipe,
    (number, before): (usize, &[State]),
) -> anyhow::Result<Option<(State, Box<dyn Net>)>> {
    let folder = session.folder.repeat(number);
    fs::create_dir_all(folder.path())?;
    let runs = session.recipe.train.runs;
    let mut kept = Vec::new();
    for earlier in 0..number {
        let logs = journal::read(&session.folder.repeat(earlier))?;
        kept.extend(logs.iter().filter_map(|log| Shift::new(earlier, before, runs).log(log)));
    }
    let shift = Shift::new(number, before, runs);
    if let Some(newest) = folder.newest()? {
        let logs = journal::read(&folder)?;
        kept.extend(logs.iter().filter(|log| log.step <= newest.step).filter_map(|log| shift.log(log)));
    }
    files::write(&session.folder.metrics(), &lines(&kept)?)?;
    let metrics = fs::OpenOptions::new().append(true).open(session.folder.metrics())?;
    let mut show = Joined { show: session.show, metrics, shift };
    let mut inner = Session {
        folder: session.folder,
        recipe: one.clone(),
        corpus: session.corpus,
        make: session.make,
        steering: session.steering,
        show: &mut show,
        now: session.now,
        save_every: session.save_every,
        rows_sha256: session.rows_sha256.clone(),
    };
    inner.train(one, &folder, &|_| true)
}

/// Everything so far, as of one run whose last step made the mean.
fn whole(states: &[State], dev: Option<f64>, fingerprint: u64) -> State {
    let step = states.iter().map(|state| state.step).sum();
    State {
        step,
        tokens: states.iter().map(|state| state.tokens).sum(),
        seconds: states.iter().map(|state| state.seconds).sum(),
        step_seconds: states.iter().map(|state| state.step_seconds).sum(),
        base_dev: states.first().and_then(|state| state.base_dev),
        best: dev.map(|dev_loss| Kept { step, dev_loss }).into_iter().collect(),
        stale: 0,
        stopped: states.iter().find_map(|state| state.stopped),
        base_checksum: states.first().map_or(0, |state| state.base_checksum),
        fingerprint,
    }
}

/// Where a run stands among all of them.
#[derive(Clone, Copy, Debug)]
struct Shift {
    number: usize,
    runs: usize,
    steps: usize,
    tokens: u64,
    seconds: f64,
}

impl Shift {
    fn new(number: usize, states: &[State], runs: usize) -> Self {
        let before = &states[..number.min(states.len())];
        Self {
            number,
            runs,
            steps: before.iter().map(|state| state.step).sum(),
            tokens: before.iter().map(|state| state.tokens).sum(),
            seconds: before.iter().map(|state| state.seconds).sum(),
        }
    }

    /// A line of the run's journal as one of the whole; the look before a later run's first step says what the first one did.
    fn log(&self, log: &StepLog) -> Option<StepLog> {
        if self.number > 0 && log.step == 0 {
            return None;
        }
        let (step, seconds) = (self.steps + log.step, self.seconds + log.seconds);
        let of = self.steps + log.of * (self.runs - self.number);
        let each = seconds / step.max(1) as f64;
        Some(StepLog {
            step,
            of,
            tokens: self.tokens + log.tokens,
            seconds,
            eta: log.eta.map(|_| each * of.saturating_sub(step) as f64),
            ..log.clone()
        })
    }
}

fn lines(logs: &[StepLog]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for log in logs {
        serde_json::to_writer(&mut text, log).map_err(std::io::Error::other)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Shows a run's steps as those of the whole, and writes them to its journal.
struct Joined<'a> {
    show: &'a mut dyn Show,
    metrics: fs::File,
    shift: Shift,
}

impl Show for Joined<'_> {
    fn logged(&mut self, log: &StepLog) {
        let Some(log) = self.shift.log(log) else { return };
        // The run's own journal has the line already, and this one is made anew from those.
        let written = lines(std::slice::from_ref(&log)).and_then(|line| self.metrics.write_all(&line));
        if let Err(fault) = written {
            self.show.say(&format!("metrics.jsonl: {fault}"));
        }
        self.show.logged(&log);
    }

    fn say(&mut self, line: &str) {
        self.show.say(line);
    }
}
