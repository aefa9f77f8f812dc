//! Several recipes tried on the same rows, the best by the dev part kept.
//!
//! Every trial is a run in `trials/NNN/` with checkpoints of its own; a finished one is a line of `trials.jsonl`. A killed search
//! keeps the finished trials and goes on in the middle of the one it was at. The part for the verdict is not touched here.

use std::io::{BufRead, BufReader, Write};
use std::time::Instant;

use anyhow::{Context, ensure};
use fs_err as fs;

use super::checkpoint::{State, Stop};
use super::journal;
use super::net::Diverged;
use super::session::Session;
use super::space::{Space, Values};
use super::steps::{Ended, Work, train};
use super::{Folder, Net};
use crate::domain::recipe::Recipe;
use crate::domain::run::{Part, StepLog, Trial};

/// Others that must have been at the same point before a trial is judged.
const JUDGES: usize = 3;

/// The best trial; its network holds its chosen adapter.
pub struct Winner {
    pub trial: usize,
    pub recipe: Recipe,
    pub state: State,
    pub net: Box<dyn Net>,
}

/// Runs all trials that are left; one whose numbers run away is lost, and the search goes on. `None`: cancelled.
///
/// # Errors
/// No dev part; no trial that finished; what a trial says.
pub fn search(session: &mut Session<'_>) -> anyhow::Result<Option<Winner>> {
    let recipe = session.recipe.clone();
    ensure!(
        !session.corpus.part(Part::Dev).is_empty(),
        "a search chooses by the dev part, and there is none; raise data.dev"
    );
    let space = Space::new(&recipe)?;
    let folder = session.folder.clone();
    let mut finished = finished(&folder)?;
    for number in finished.len()..space.trials {
        let spent: f64 = finished.iter().map(|trial| trial.seconds).sum();
        let left = recipe.search.minutes - spent / 60.0;
        if recipe.search.minutes > 0.0 && left <= 0.0 && !finished.is_empty() {
            session.show.say(&format!("the search stops after {number} trials: its time is over"));
            break;
        }
        let values = space.values(number, &finished)?;
        session.show.say(&format!("trial {number}: {}", serde_json::to_string(&values)?));
        let limit = (recipe.search.minutes > 0.0).then_some(left);
        let begun = Instant::now();
        let mut trial = Trial { number, values, dev_loss: None, pruned: false, fault: None, seconds: 0.0 };
        let tried = drawn(&space, &trial.values, limit);
        match tried.and_then(|tried| attempt(session, &tried, (number, &finished))) {
            Ok(None) => return Ok(None),
            Ok(Some((state, _))) => {
                trial.dev_loss = state.best.first().map(|kept| kept.dev_loss);
                trial.pruned = state.stopped == Some(Stop::Pruned);
                trial.seconds = state.seconds;
            }
            Err(fault) => {
                let lost = fault.downcast::<Diverged>()?;
                session.show.say(&format!("trial {number} is lost: {lost}"));
                trial.fault = Some(lost.to_string());
                trial.seconds = begun.elapsed().as_secs_f64();
            }
        }
        append(&folder, &trial)?;
        finished.push(trial);
        forget_losers(&folder, &finished)?;
    }
    let best = best(&finished).with_context(|| {
        let fault = finished.iter().rev().find_map(|trial| trial.fault.as_deref());
        format!("search: no trial finished; the last one was lost: {}", fault.unwrap_or("it has no dev loss"))
    })?;
    for line in table(&finished, best) {
        session.show.say(&line);
    }
    let values = &finished[best].values;
    let tried = space.recipe(values)?;
    let again = attempt(session, &tried, (best, &[]))?;
    Ok(again.map(|(state, net)| Winner { trial: best, recipe: tried, state, net }))
}

/// The recipe of a trial, with at most so many minutes. Values that make none lose their trial, as numbers that run away do.
fn drawn(space: &Space<'_>, values: &Values, minutes: Option<f64>) -> anyhow::Result<Recipe> {
    let mut tried = space.recipe(values).map_err(|fault| Diverged(format!("{fault:#}")))?;
    if let Some(left) = minutes
        && (tried.train.minutes == 0.0 || tried.train.minutes > left)
    {
        tried.train.minutes = left.max(0.01);
    }
    Ok(tried)
}

/// Runs a trial to its end; one that has ended is only loaded.
fn attempt(
    session: &mut Session<'_>,
    recipe: &Recipe,
    trials: (usize, &[Trial]),
) -> anyhow::Result<Option<(State, Box<dyn Net>)>> {
    let (number, finished) = trials;
    let folder = session.folder.trial(number);
    fs::create_dir_all(folder.path())?;
    let fingerprint = session.fingerprint(recipe);
    if folder.newest()?.is_some_and(|state| state.fingerprint != fingerprint) {
        folder.forget()?;
    }
    let others = if session.recipe.search.prune { courses(session, finished)? } else { Vec::new() };
    let goes_on = |log: &StepLog| is_hopeful(log, &others);
    let mut net = (session.make)(recipe)?;
    let work = Work {
        recipe,
        corpus: session.corpus,
        folder: &folder,
        steering: session.steering,
        show: session.show,
        goes_on: &goes_on,
        fingerprint,
        now: session.now,
        save_every: session.save_every,
    };
    match train(work, net.as_mut())? {
        Ended::Cancelled => Ok(None),
        Ended::Done(state) => Ok(Some((state, net))),
    }
}

/// The looks of all trials that were neither given up nor lost.
fn courses(session: &Session<'_>, finished: &[Trial]) -> anyhow::Result<Vec<Vec<(f64, f64)>>> {
    let whole = finished.iter().filter(|trial| !trial.pruned && trial.fault.is_none());
    whole
        .map(|trial| {
            let logs = journal::read(&session.folder.trial(trial.number))?;
            let looks = logs.into_iter().filter(|log| log.step > 0);
            Ok(looks.filter_map(|log| Some((log.epoch, log.dev_loss?))).collect())
        })
        .collect()
}

/// The median rule (Golovin et al. 2017): not worse than half of the others were after as many epochs.
fn is_hopeful(log: &StepLog, others: &[Vec<(f64, f64)>]) -> bool {
    let Some(mine) = log.dev_loss else { return true };
    let then = |course: &Vec<(f64, f64)>| {
        let seen = course.iter().filter(|(epoch, _)| *epoch <= log.epoch + 1e-9);
        seen.map(|(_, loss)| *loss).min_by(f64::total_cmp)
    };
    let mut losses: Vec<f64> = others.iter().filter_map(then).collect();
    losses.sort_by(f64::total_cmp);
    let n = losses.len();
    if n < JUDGES || log.step >= log.of {
        return true;
    }
    let median = if n % 2 == 1 { losses[n / 2] } else { (losses[n / 2 - 1] + losses[n / 2]) / 2.0 };
    mine <= median
}

fn best(trials: &[Trial]) -> Option<usize> {
    let whole = trials.iter().filter(|trial| !trial.pruned);
    let by_loss = whole.filter_map(|trial| Some((trial.dev_loss?, trial.number)));
    by_loss.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, number)| number)
}

/// Checkpoints of trials that have lost are only in the way.
fn forget_losers(folder: &Folder, trials: &[Trial]) -> anyhow::Result<()> {
    let best = best(trials);
    for trial in trials.iter().filter(|trial| Some(trial.number) != best) {
        folder.trial(trial.number).forget()?;
    }
    Ok(())
}

/// The finished trials; a last line that a killed process did not finish is left out.
fn finished(folder: &Folder) -> anyhow::Result<Vec<Trial>> {
    let file = folder.trials();
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let mut trials: Vec<Trial> = Vec::new();
    for line in BufReader::new(fs::File::open(&file)?).split(b'\n') {
        match serde_json::from_slice::<Trial>(&line?) {
            Ok(trial) if trial.number == trials.len() => trials.push(trial),
            _ => break,
        }
    }
    let mut text = Vec::new();
    for trial in &trials {
        serde_json::to_writer(&mut text, trial)?;
        text.push(b'\n');
    }
    crate::train::files::write(&file, &text)?;
    Ok(trials)
}

fn append(folder: &Folder, trial: &Trial) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(trial)?;
    line.push(b'\n');
    let mut file = fs::OpenOptions::new().create(true).append(true).open(folder.trials())?;
    file.write_all(&line)?;
    file.sync_all()?;
    Ok(())
}

/// The trials as lines of text, best marked.
pub fn table(trials: &[Trial], best: usize) -> Vec<String> {
    let mut lines = vec![format!("{:>5} {:>9} {:>8}  values", "trial", "dev loss", "seconds")];
    for trial in trials {
        let loss = trial.dev_loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}"));
        let note = match () {
            () if trial.number == best => "  <- best",
            () if trial.pruned => "  given up",
            () if trial.fault.is_some() => "  lost",
            () => "",
        };
        let values: Vec<String> =
            trial.values.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        lines.push(format!(
            "{:>5} {loss:>9} {:>8.1}  {}{note}",
            trial.number,
            trial.seconds,
            values.join(", ")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recipe::{Range, SearchMethod};

    #[test]
    fn a_draw_that_makes_no_recipe_loses_its_trial_alone() {
        let mut recipe = Recipe::default();
        recipe.search.method = SearchMethod::Tpe;
        let rates = Range::Between { min: 1e-5, max: 1e-2, log: true };
        recipe.search.space.insert("train.lr".to_owned(), rates);
        let space = Space::new(&recipe).unwrap();
        let values = |lr: f64| Values::from([("train.lr".to_owned(), lr.into())]);
        let fault = drawn(&space, &values(5.0), None).unwrap_err().downcast::<Diverged>().unwrap();
        assert!(fault.0.contains("train.lr: 5"), "{fault}");
        assert_eq!(drawn(&space, &values(1e-3), Some(2.0)).unwrap().train.minutes, 2.0);
    }
}
