//! Base and adapter, side by side.

use serde_json::json;

use super::suite::{Contest, Judged, Suite};
use super::tally::{difference, score};
use crate::domain::run;
use crate::model::Model;

/// Asks the base, and the adapter if there is one, and scores both beside the trivial answer. `done` is told who is asked
/// (`base` or `adapter`) and how many rows are done.
///
/// # Errors
/// A model that fails.
pub async fn compare(
    suite: &dyn Suite,
    model: &dyn Model,
    adapter: Option<&str>,
    done: &(dyn Fn(&str, usize) + Sync),
) -> anyhow::Result<Vec<run::Suite>> {
    let base = suite.judge(Judged { model, adapter: None, done: &|n| done("base", n) }).await?;
    let judged = match adapter {
        Some(_) => Some(suite.judge(Judged { model, adapter, done: &|n| done("adapter", n) }).await?),
        None => None,
    };
    let contest = Contest { trivial: suite.trivial(), base: Some(base), adapter: judged };
    Ok(scores(suite, &contest))
}

/// A line for each measure of the suite. What the measures share is in the first one's details.
pub(super) fn scores(suite: &dyn Suite, contest: &Contest) -> Vec<run::Suite> {
    let measures = suite.measures();
    let line = |(n, measure): (usize, &super::Measure)| {
        let of = |tallies: &Option<Vec<super::Tally>>| tallies.as_ref().map(|t| score(t, &measure.formula));
        let mut details = json!({});
        if let (Some(base), Some(adapter)) = (&contest.base, &contest.adapter) {
            details["adapter_minus_base"] = json!(difference(base, adapter, &measure.formula));
        }
        if n == 0 {
            details["more"] = suite.details(contest);
        }
        run::Suite {
            name: measure.suite.to_owned(),
            direction: measure.direction,
            measure: measure.name.to_owned(),
            rows: suite.rows(),
            trivial: of(&contest.trivial),
            base: of(&contest.base),
            adapter: of(&contest.adapter),
            details,
        }
    };
    measures.iter().enumerate().map(line).collect()
}
