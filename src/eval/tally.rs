//! What is counted of a row, and how sure a score is that is made of such counts.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::domain::run::Score;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;
/// The same resamples every time, and for everybody who is compared.
const SEED: u64 = 0x5ec2;

/// Counts of one row that may be added up; what they are is the suite's business.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Rows of one group are not independent: they are drawn together.
    pub group: String,
    pub counts: Vec<f64>,
}

impl Tally {
    pub fn new(group: impl Into<String>, counts: impl Into<Vec<f64>>) -> Self {
        Self { group: group.into(), counts: counts.into() }
    }
}

/// All counts, added up.
pub fn sum(tallies: &[Tally]) -> Vec<f64> {
    let mut all = Vec::new();
    for tally in tallies {
        add(&mut all, &tally.counts);
    }
    all
}

/// The counts of every group, by its name.
pub fn by_group(tallies: &[Tally]) -> BTreeMap<&str, Vec<f64>> {
    let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for tally in tallies {
        add(groups.entry(&tally.group).or_default(), &tally.counts);
    }
    groups
}

fn add(to: &mut Vec<f64>, counts: &[f64]) {
    to.resize(to.len().max(counts.len()), 0.0);
    to.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// `formula` of all counts, with the 95 % interval of the percentile bootstrap over groups (Efron 1979).
pub fn score(tallies: &[Tally], formula: &dyn Fn(&[f64]) -> f64) -> Score {
    let groups: Vec<Vec<f64>> = by_group(tallies).into_values().collect();
    let (low, high) = interval(groups.len(), &|drawn| formula(&total(&groups, drawn)));
    Score { value: formula(&sum(tallies)), low, high }
}

/// By how much `formula` is higher for `after` than for `before`, where both have the same groups: every resample draws the
/// same groups for both, so that what is hard for both does not count as doubt.
pub fn difference(before: &[Tally], after: &[Tally], formula: &dyn Fn(&[f64]) -> f64) -> Score {
    let (left, right) = (by_group(before), by_group(after));
    let pairs: Vec<(Vec<f64>, Vec<f64>)> =
        left.into_iter().filter_map(|(name, counts)| Some((counts, right.get(name)?.clone()))).collect();
    let (left, right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let between = |drawn: &[usize]| formula(&total(&right, drawn)) - formula(&total(&left, drawn));
    let (low, high) = interval(left.len(), &between);
    Score { value: between(&(0..left.len()).collect::<Vec<_>>()), low, high }
}

fn total(groups: &[Vec<f64>], drawn: &[usize]) -> Vec<f64> {
    let mut all = Vec::new();
    for n in drawn {
        add(&mut all, &groups[*n]);
    }
    all
}

/// The 2.5th and 97.5th percentile of `value` over resamples of `groups` numbers.
fn interval(groups: usize, value: &dyn Fn(&[usize]) -> f64) -> (f64, f64) {
    if groups == 0 {
        return (0.0, 0.0);
    }
    let mut random = StdRng::seed_from_u64(SEED);
    let mut drawn = vec![0; groups];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.iter_mut().for_each(|n| *n = random.random_range(0..groups));
            value(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    (percentile(&values, 0.025), percentile(&values, 0.975))
}

/// Linear between the two nearest, as numpy does by default.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * part
}

/// 0 where nothing was counted.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mean(counts: &[f64]) -> f64 {
        ratio(counts.first().copied().unwrap_or(0.0), counts.get(1).copied().unwrap_or(0.0))
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 3, 4], [2.5, 97.5]) = [1.075, 3.925]
        let values = [1.0, 2.0, 3.0, 4.0];
        assert!((percentile(&values, 0.025) - 1.075).abs() < 1e-12);
        assert!((percentile(&values, 0.975) - 3.925).abs() < 1e-12);
    }

    #[test]
    fn one_group_leaves_no_doubt_and_rows_of_a_group_stay_together() {
        let rows: Vec<Tally> = (0..50).map(|n| Tally::new("same", [f64::from(n % 2), 1.0])).collect();
        assert_eq!(score(&rows, &mean), Score { value: 0.5, low: 0.5, high: 0.5 });
        let apart: Vec<Tally> = (0..50).map(|n| Tally::new(n.to_string(), [f64::from(n % 2), 1.0])).collect();
        let found = score(&apart, &mean);
        // The normal approximation: 0.5 +- 1.96 * 0.5 / sqrt(50) = 0.361 to 0.639.
        assert!((found.low - 0.361).abs() < 0.03 && (found.high - 0.639).abs() < 0.03, "{found:?}");
        assert_eq!(found, score(&apart, &mean), "the same every time");
    }

    #[test]
    fn a_difference_is_surer_than_its_ends() {
        let before: Vec<Tally> = (0..40).map(|n| Tally::new(n.to_string(), [f64::from(n), 1.0])).collect();
        let after: Vec<Tally> =
            (0..40).map(|n| Tally::new(n.to_string(), [f64::from(n) - 1.0, 1.0])).collect();
        let gain = difference(&before, &after, &mean);
        assert_eq!((gain.value, gain.low, gain.high), (-1.0, -1.0, -1.0));
    }

    proptest! {
        #[test]
        fn the_value_is_inside_and_groups_add_up(rows in prop::collection::vec((0u8..6, 0u8..5), 1..40)) {
            let rows: Vec<Tally> =
                rows.iter().map(|(group, hit)| Tally::new(group.to_string(), [f64::from(*hit), 5.0])).collect();
            let found = score(&rows, &mean);
            prop_assert!(found.low <= found.value + 1e-9 && found.value <= found.high + 1e-9);
            let groups = by_group(&rows);
            let whole: f64 = groups.values().map(|counts| counts[0]).sum();
            prop_assert!((whole - sum(&rows)[0]).abs() < 1e-9);
        }
    }
}
