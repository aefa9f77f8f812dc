//! The end of the network: the last norm, the words, the loss.
//!
//! Only rows that predict a learnt token come here, and their logits exist a few rows at a time: with 150,000 words, all of
//! them at once would be larger than the model.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::super::kernels::{cross_entropy, rms_norm, rms_norm_backward};
use super::frozen::Frozen;

/// Logits held at once.
const LOGITS: usize = 6 << 20;

#[derive(Debug)]
pub(super) struct Head {
    /// `(hidden)`
    pub(super) norm: Tensor,
    pub(super) eps: f64,
    /// `(words, hidden)`; in many models the same as the embedding.
    pub(super) words: Arc<Frozen>,
}

impl Head {
    /// The logits of each row: `(rows, hidden)` to `(rows, words)`.
    pub(super) fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.words.forward(&rms_norm(x, &self.norm, self.eps)?)
    }

    /// The loss of each row in nats, and with `scale` the gradient of `x` for `scale * sum of losses`.
    pub(super) fn loss(
        &self,
        x: &Tensor,
        labels: &[u32],
        scale: Option<f64>,
    ) -> Result<(Vec<f64>, Option<Tensor>)> {
        let normed = rms_norm(x, &self.norm, self.eps)?;
        let (mut losses, mut gradients) = (Vec::with_capacity(labels.len()), Vec::new());
        let rows = (LOGITS / self.words.outputs()).max(8);
        for (number, labels) in labels.chunks(rows).enumerate() {
            let logits = self.words.forward(&normed.narrow(0, number * rows, labels.len())?)?;
            let entropy = cross_entropy(logits, labels, scale)?;
            losses.extend(entropy.losses);
            if let Some(d_logits) = entropy.d_logits {
                gradients.push(self.words.backward(&d_logits)?);
            }
        }
        if scale.is_none() {
            return Ok((losses, None));
        }
        let d_normed = Tensor::cat(&gradients, 0)?;
        let gradient = rms_norm_backward(x, &self.norm, self.eps, [&d_normed, &x.zeros_like()?])?;
        Ok((losses, Some(gradient)))
    }
}
