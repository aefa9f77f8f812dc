//! Base and adapter, side by side.

use serde_json::json;

use super::suite::{Contest, Judged, Suite};
use super::tally::{difference, score};
use crate::domain::run;
use crate::model::Model;

/// Who is judged beside the base, by the names under which the model has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The adapter that the verdict is about.
    pub adapter: Option<&'a str>,
    /// The version that serves now.
    pub current: Option<&'a str>,
}

/// Asks the base and whoever is beside it, and scores all of them beside the trivial answer. `done` is told who is asked
/// (`base`, `current` or `adapter`) and how many rows are done.
///
/// # Errors
/// A model that fails.
pub async fn compare(
    suite: &dyn Suite,
    model: &dyn Model,
    beside: Beside<'_>,
    done: &(dyn Fn(&str, usize) + Sync),
) -> anyhow::Result<Vec<run::Suite>> {
    let mut contest = Contest { trivial: suite.trivial(), ..Contest::default() };
    contest.base = Some(suite.judge(Judged { model, adapter: None, done: &|n| done("base", n) }).await?);
    // The adapter comes last: the examples of a scorecard are those that were said last.
    for (who, adapter, tallies) in
        [("current", beside.current, &mut contest.current), ("adapter", beside.adapter, &mut contest.adapter)]
    {
        if adapter.is_some() {
            *tallies = Some(suite.judge(Judged { model, adapter, done: &|n| done(who, n) }).await?);
        }
    }
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
            current: of(&contest.current),
            adapter: of(&contest.adapter),
            details,
        }
    };
    measures.iter().enumerate().map(line).collect()
}
