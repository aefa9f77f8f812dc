//! Are probabilities what they say? Counts of answers by how sure they were, that may be added up.

use super::tally::ratio;

/// Bins of equal width from 0 to 1.
const BINS: usize = 10;
/// How many counts an answer has: of each bin the answers, their sureness and how many were right; then the squared errors.
pub(super) const COUNTS: usize = 3 * BINS + 1;

/// The counts of one answer: `probabilities` of all classes, `None` if there was no answer that can be read, which is as good as
/// being wholly sure of a wrong one.
pub(super) fn one(truth: usize, probabilities: Option<&[f64]>) -> [f64; COUNTS] {
    let mut counts = [0.0; COUNTS];
    let (sure, right, error) = match probabilities {
        Some(probabilities) => {
            let (best, sure) = probabilities
                .iter()
                .enumerate()
                .fold((0, f64::NEG_INFINITY), |best, (n, p)| if *p > best.1 { (n, *p) } else { best });
            let square = |(n, p): (usize, &f64)| (p - f64::from(u8::from(n == truth))).powi(2);
            (sure, best == truth, probabilities.iter().enumerate().map(square).sum())
        }
        None => (1.0, false, 2.0),
    };
    let bin = ((sure * BINS as f64) as usize).min(BINS - 1);
    counts[3 * bin] = 1.0;
    counts[3 * bin + 1] = sure;
    counts[3 * bin + 2] = f64::from(u8::from(right));
    counts[3 * BINS] = error;
    counts
}

fn answers(counts: &[f64]) -> f64 {
    counts.chunks_exact(3).take(BINS).map(|bin| bin[0]).sum()
}

/// Expected calibration error of the most probable class, in ten bins of equal width: the mean distance between sureness and
/// share of right answers (Naeini et al. 2015; Guo et al. 2017).
pub(super) fn ece(counts: &[f64]) -> f64 {
    let apart = counts.chunks_exact(3).take(BINS).map(|bin| (bin[1] - bin[2]).abs()).sum();
    ratio(apart, answers(counts))
}

/// Brier score: the mean squared error of the probabilities, summed over the classes; 0 is best, 2 is worst (Brier 1950).
pub(super) fn brier(counts: &[f64]) -> f64 {
    ratio(counts.get(3 * BINS).copied().unwrap_or(0.0), answers(counts))
}

/// The bins that hold answers: how sure they were in the mean, the share that was right, and how many they are.
pub(super) fn bins(counts: &[f64]) -> Vec<[f64; 3]> {
    let filled = counts.chunks_exact(3).take(BINS).filter(|bin| bin[0] > 0.0);
    filled.map(|bin| [bin[1] / bin[0], bin[2] / bin[0], bin[0]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(all: &[(usize, Option<&[f64]>)]) -> Vec<f64> {
        let mut counts = vec![0.0; COUNTS];
        for (truth, probabilities) in all {
            counts.iter_mut().zip(one(*truth, *probabilities)).for_each(|(sum, count)| *sum += count);
        }
        counts
    }

    /// By hand: two answers at .8, one right: a bin of 2 with a distance of .3; one at .6, right: .4. ECE = (2 * .3 + 1 * .4) / 3.
    /// Brier: .2^2 + .2^2 = .08, .8^2 + .8^2 = 1.28, .4^2 + .4^2 = .32; the mean is .56.
    #[test]
    fn by_hand() {
        let counts = sum(&[(0, Some(&[0.8, 0.2])), (1, Some(&[0.8, 0.2])), (1, Some(&[0.4, 0.6]))]);
        assert!((ece(&counts) - 1.0 / 3.0).abs() < 1e-12, "{}", ece(&counts));
        assert!((brier(&counts) - 0.56).abs() < 1e-12, "{}", brier(&counts));
        assert_eq!(bins(&counts).len(), 2);
    }

    #[test]
    fn the_ends_of_the_scale() {
        let perfect = sum(&[(0, Some(&[1.0, 0.0])), (1, Some(&[0.0, 1.0]))]);
        assert_eq!((ece(&perfect), brier(&perfect)), (0.0, 0.0));
        let unreadable = sum(&[(0, None)]);
        assert_eq!((ece(&unreadable), brier(&unreadable)), (1.0, 2.0));
        assert_eq!((ece(&[]), brier(&[])), (0.0, 0.0));
    }

    /// Whoever always gives the shares of the classes is calibrated, and knows nothing.
    #[test]
    fn shares_are_calibrated() {
        let shares: &[f64] = &[0.7, 0.3];
        let all: Vec<_> = (0..10).map(|n| (usize::from(n >= 7), Some(shares))).collect();
        assert!(ece(&sum(&all)) < 1e-12);
        assert!((brier(&sum(&all)) - 0.42).abs() < 1e-12);
    }
}
