//! Sampling that a seed decides.
//!
//! mistralrs 0.8.1 has one random generator for the engine, so the same request would give another answer each time. Here a
//! logits processor scales and filters the logits, draws from their softmax with a generator seeded by the request, and
//! leaves only what it drew. The engine samples greedily behind it.

use candle_core::{Result, Tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::domain::prompt::Sampling;

/// Logits further than this below the greatest, in units of the temperature, are never drawn: all 50,000 of them together have
/// less than a hundred-millionth of the weight.
const FLOOR: f32 = 30.0;

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
        let best = logits.iter().copied().filter(|logit| logit.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        // What is left out is e^-30 times as likely as the best, and less.
        let floor = (-FLOOR).max(if self.min_p > 0.0 { self.min_p.ln() } else { f32::NEG_INFINITY });
        let scaled = |logit: f32| (logit - best) / self.temperature;
        let mut kept: Vec<(f32, usize)> = logits
            .iter()
            .enumerate()
            .filter(|(_, logit)| logit.is_finite() && (scaled(**logit) >= floor || **logit == best))
            .map(|(id, logit)| (scaled(*logit).exp(), id))
            .collect();
        self.cut(&mut kept);
        let total: f32 = kept.iter().map(|(weight, _)| weight).sum();
        let mut left = rng.random_range(0.0..1.0f32) * total;
        for (weight, id) in &kept {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        kept.last().map_or(0, |(_, id)| *id)
    }

    /// Leaves the likeliest: as many as `top_k`, and of those the fewest that hold `top_p` of all.
    fn cut(&self, kept: &mut Vec<(f32, usize)>) {
        if self.top_k >= kept.len() && self.top_p >= 1.0 {
            return;
        }
        let all: f32 = kept.iter().map(|(weight, _)| weight).sum();
        let likelier = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if self.top_k < kept.len() {
            kept.select_nth_unstable_by(self.top_k - 1, likelier);
            kept.truncate(self.top_k);
        }
        // Together the lighter ones hold less than what `top_p` leaves out.
        let light = (1.0 - self.top_p) * all / kept.len() as f32;
        kept.retain(|(weight, _)| *weight >= light);
        kept.sort_unstable_by(likelier);
        let mut seen = 0.0;
        let enough = |(weight, _): &(f32, usize)| {
            let before = seen;
            seen += weight / all;
            before >= self.top_p
        };
        if let Some(end) = kept.iter().position(enough) {
            kept.truncate(end.max(1));
        }
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
