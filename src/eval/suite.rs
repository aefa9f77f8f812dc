//! What a suite is.

use futures_util::future::BoxFuture;

use super::Tally;
use crate::domain::run::Direction;
use crate::model::Model;

/// One thing that can be measured of a model that serves.
pub trait Suite: Send + Sync {
    /// What its counts mean; the first one is what counts most. Each becomes a line of the scorecard.
    fn measures(&self) -> Vec<Measure>;

    /// How many rows it asks about.
    fn rows(&self) -> usize;

    /// The counts of an answer that needs no model: always the commonest, by frequency alone. `None` if there is none.
    fn trivial(&self) -> Option<Vec<Tally>>;

    /// Asks about every row.
    ///
    /// # Errors
    /// A model that fails; an answer that cannot be parsed is no failure, it counts as wrong.
    fn judge<'a>(&'a self, judged: Judged<'a>) -> BoxFuture<'a, anyhow::Result<Vec<Tally>>>;

    /// More numbers, e.g. per class.
    fn details(&self, contest: &Contest) -> serde_json::Value {
        let _ = contest;
        serde_json::Value::Null
    }
}

/// A number made of counts.
#[derive(Clone, Debug)]
pub struct Measure {
    /// The name in the scorecard: `held_out`, `sentiment`, `attributes`, `qa`, `reference_facts`.
    pub suite: &'static str,
    /// In words, with the averaging.
    pub name: &'static str,
    pub direction: Direction,
    /// From the counts of all rows, added up.
    pub formula: fn(&[f64]) -> f64,
}

/// Who is asked.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    pub model: &'a dyn Model,
    /// `name@version`; the base if absent.
    pub adapter: Option<&'a str>,
    /// Told after every row how many are done.
    pub done: &'a (dyn Fn(usize) + Sync),
}

/// The counts of everybody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contest {
    pub trivial: Option<Vec<Tally>>,
    pub base: Option<Vec<Tally>>,
    /// The version that serves now.
    pub current: Option<Vec<Tally>>,
    pub adapter: Option<Vec<Tally>>,
}
