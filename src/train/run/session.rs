//! One start of a run, from the folder to the adapter.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::checkpoint::{State, Stop};
use super::memory::memory;
use super::steps::{Ended, Work, train};
use super::{Folder, Net, Show, Steering, card, look, search};
use crate::domain::recipe::{Recipe, SearchMethod};
use crate::domain::run::Part;
use crate::train::data::corpus::Corpus;
use crate::train::data::encode::Encoder;
use crate::train::data::hash64;
use crate::train::data::prepare::{self, Place};
use crate::train::data::report::{DataReport, SourceReport};
use crate::train::files;

/// Makes the network a recipe asks for.
pub type Make<'a> = &'a dyn Fn(&Recipe) -> anyhow::Result<Box<dyn Net>>;

/// What a start is given.
pub struct Order<'a> {
    pub folder: &'a Folder,
    /// The base model's folder.
    pub base: &'a Path,
    pub start: Start,
    pub make: Make<'a>,
    /// Milliseconds since 1970.
    pub now: u64,
    /// How much work a kill may cost.
    pub save_every: Duration,
}

/// Whether there may be checkpoints of an earlier start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Fresh,
    Resume,
}

/// What came out: `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Steps done, and the one whose adapter was chosen.
    pub steps: usize,
    pub best_step: usize,
    pub stopped: Option<Stop>,
    /// Mean loss of a learnt token in nats, base and adapter; absent without such a part.
    pub dev: Option<Pair>,
    pub test: Option<Pair>,
    /// Tokens seen in training, and how fast (looks at the dev part not counted).
    pub tokens: u64,
    pub tokens_per_second: f64,
    pub seconds: f64,
    pub peak_mib: f64,
    /// The winner of a search.
    pub trial: Option<usize>,
}

/// A loss without and with the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub base: f64,
    pub adapter: f64,
}

/// What all parts of a start share.
pub struct Session<'a> {
    pub folder: &'a Folder,
    pub recipe: Recipe,
    pub corpus: &'a Corpus,
    pub make: Make<'a>,
    pub steering: &'a mut dyn Steering,
    pub show: &'a mut dyn Show,
    pub now: u64,
    pub save_every: Duration,
    pub rows_sha256: String,
}

impl Session<'_> {
    /// What decides the course of a run: the recipe but for its time limits and what is written at the end, and the rows.
    pub fn fingerprint(&self, recipe: &Recipe) -> u64 {
        let mut train = recipe.train.clone();
        (train.minutes, train.threads) = (0.0, 0);
        let all = serde_json::json!([recipe.objective, recipe.data, recipe.lora, train, recipe.base]);
        hash64(&[all.to_string().as_bytes(), self.rows_sha256.as_bytes()])
    }
}

/// Trains what the folder's recipe says and writes the adapter. `None`: cancelled by `control`.
///
/// # Errors
/// Anything that is wrong with the recipe, the rows, the base or the disk, in words; what was written stays whole.
pub fn run(
    order: &Order<'_>,
    steering: &mut dyn Steering,
    show: &mut dyn Show,
) -> anyhow::Result<Option<Outcome>> {
    let folder = order.folder;
    let recipe = folder.recipe()?;
    let _lock = folder.lock()?;
    if order.start == Start::Fresh && folder.has_begun() {
        bail!(
            "{}: this run has begun already; go on with `shopclerk train --resume {}`, or make a new run from the recipe",
            folder.path().display(),
            folder.path().display()
        );
    }
    if folder.result().is_file() {
        show.say("this run is done already");
        return Ok(Some(serde_json::from_str(&fs::read_to_string(folder.result())?)?));
    }
    files::sweep(folder.path())?;
    let place =
        Place { folder: folder.path(), beside: folder.path(), now: order.now, wording: None, clean: None };
    let source = prepare::prepare(&recipe, place)?;
    let corpus = tokenise(&recipe, order, &source, show)?;
    let mut session = Session {
        folder,
        recipe,
        corpus: &corpus,
        make: order.make,
        steering,
        show,
        now: order.now,
        save_every: order.save_every,
        rows_sha256: source.rows_sha256.clone(),
    };
    let Some(chosen) = choose(&mut session)? else { return Ok(None) };
    finish(&mut session, chosen).map(Some)
}

fn tokenise(
    recipe: &Recipe,
    order: &Order<'_>,
    source: &SourceReport,
    show: &mut dyn Show,
) -> anyhow::Result<Corpus> {
    let folder = order.folder;
    let encoder = Encoder::load(order.base, source.now)?;
    let rows = folder.path().join(prepare::ROWS);
    let corpus = Corpus::build(&rows, folder.path(), &encoder, (&recipe.data, recipe.objective))?;
    let report = DataReport { source: source.clone(), parts: corpus.reports.clone() };
    files::write_json(&folder.data(), &report)?;
    files::write_json(&folder.parts(), &corpus.parts())?;
    for line in report.lines() {
        show.say(&line);
    }
    for (share, part) in [(recipe.data.dev, Part::Dev), (recipe.data.test, Part::Test)] {
        if share > 0.0 && corpus.part(part).is_empty() {
            show.say(&format!("note: no row is in the {part:?} part; there are too few"));
        }
    }
    Ok(corpus)
}

/// The network with the adapter that was chosen, and how it came to be.
struct Chosen {
    state: State,
    net: Box<dyn Net>,
    recipe: Recipe,
    trial: Option<usize>,
    /// The folder its checkpoints are in.
    folder: Folder,
}

fn choose(session: &mut Session<'_>) -> anyhow::Result<Option<Chosen>> {
    let folder = session.folder;
    if session.recipe.search.method != SearchMethod::None {
        let Some(winner) = search::search(session)? else { return Ok(None) };
        let trial = folder.trial(winner.trial);
        fs::copy(trial.metrics(), folder.metrics())?;
        files::write(&folder.path().join("winner.toml"), winner.recipe.to_toml().as_bytes())?;
        let search::Winner { trial: number, recipe, state, net } = winner;
        return Ok(Some(Chosen { state, net, recipe, trial: Some(number), folder: trial }));
    }
    let recipe = session.recipe.clone();
    let fingerprint = session.fingerprint(&recipe);
    let mut net = (session.make)(&recipe)?;
    let work = Work {
        recipe: &recipe,
        corpus: session.corpus,
        folder,
        steering: session.steering,
        show: session.show,
        goes_on: &|_| true,
        fingerprint,
        now: session.now,
        save_every: session.save_every,
    };
    let state = match train(work, net.as_mut())? {
        Ended::Cancelled => return Ok(None),
        Ended::Done(state) => state,
    };
    Ok(Some(Chosen { state, net, recipe, trial: None, folder: folder.clone() }))
}

/// The verdict on the test part, once, and everything that is written.
fn finish(session: &mut Session<'_>, mut chosen: Chosen) -> anyhow::Result<Outcome> {
    let state = &chosen.state;
    let best_step = state.best.first().map_or(state.step, |kept| kept.step);
    let tokens = chosen.recipe.data.max_tokens;
    let net = chosen.net.as_mut();
    let mut test = None;
    if !session.corpus.part(Part::Test).is_empty() {
        let adapter = look::at(session.corpus, Part::Test, net, tokens)?.mean();
        net.reset()?;
        let base = look::at(session.corpus, Part::Test, net, tokens)?.mean();
        net.load(&chosen.folder.checkpoint(best_step))?;
        test = base.zip(adapter).map(|(base, adapter)| Pair { base, adapter });
    }
    let dev_loss = state.best.first().map(|kept| kept.dev_loss);
    let outcome = Outcome {
        steps: state.step,
        best_step,
        stopped: state.stopped,
        dev: state.base_dev.zip(dev_loss).map(|(base, adapter)| Pair { base, adapter }),
        test,
        tokens: state.tokens,
        tokens_per_second: state.tokens as f64 / state.step_seconds.max(1e-9),
        seconds: state.seconds,
        peak_mib: memory().peak,
        trial: chosen.trial,
    };
    let report: DataReport = serde_json::from_str(&fs::read_to_string(session.folder.data())?)?;
    files::write_folder(&session.folder.adapter(), |folder| {
        net.export(folder)?;
        let text = card::text(&chosen.recipe, &report, &outcome, net.base_licence().as_deref());
        files::write(&folder.join("README.md"), text.as_bytes())?;
        anyhow::Ok(())
    })
    .context("the adapter cannot be written; free some space and go on with --resume")?;
    if chosen.recipe.output.merged || chosen.recipe.output.gguf {
        session.show.say("writing the base with the adapter merged in");
        net.merge(session.folder.path(), &chosen.recipe.output)
            .context("the merged model cannot be written; free some space and go on with --resume")?;
    }
    files::write_json(&session.folder.result(), &outcome)?;
    Ok(outcome)
}
