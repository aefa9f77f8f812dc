//! The loop: batch after batch, looks at the dev part, checkpoints, and every reason to stop.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};

use super::checkpoint::{State, Stop};
use super::journal::Journal;
use super::memory::memory;
use super::net::Diverged;
use super::plan::Plan;
use super::{Folder, Loss, Net, NetError, Pass, Show, Steering, look};
use crate::domain::recipe::Recipe;
use crate::domain::run::{Control, Part, StepLog};
use crate::train::data::batch;
use crate::train::data::corpus::Corpus;

/// One run, or one trial of a search.
pub struct Work<'a> {
    pub recipe: &'a Recipe,
    pub corpus: &'a Corpus,
    pub folder: &'a Folder,
    pub steering: &'a mut dyn Steering,
    pub show: &'a mut dyn Show,
    /// Asked after every look: false gives the run up (a trial that is hopeless).
    pub goes_on: &'a dyn Fn(&StepLog) -> bool,
    /// Of the recipe and the rows: a checkpoint of others is not gone on with.
    pub fingerprint: u64,
    /// Milliseconds since 1970.
    pub now: u64,
    /// How much work a kill may cost.
    pub save_every: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// The network holds the chosen adapter: the best by the dev part, the last where there is none.
    Done(State),
    /// By `control`; `--resume` goes on.
    Cancelled,
}

/// Trains until the last step or a reason to stop. Goes on from the newest checkpoint, if there is one.
///
/// # Errors
/// A loss that is not a number, with its step and row; a disk that is full; a checkpoint of another recipe or base.
pub fn train(work: Work<'_>, net: &mut dyn Net) -> anyhow::Result<Ended> {
    let mut going = Going::begin(work, net)?;
    while going.state.step < going.plan.steps && going.state.stopped.is_none() {
        if !going.steer()? {
            return Ok(Ended::Cancelled);
        }
        if going.state.stopped.is_none() {
            going.step()?;
        }
    }
    going.end()
}

struct Going<'a, 'n> {
    work: Work<'a>,
    net: &'n mut dyn Net,
    plan: Plan,
    journal: Journal,
    state: State,
    /// When `state.seconds` was last brought up to now.
    counted: Instant,
    saved: Instant,
    looked: Option<usize>,
}

impl<'a, 'n> Going<'a, 'n> {
    fn begin(work: Work<'a>, net: &'n mut dyn Net) -> anyhow::Result<Self> {
        let lengths = work.corpus.part(Part::Train).iter().map(|n| work.corpus.tokens(*n)).collect();
        let plan = Plan::new(lengths, &work.recipe.train);
        let found = work.folder.newest()?;
        let journal = Journal::open(work.folder, found.as_ref().map(|state| state.step), work.now)?;
        let fresh = found.is_none();
        let state = match found {
            Some(state) => {
                ensure!(
                    state.fingerprint == work.fingerprint,
                    "{}: the checkpoint is of another recipe or other rows; make a new run",
                    work.folder.path().display()
                );
                net.load(&work.folder.checkpoint(state.step))?;
                state
            }
            None => State {
                base_checksum: net.base_checksum(),
                fingerprint: work.fingerprint,
                ..State::default()
            },
        };
        let now = Instant::now();
        let looked = state.stopped.map(|_| state.step);
        let mut going = Self { work, net, plan, journal, state, counted: now, saved: now, looked };
        going.check_base()?;
        if fresh {
            going.first_look()?;
        } else {
            let (step, of) = (going.state.step, going.plan.steps);
            going.work.show.say(&format!("going on after step {step} of {of}"));
        }
        Ok(going)
    }

    fn first_look(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let Some(loss) =
            look::at(self.work.corpus, Part::Dev, self.net, self.work.recipe.data.max_tokens)?.mean()
        else {
            return Ok(());
        };
        self.state.base_dev = Some(loss);
        let tokens: usize =
            self.work.corpus.part(Part::Dev).iter().map(|n| self.work.corpus.tokens(*n)).sum();
        let rate = tokens as f64 / started.elapsed().as_secs_f64().max(1e-9);
        self.count();
        self.log(StepLog { dev_loss: Some(loss), ..self.line(rate) })
    }

    /// Reads the word before a step. False: give up.
    fn steer(&mut self) -> anyhow::Result<bool> {
        match self.work.steering.word() {
            Control::Go => {}
            Control::Cancel => {
                self.save()?;
                return Ok(false);
            }
            Control::Pause => {
                self.count();
                self.save()?;
                self.work.show.say("paused");
                while self.work.steering.word() == Control::Pause {
                    self.work.steering.wait();
                }
                self.counted = Instant::now();
                return self.steer();
            }
        }
        let minutes = self.work.recipe.train.minutes;
        if minutes > 0.0 && self.state.step > 0 && self.state.seconds >= minutes * 60.0 {
            self.state.stopped = Some(Stop::Minutes);
            self.work.show.say(&format!("stopped after {minutes} minutes, as the recipe says"));
        }
        Ok(true)
    }

    fn step(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let step = self.state.step + 1;
        let examples: Vec<usize> =
            self.plan.batch(step).into_iter().map(|n| self.work.corpus.part(Part::Train)[n]).collect();
        let loss = self.gradients(step, &examples)?;
        if step <= 2 {
            self.net.check_gradients(step)?;
        }
        let stepped = self.net.step(step, self.plan.steps).map_err(|fault| match fault {
            NetError::Gradient(fault) => Diverged(format!("step {step}: {fault}")).into(),
            other => anyhow!("step {step}: {other}"),
        })?;
        self.state.step = step;
        if step == 1 {
            self.check_base()?;
        }
        let tokens: usize = examples.iter().map(|n| self.work.corpus.tokens(*n)).sum();
        let seconds = started.elapsed().as_secs_f64();
        self.state.tokens += tokens as u64;
        self.state.step_seconds += seconds;
        let dev_loss = match self.plan.is_look(step, self.work.recipe.train.eval_every) {
            true => self.look()?,
            false => None,
        };
        self.count();
        let line = StepLog {
            loss: loss.mean(),
            dev_loss,
            lr: stepped.lr,
            grad_norm: Some(stepped.norm),
            ..self.line(tokens as f64 / seconds.max(1e-9))
        };
        let hopeless = dev_loss.is_some() && !(self.work.goes_on)(&line);
        self.log(line)?;
        if hopeless && self.state.stopped.is_none() {
            self.state.stopped = Some(Stop::Pruned);
        }
        let last = step == self.plan.steps || self.state.stopped.is_some();
        let best = self.state.best.iter().any(|kept| kept.step == step);
        if last || best || self.saved.elapsed() >= self.work.save_every {
            self.save()?;
        }
        Ok(())
    }

    /// Adds the gradients of a batch, a few rows at a time; every token of the batch weighs the same.
    fn gradients(&mut self, step: usize, examples: &[usize]) -> anyhow::Result<Loss> {
        let corpus = self.work.corpus;
        let trained: usize = examples.iter().map(|n| corpus.trained(*n)).sum();
        let lengths: Vec<usize> = examples.iter().map(|n| corpus.tokens(*n)).collect();
        let mut loss = Loss::default();
        for cut in batch::micro(&lengths, self.work.recipe.data.max_tokens) {
            let rows = corpus.read(&examples[cut.clone()])?;
            let pass =
                Pass { step: step as u64, first_row: cut.start as u64, scale: 1.0 / trained.max(1) as f64 };
            let found = self.net.backward(&rows, &pass);
            let place = |row: usize| (step, corpus.row_id(examples[cut.start + row]).to_owned());
            let part = found.map_err(|fault| explain(fault, place))?;
            if !part.sum.is_finite() {
                let (row, sum) = (0, part.sum);
                return Err(explain(NetError::NonFinite { row, loss: sum }, place));
            }
            loss.add(part);
        }
        Ok(loss)
    }

    /// The dev loss; keeps count of the best.
    fn look(&mut self) -> anyhow::Result<Option<f64>> {
        let step = self.state.step;
        self.looked = Some(step);
        let found = look::at(self.work.corpus, Part::Dev, self.net, self.work.recipe.data.max_tokens)?;
        let Some(loss) = found.mean() else { return Ok(None) };
        let (train, show) = (&self.work.recipe.train, &mut self.work.show);
        if look::keep(&mut self.state, loss, train.keep) {
            self.state.stale = 0;
        } else {
            self.state.stale += 1;
            if train.patience > 0 && self.state.stale >= train.patience {
                self.state.stopped = Some(Stop::Patience);
                show.say(&format!("stopped: the dev loss did not get better in {} looks", train.patience));
            }
        }
        Ok(Some(loss))
    }

    fn end(mut self) -> anyhow::Result<Ended> {
        if self.state.stopped == Some(Stop::Minutes) {
            self.close_early()?;
        }
        self.check_base()?;
        let chosen = self.state.best.first().map_or(self.state.step, |kept| kept.step);
        self.net
            .load(&self.work.folder.checkpoint(chosen))
            .context("the chosen checkpoint cannot be read")?;
        Ok(Ended::Done(self.state))
    }

    /// Stopped by the clock between two looks: what was learnt since the last one counts too.
    fn close_early(&mut self) -> anyhow::Result<()> {
        if self.looked.is_none_or(|at| at < self.state.step) {
            let dev_loss = self.look()?;
            self.count();
            if dev_loss.is_some() {
                self.log(StepLog { dev_loss, ..self.line(0.0) })?;
            }
        }
        self.state.stopped = Some(Stop::Minutes);
        self.save()
    }

    fn check_base(&self) -> anyhow::Result<()> {
        let (found, expected) = (self.net.base_checksum(), self.state.base_checksum);
        if found != expected {
            bail!(
                "the base's weights are not those the run began with ({found:016x} instead of {expected:016x}); train on \
                 the same model, or make a new run"
            );
        }
        Ok(())
    }

    fn save(&mut self) -> anyhow::Result<()> {
        self.journal.sync()?;
        self.work.folder.save(&self.state, self.net)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Brings the seconds up to now.
    fn count(&mut self) {
        let now = Instant::now();
        self.state.seconds += (now - self.counted).as_secs_f64();
        self.counted = now;
    }

    /// A line of the journal for where the run is.
    fn line(&self, tokens_per_second: f64) -> StepLog {
        let (step, of) = (self.state.step, self.plan.steps);
        StepLog {
            step,
            of,
            epoch: self.plan.epoch(step),
            loss: None,
            dev_loss: None,
            lr: 0.0,
            grad_norm: None,
            tokens_per_second,
            tokens: self.state.tokens,
            memory_mib: memory().now,
            seconds: self.state.seconds,
            eta: (step > 0).then(|| self.state.seconds / step as f64 * (of - step) as f64),
        }
    }

    fn log(&mut self, log: StepLog) -> anyhow::Result<()> {
        self.journal
            .log(&log)
            .context("metrics.jsonl cannot be written; free some space and go on with --resume")?;
        self.work.show.logged(&log);
        Ok(())
    }
}

fn explain(fault: NetError, place: impl Fn(usize) -> (usize, String)) -> anyhow::Error {
    match fault {
        NetError::NonFinite { row, loss } => {
            let (step, id) = place(row);
            Diverged(format!(
                "step {step}, row {id}: the loss is {loss}; lower train.lr, or look at the row with `shopclerk data preview`. \
                 The last checkpoint is whole"
            ))
            .into()
        }
        NetError::Gradient(fault) => Diverged(fault).into(),
        NetError::Other(fault) => fault,
    }
}
