//! Softmax and cross-entropy over a chunk of logits, and their gradient in the same pass.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::exp::exp;
use super::plain;
use super::slice::{Slice, in_place, on_cpu};

/// Numbers summed in float32 before the sum goes on in float64.
const RUN: usize = 512;

/// The loss of each row, and the gradient of the logits if it was asked for.
pub(crate) struct Entropy {
    /// `-ln p(label)` in nats.
    pub(crate) losses: Vec<f64>,
    /// `(softmax - one-hot) * scale`
    pub(crate) d_logits: Option<Tensor>,
}

/// Cross-entropy of `logits`, `(rows, words)`, which are written over; `labels` has one word a row. With `scale` the
/// gradient of `scale * sum of losses` is given too.
pub(crate) fn cross_entropy(logits: Tensor, labels: &[u32], scale: Option<f64>) -> Result<Entropy> {
    if !on_cpu(&logits) {
        return plain::cross_entropy(&logits, labels, scale);
    }
    let words = logits.dim(1)?;
    let losses = {
        let numbers = Slice::of(&logits)?;
        numbers.par_chunks(words).zip(labels).map(|(row, label)| loss(row, *label)).collect::<Vec<_>>()
    };
    let Some(scale) = scale else { return Ok(Entropy { losses, d_logits: None }) };
    in_place(&logits, |numbers| {
        numbers.par_chunks_mut(words).zip(labels).zip(&losses).for_each(|((row, label), loss)| {
            let label = *label as usize;
            // ln of the sum of all e^logit
            let total = (f64::from(row[label]) + loss) as f32;
            for number in row.iter_mut() {
                *number = exp(*number - total) * scale as f32;
            }
            row[label] -= scale as f32;
        });
    })?;
    Ok(Entropy { losses, d_logits: Some(logits) })
}

fn loss(row: &[f32], label: u32) -> f64 {
    let most = row.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 =
        row.chunks(RUN).map(|run| f64::from(run.iter().map(|number| exp(number - most)).sum::<f32>())).sum();
    sum.ln() + f64::from(most) - f64::from(row[label as usize])
}
