//! From a model's raw scores to probabilities that mean what they say.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The file in an adapter's folder that says how its scores become probabilities.
pub const FILE: &str = "calibration.json";

/// What is added to and divides the scores of the labels: softmax((score + bias) / temperature). With one temperature and
/// one bias a class this is vector scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub temperature: f32,
    /// In the order of the labels.
    pub bias: Vec<f32>,
}

/// What is known by now.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) sentiment: Option<(Option<String>, Calibration)>,
}

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
        let found: Self =
            serde_json::from_slice(&bytes).map_err(|fault| format!("{}: {fault}", path.display()))?;
        let sound = found.temperature.is_finite() && found.temperature > 0.0;
        if !sound || found.bias.iter().any(|bias| !bias.is_finite()) {
            return Err(format!("{}: `temperature` must be above 0, and all numbers finite", path.display()));
        }
        Ok(Some(found))
    }

    /// Scores as they are.
    pub fn identity(labels: usize) -> Self {
        Self { temperature: 1.0, bias: vec![0.0; labels] }
    }

    /// Takes away what the model would say to a text without content (contextual calibration, Zhao et al. 2021,
    /// "Calibrate Before Use").
    pub fn contextual(empty: &[f32]) -> Self {
        Self { temperature: 1.0, bias: empty.iter().map(|score| -score).collect() }
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

    /// The calibration that makes `samples` (scores, index of the true label) most likely, each class weighted by its count
    /// to the power of `-balance`: 0 gives calibrated probabilities, 1 treats rare labels like common ones.
    pub fn fit(samples: &[(Vec<f32>, usize)], balance: f64) -> Self {
        let labels = samples.first().map_or(0, |(scores, _)| scores.len());
        let mut counts = vec![0usize; labels];
        for (_, label) in samples {
            counts[*label] += 1;
        }
        let weight = |label: usize| (counts[label].max(1) as f64).powf(-balance);
        let total: f64 = samples.iter().map(|(_, label)| weight(*label)).sum();
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
                    let error = error * weight(*label) / total;
                    slope_grad += error * f64::from(scores[n]);
                    bias_grad[n] += error;
                }
            }
            slope = (slope - RATE * slope_grad).max(0.05);
            for (b, grad) in bias.iter_mut().zip(bias_grad) {
                *b -= RATE * grad;
            }
        }
        Self {
            temperature: (1.0 / slope) as f32,
            bias: bias.into_iter().map(|b| (b / slope) as f32).collect(),
        }
    }
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
        let fitted = Calibration::fit(&samples, 0.0);
        let p = |x: f32| fitted.apply(&[0.0, x])[1];
        assert!((p(2.0) - 0.5).abs() < 0.1, "{fitted:?}: {}", p(2.0));
        assert!(p(4.0) > 0.8 && p(0.0) < 0.2, "{fitted:?}");
    }
}
