//! The formulas of classification and extraction, over counts that may be added up. An answer that cannot be parsed counts as
//! wrong; it is never left out.

use serde::Serialize;

use super::tally::ratio;

/// Precision, recall and their harmonic mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Prf {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// True members.
    pub support: f64,
}

impl Prf {
    /// From what was right, what was said and what is true.
    fn of(right: f64, said: f64, support: f64) -> Self {
        let (precision, recall) = (ratio(right, said), ratio(right, support));
        Self { precision, recall, f1: ratio(2.0 * right, said + support), support }
    }
}

/// A confusion matrix of `k` classes as counts: row by row the true class, `k` columns for what was said and one for what
/// cannot be parsed.
pub struct Confusion;

impl Confusion {
    /// The counts of one answer. `said` is `None` if it cannot be parsed.
    ///
    /// # Panics
    /// A class outside `0..k`.
    pub fn one(k: usize, truth: usize, said: Option<usize>) -> Vec<f64> {
        let column = said.unwrap_or(k);
        assert!(truth < k && column <= k, "classes are 0..{k}");
        let mut counts = vec![0.0; k * (k + 1)];
        counts[truth * (k + 1) + column] = 1.0;
        counts
    }

    /// The number of classes: the positive root of `k * (k + 1) = counts.len()`.
    fn classes(counts: &[f64]) -> usize {
        ((((4 * counts.len() + 1) as f64).sqrt() - 1.0) / 2.0).round() as usize
    }

    /// Precision, recall and F1 of every class.
    pub fn per_class(counts: &[f64]) -> Vec<Prf> {
        let k = Self::classes(counts);
        let at = |truth: usize, said: usize| counts[truth * (k + 1) + said];
        (0..k)
            .map(|class| {
                let said = (0..k).map(|truth| at(truth, class)).sum();
                let support = (0..=k).map(|said| at(class, said)).sum();
                Prf::of(at(class, class), said, support)
            })
            .collect()
    }

    /// The share of right answers.
    pub fn accuracy(counts: &[f64]) -> f64 {
        let k = Self::classes(counts);
        let right = (0..k).map(|class| counts[class * (k + 1) + class]).sum();
        ratio(right, counts.iter().sum())
    }

    /// The mean of the classes, each counting the same; `support` is the mean too.
    pub fn macro_mean(counts: &[f64]) -> Prf {
        Self::mean(&Self::per_class(counts), |_| 1.0)
    }

    /// The mean of the classes, each counting by its true members.
    pub fn weighted_mean(counts: &[f64]) -> Prf {
        Self::mean(&Self::per_class(counts), |class| class.support)
    }

    fn mean(classes: &[Prf], weight: fn(&Prf) -> f64) -> Prf {
        let whole = classes.iter().map(weight).sum();
        let of = |value: fn(&Prf) -> f64| {
            ratio(classes.iter().map(|class| value(class) * weight(class)).sum(), whole)
        };
        Prf {
            precision: of(|class| class.precision),
            recall: of(|class| class.recall),
            f1: of(|class| class.f1),
            support: of(|class| class.support),
        }
    }
}

/// Attribute values of one product, counted as ExtractGPT does (Brinkmann et al. 2024): right values, values said where there
/// is none, values missed, and wrong values; nothing said where there is nothing is neutral.
pub struct Extraction;

impl Extraction {
    /// The counts of one attribute: `[right, invented, missed, wrong]`. `None` is "n/a"; values must be equal to the letter.
    pub fn one(truth: Option<&str>, said: Option<&str>) -> [f64; 4] {
        match (truth, said) {
            (Some(truth), Some(said)) if truth == said => [1.0, 0.0, 0.0, 0.0],
            (None, Some(_)) => [0.0, 1.0, 0.0, 0.0],
            (Some(_), None) => [0.0, 0.0, 1.0, 0.0],
            (Some(_), Some(_)) => [0.0, 0.0, 0.0, 1.0],
            (None, None) => [0.0; 4],
        }
    }

    /// Micro precision, recall and F1: a wrong value counts against both.
    pub fn scores(counts: &[f64]) -> Prf {
        let at = |n: usize| counts.get(n).copied().unwrap_or(0.0);
        let (right, invented, missed, wrong) = (at(0), at(1), at(2), at(3));
        Prf::of(right, right + invented + wrong, right + missed + wrong)
    }

    pub fn micro_f1(counts: &[f64]) -> f64 {
        Self::scores(counts).f1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tally::{Tally, sum};
    use super::*;

    fn counts(k: usize, answers: &[(usize, Option<usize>)]) -> Vec<f64> {
        let tallies: Vec<Tally> =
            answers.iter().map(|(truth, said)| Tally::new("g", Confusion::one(k, *truth, *said))).collect();
        sum(&tallies)
    }

    /// Three of class 0 and one of class 1, all said to be class 0.
    fn counts_of_one_class() -> Vec<f64> {
        counts(2, &[(0, Some(0)), (0, Some(0)), (0, Some(0)), (1, Some(0))])
    }

    /// By hand: class 0 has 2 of 3 found and 2 of 3 said right, class 1 has 1 of 2 found and 1 of 2 said right, class 2 has
    /// none of its 1, which could not be parsed.
    #[test]
    fn a_matrix_by_hand() {
        let counts =
            counts(3, &[(0, Some(0)), (0, Some(0)), (0, Some(1)), (1, Some(1)), (1, Some(0)), (2, None)]);
        let third = 2.0 / 3.0;
        let expected = [
            Prf { precision: third, recall: third, f1: third, support: 3.0 },
            Prf { precision: 0.5, recall: 0.5, f1: 0.5, support: 2.0 },
            Prf { precision: 0.0, recall: 0.0, f1: 0.0, support: 1.0 },
        ];
        assert_eq!(Confusion::per_class(&counts), expected);
        assert_eq!(Confusion::accuracy(&counts), 0.5);
        for (mean, by_hand) in [
            (Confusion::macro_mean(&counts), (third + 0.5) / 3.0),
            (Confusion::weighted_mean(&counts), (third * 3.0 + 0.5 * 2.0) / 6.0),
        ] {
            for value in [mean.precision, mean.recall, mean.f1] {
                assert!((value - by_hand).abs() < 1e-12, "{mean:?}");
            }
        }
        // All said to be the first class: nothing is said of the others, so their precision is 0.
        let counts = counts_of_one_class();
        let (plain, weighted) = (Confusion::macro_mean(&counts), Confusion::weighted_mean(&counts));
        assert_eq!((plain.precision, plain.recall), (0.375, 0.5));
        assert_eq!((weighted.precision, weighted.recall), (0.5625, 0.75));
    }

    /// scikit-learn 1.7.2, `f1_score(labels=[0, 1, 2], zero_division=0)` on 200 answers of a seeded generator, of which some
    /// are the label 3 (cannot be parsed): made once by `tests/metrics_reference.py`.
    #[test]
    fn a_matrix_by_scikit_learn() {
        let text = include_str!("../../tests/fixtures/metrics.json");
        let reference: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let list =
            |key: &str| -> Vec<usize> { serde_json::from_value(reference[key].clone()).expect("a list") };
        let answers: Vec<(usize, Option<usize>)> =
            list("truth").into_iter().zip(list("said")).map(|(t, s)| (t, (s < 3).then_some(s))).collect();
        assert_eq!(answers.len(), 200);
        let counts = counts(3, &answers);
        let near = |key: &str, value: f64| {
            let expected = reference[key].as_f64().expect("a number");
            assert!((expected - value).abs() < 1e-12, "{key}: {value} instead of {expected}");
        };
        near("accuracy", Confusion::accuracy(&counts));
        near("macro_f1", Confusion::macro_mean(&counts).f1);
        near("weighted_f1", Confusion::weighted_mean(&counts).f1);
        for (class, prf) in Confusion::per_class(&counts).into_iter().enumerate() {
            near(&format!("precision_{class}"), prf.precision);
            near(&format!("recall_{class}"), prf.recall);
            near(&format!("f1_{class}"), prf.f1);
        }
    }

    /// By hand: 3 right, 1 invented, 2 missed, 1 wrong and 5 rightly empty: P = 3/5, R = 3/6, F1 = 6/11.
    #[test]
    fn attributes_by_hand() {
        let mut answers = vec![(Some("red"), Some("red")); 3];
        answers.push((None, Some("red")));
        answers.extend([(Some("red"), None); 2]);
        answers.push((Some("red"), Some("Red")));
        answers.extend([(None, None); 5]);
        let tallies: Vec<Tally> =
            answers.into_iter().map(|(truth, said)| Tally::new("g", Extraction::one(truth, said))).collect();
        let found = Extraction::scores(&sum(&tallies));
        assert_eq!((found.precision, found.recall, found.support), (0.6, 0.5, 6.0));
        assert!((found.f1 - 6.0 / 11.0).abs() < 1e-12);
        assert_eq!(Extraction::micro_f1(&[]), 0.0);
    }

    proptest! {
        #[test]
        fn scores_are_shares(answers in prop::collection::vec((0usize..4, prop::option::of(0usize..4)), 1..60)) {
            let counts = counts(4, &answers);
            for prf in Confusion::per_class(&counts) {
                prop_assert!((0.0..=1.0).contains(&prf.f1));
                let harmonic = ratio(2.0 * prf.precision * prf.recall, prf.precision + prf.recall);
                prop_assert!((prf.f1 - harmonic).abs() < 1e-12);
            }
            let right = answers.iter().filter(|(truth, said)| *said == Some(*truth)).count();
            prop_assert!((Confusion::accuracy(&counts) - right as f64 / answers.len() as f64).abs() < 1e-12);
            // With every answer right, every score of a class that occurs is 1.
            let perfect: Vec<_> = answers.iter().map(|(truth, _)| (*truth, Some(*truth))).collect();
            let counts = super::tests::counts(4, &perfect);
            prop_assert!((Confusion::weighted_mean(&counts).f1 - 1.0).abs() < 1e-12);
        }
    }
}
