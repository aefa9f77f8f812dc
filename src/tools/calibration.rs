//! From a model's raw scores to probabilities that mean what they say.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The file in an adapter's folder that says how its scores become probabilities.
pub const FILE: &str = "calibration.json";

/// What is added to and divides the scores of the labels: softmax((score + bias) / temperature). With one temperature and
/// one bias a class this is vector scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks"). What comes out are
/// probabilities; which label is *said* is decided apart, by `lean`, so that a rare label can be said without its probability
/// being talked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Of the file: 1 has neither this nor `lean`.
    #[serde(default = "first")]
    pub version: u32,
    pub temperature: f32,
    /// In the order of the labels.
    pub bias: Vec<f32>,
    /// Added to the logarithms of the probabilities before the greatest is chosen: 0 chooses the most probable label, `ln 2` one
    /// that is half as probable as the others. In the order of the labels; empty is 0 for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lean: Vec<f32>,
}

fn first() -> u32 {
    1
}

/// What is known by now.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) sentiment: Option<(Option<String>, Calibration)>,
}

/// The newest form of the file.
const VERSION: u32 = 2;
/// How much a rare label is favoured when one is said: by its share to the power of minus this. 0 would never say one that is
/// one in forty, 1 would say it as readily as a common one.
const BALANCE: f64 = 0.25;
/// Steps of the fit and their size; a few hundred samples converge in far fewer.
const STEPS: usize = 2000;
const RATE: f64 = 0.1;
/// Pulls the fit towards the raw scores where there are few samples.
const RIDGE: f64 = 1e-3;

impl Calibration {
    /// That of an adapter's folder; `None` if it has none.
    ///
    /// # Errors
    /// A file that cannot be read or has other fields, by name.
    pub fn of(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = fs_err::read(&path).map_err(|fault| fault.to_string())?;
        Self::parse(&bytes).map(Some).map_err(|fault| format!("{}: {fault}", path.display()))
    }

    /// Whether `bytes` could be the file of an adapter that is about to serve.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn judge(bytes: &[u8]) -> Result<(), String> {
        Self::parse(bytes).map(drop)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let found: Self = serde_json::from_slice(bytes).map_err(|fault| fault.to_string())?;
        if found.version > VERSION {
            return Err(format!("`version` {} is of a later program", found.version));
        }
        let sound = found.temperature.is_finite() && found.temperature > 0.0;
        if !sound || found.bias.iter().chain(&found.lean).any(|number| !number.is_finite()) {
            return Err("`temperature` must be above 0, and all numbers finite".to_owned());
        }
        Ok(found)
    }

    /// Scores as they are.
    pub fn identity(labels: usize) -> Self {
        Self::plain(vec![0.0; labels])
    }

    /// Takes away what the model would say to a text without content (contextual calibration, Zhao et al. 2021,
    /// "Calibrate Before Use").
    pub fn contextual(empty: &[f32]) -> Self {
        Self::plain(empty.iter().map(|score| -score).collect())
    }

    fn plain(bias: Vec<f32>) -> Self {
        Self { version: VERSION, temperature: 1.0, bias, lean: Vec::new() }
    }

    /// The label to say, by its place, where the labels have these probabilities; of two alike, the first.
    pub fn decide(&self, probabilities: &[f32]) -> usize {
        let lean = |n: usize| self.lean.get(n).copied().unwrap_or(0.0);
        let mut best = (0, f32::NEG_INFINITY);
        for (n, probability) in probabilities.iter().enumerate() {
            let weight = probability.ln() + lean(n);
            if weight > best.1 {
                best = (n, weight);
            }
        }
        best.0
    }

    /// Probabilities of the labels from their log-probabilities.
    pub fn apply(&self, scores: &[f32]) -> Vec<f32> {
        let logits: Vec<f32> = scores
            .iter()
            .enumerate()
            .map(|(n, score)| (score + self.bias.get(n).copied().unwrap_or(0.0)) / self.temperature)
            .collect();
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = logits.iter().map(|l| (l - max).exp()).collect();
        let total: f32 = weights.iter().sum();
        weights.iter().map(|w| w / total).collect()
    }

    /// The calibration that makes `samples` (scores, place of the true label) most likely, and a decision that does not pass over
    /// rare labels.
    pub fn fit(samples: &[(Vec<f32>, usize)]) -> Self {
        let labels = samples.first().map_or(0, |(scores, _)| scores.len());
        let total = samples.len().max(1) as f64;
        let (mut slope, mut bias) = (1.0f64, vec![0.0f64; labels]);
        for _ in 0..STEPS {
            let mut slope_grad = RIDGE * (slope - 1.0);
            let mut bias_grad: Vec<f64> = bias.iter().map(|b| RIDGE * b).collect();
            for (scores, label) in samples {
                let logits: Vec<f64> =
                    scores.iter().zip(&bias).map(|(s, b)| f64::from(*s) * slope + b).collect();
                let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
                for n in 0..labels {
                    let error = (logits[n] - max).exp() / sum - f64::from(u8::from(n == *label));
                    slope_grad += error * f64::from(scores[n]) / total;
                    bias_grad[n] += error / total;
                }
            }
            slope = (slope - RATE * slope_grad).max(0.05);
            for (b, grad) in bias.iter_mut().zip(bias_grad) {
                *b -= RATE * grad;
            }
        }
        Self {
            version: VERSION,
            temperature: (1.0 / slope) as f32,
            bias: bias.into_iter().map(|b| (b / slope) as f32).collect(),
            lean: lean(samples, labels),
        }
    }
}

/// For each label, its share among `samples` to the power of `-BALANCE`, as a logarithm; one that never occurs counts as if it did
/// once.
fn lean(samples: &[(Vec<f32>, usize)], labels: usize) -> Vec<f32> {
    let mut counts = vec![0usize; labels];
    for (_, label) in samples {
        counts[*label] += 1;
    }
    let total = samples.len().max(1) as f64;
    counts.into_iter().map(|count| (-BALANCE * (count.max(1) as f64 / total).ln()) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_always_leans_one_way_is_set_right() {
        let empty = [-0.1f32, -2.5, -4.0];
        let even = Calibration::contextual(&empty).apply(&empty);
        assert!(even.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn a_fit_finds_the_threshold_and_doubts_what_is_doubtful() {
        // Label 1 is true from a difference of 2 up, in nine cases of ten.
        let samples: Vec<(Vec<f32>, usize)> = (0..400)
            .map(|n| {
                let x = n as f32 / 100.0;
                let truth = usize::from(x > 2.0);
                (vec![0.0, x], if n % 10 == 0 { 1 - truth } else { truth })
            })
            .collect();
        let fitted = Calibration::fit(&samples);
        let p = |x: f32| fitted.apply(&[0.0, x])[1];
        assert!((p(2.0) - 0.5).abs() < 0.1, "{fitted:?}: {}", p(2.0));
        assert!(p(4.0) > 0.8 && p(0.0) < 0.2, "{fitted:?}");
    }

    /// One sample in ten has label 1, and the score tells nothing.
    #[test]
    fn a_rare_label_is_said_though_its_probability_stays_honest() {
        let samples: Vec<(Vec<f32>, usize)> = (0..500)
            .map(|n| {
                let rare = n % 10 == 0;
                // The score knows a little: it is higher for the rare ones, and for one in six of the others.
                let high = rare || matches!(n % 20, 1 | 6 | 11);
                (vec![0.0, if high { 1.0 } else { 0.0 }], usize::from(rare))
            })
            .collect();
        let fitted = Calibration::fit(&samples);
        let high = fitted.apply(&[0.0, 1.0]);
        let (truth, said): (usize, f32) = samples
            .iter()
            .filter(|(scores, _)| scores[1] > 0.5)
            .fold((0, 0.0), |(n, p), (scores, label)| (n + label, p + fitted.apply(scores)[1]));
        assert!((said - truth as f32).abs() < 5.0, "the mean probability {said} is the share {truth}");
        assert!(high[1] < 0.5 && fitted.decide(&high) == 1, "{high:?} {fitted:?}");
        assert_eq!(fitted.decide(&fitted.apply(&[0.0, 0.0])), 0);
        assert_eq!(Calibration::identity(2).decide(&high), 0, "without a lean the most probable is said");
    }

    #[test]
    fn files_of_the_first_form_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |text: &str| {
            fs_err::write(folder.path().join(FILE), text).expect("writes");
            Calibration::of(folder.path())
        };
        let old = read(r#"{"temperature": 0.5, "bias": [1.0, 2.0, 0.0]}"#).expect("reads").expect("is there");
        assert_eq!((old.version, old.lean.len(), old.decide(&[0.2, 0.5, 0.3])), (1, 0, 1));
        let fitted = Calibration::fit(&[(vec![0.0, 1.0], 1), (vec![1.0, 0.0], 0)]);
        let text = serde_json::to_string(&fitted).expect("serialises");
        assert_eq!(read(&text).expect("reads"), Some(fitted));
        let later = read(r#"{"version": 3, "temperature": 1.0, "bias": []}"#).expect_err("refused");
        assert!(later.ends_with("`version` 3 is of a later program"), "{later}");
        assert!(read(r#"{"temperature": 0.0, "bias": []}"#).is_err());
    }
}
