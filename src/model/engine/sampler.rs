//! Sampling that a seed decides.
//!
//! mistralrs 0.8.1 has one random generator for the engine, so the same request would give another answer each time. Here a
//! logits processor scales and filters the logits and adds Gumbel noise from the request's own seed; the greatest of
//! them is then a draw from the softmax (the Gumbel-max trick: Gumbel 1954; Maddison, Tarlow and Minka 2014). The engine
//! samples greedily behind it.

use candle_core::{Result, Tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::domain::prompt::Sampling;

/// Draws the next token for one request.
pub(super) struct Seeded {
    temperature: f32,
    top_p: f32,
    top_k: usize,
    min_p: f32,
    seed: u64,
}

impl Seeded {
    /// `None` if the request is greedy.
    pub(super) fn new(sampling: &Sampling, seed: u64) -> Option<Self> {
        let temperature = sampling.temperature.filter(|t| *t > 0.0)? as f32;
        Some(Self {
            temperature,
            top_p: sampling.top_p.unwrap_or(1.0) as f32,
            top_k: sampling.top_k.unwrap_or(usize::MAX).max(1),
            min_p: sampling.min_p.unwrap_or(0.0) as f32,
            seed,
        })
    }

    /// `logits` (one per vocabulary entry) with all but the token drawn for this position set back.
    pub(super) fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor> {
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        // The position makes each token's noise its own without any state to lose.
        let mut rng =
            StdRng::seed_from_u64(self.seed ^ (context.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let drawn = self.draw(&values, &mut rng);
        for (id, value) in values.iter_mut().enumerate() {
            if id != drawn {
                *value = f32::NEG_INFINITY;
            }
        }
        Tensor::from_vec(values, logits.shape(), logits.device())
    }

    fn draw(&self, logits: &[f32], rng: &mut StdRng) -> usize {
        let mut order: Vec<usize> = (0..logits.len()).filter(|id| logits[*id].is_finite()).collect();
        order.sort_unstable_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        let Some(best) = order.first().map(|id| logits[*id]) else { return 0 };
        let weight = |id: usize| ((logits[id] - best) / self.temperature).exp();
        let total: f32 = order.iter().map(|id| weight(*id)).sum();
        let mut seen = 0.0;
        let mut kept = 0;
        for id in &order {
            let share = weight(*id) / total;
            if kept > 0 && (kept >= self.top_k || seen >= self.top_p || weight(*id) < self.min_p) {
                break;
            }
            seen += share;
            kept += 1;
        }
        let noisy = |id: usize, rng: &mut StdRng| {
            let uniform: f32 = rng.random_range(f32::EPSILON..1.0);
            (logits[id] - best) / self.temperature - (-uniform.ln()).ln()
        };
        let mut winner = (order[0], f32::NEG_INFINITY);
        for id in order.into_iter().take(kept) {
            let score = noisy(id, rng);
            if score > winner.1 {
                winner = (id, score);
            }
        }
        winner.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(sampling: &Sampling, n: u64) -> Vec<usize> {
        let logits = [2.0f32, 1.0, 0.0, f32::NEG_INFINITY];
        (0..n)
            .map(|seed| {
                let seeded = Seeded::new(sampling, seed).expect("not greedy");
                seeded.draw(&logits, &mut StdRng::seed_from_u64(seed))
            })
            .collect()
    }

    #[test]
    fn draws_follow_the_softmax() {
        let sampling = Sampling { temperature: Some(1.0), ..Sampling::default() };
        let drawn = draws(&sampling, 20_000);
        for (id, expected) in [0.665, 0.245, 0.090].into_iter().enumerate() {
            let share = drawn.iter().filter(|d| **d == id).count() as f64 / drawn.len() as f64;
            assert!((share - expected).abs() < 0.015, "token {id}: {share} instead of {expected}");
        }
    }

    #[test]
    fn filters_leave_only_what_they_allow() {
        let top_k = Sampling { temperature: Some(1.0), top_k: Some(1), ..Sampling::default() };
        assert!(draws(&top_k, 500).iter().all(|d| *d == 0));
        let top_p = Sampling { temperature: Some(1.0), top_p: Some(0.8), ..Sampling::default() };
        assert!(draws(&top_p, 2000).iter().all(|d| *d < 2));
        let min_p = Sampling { temperature: Some(1.0), min_p: Some(0.3), ..Sampling::default() };
        assert!(draws(&min_p, 2000).iter().all(|d| *d < 2));
    }

    #[test]
    fn the_same_seed_and_place_draw_the_same_token() {
        let sampling = Sampling { temperature: Some(0.8), ..Sampling::default() };
        let seeded = Seeded::new(&sampling, 7).expect("not greedy");
        let logits = Tensor::new(&[1.0f32, 1.1, 0.9, 1.05], &candle_core::Device::Cpu).expect("tensor");
        let once = seeded.apply(&logits, &[1, 2]).and_then(|t| t.to_vec1::<f32>()).expect("values");
        let again = seeded.apply(&logits, &[3, 4]).and_then(|t| t.to_vec1::<f32>()).expect("values");
        assert_eq!(once, again);
        assert_eq!(once.iter().filter(|v| v.is_finite()).count(), 1);
    }
}
