//! Which token comes next, decided before the engine's own sampler.
//!
//! mistralrs 0.8.1 has one random generator for the engine, so the same request would give another answer each time. Here a
//! logits processor scales and filters the logits, draws from their softmax with a generator seeded by the request, and
//! leaves only what it drew. The engine samples greedily behind it.
//!
//! What the engine gets ends with the token that was chosen: its sampler goes through all it gets about ten times, and
//! common tokens have low numbers.

use std::sync::{Mutex, PoisonError};

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

    /// `logits` (one per vocabulary entry) up to the token drawn for this position, with all others set back.
    pub(super) fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor> {
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        // The position makes each token's noise its own without any state to lose.
        let mut rng =
            StdRng::seed_from_u64(self.seed ^ (context.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let drawn = self.draw(&values, &mut rng);
        only(&mut values, drawn);
        let count = values.len();
        Tensor::from_vec(values, count, logits.device())
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

/// Sets all but the entry `chosen` back, and cuts off what comes after it.
fn only(values: &mut Vec<f32>, chosen: usize) {
    values.truncate(chosen + 1);
    for value in values.iter_mut().take(chosen) {
        *value = f32::NEG_INFINITY;
    }
}

/// At least as many entries go to the engine where it is to tell the probability: the others share what is left.
const SHARERS: usize = 1024;

/// Takes the likeliest token.
pub(super) struct Greedy {
    /// Where the probability is wanted: the place, and the logarithm of the sum of all weights there. Where a grammar
    /// forbids the likeliest token, the engine asks again with less to choose from; the probability is still that among all.
    told: Option<Mutex<Option<(usize, f32)>>>,
}

impl Greedy {
    /// With `told`, the engine's sampler finds the probability of the token.
    pub(super) fn new(told: bool) -> Self {
        Self { told: told.then(Mutex::default) }
    }

    /// `logits` (one per vocabulary entry) with nothing but the likeliest left.
    pub(super) fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor> {
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        let (best, chosen) = best(&values);
        if !best.is_finite() {
            // The engine says what is wrong with them.
            return Ok(logits.clone());
        }
        match &self.told {
            None => only(&mut values, chosen),
            Some(seen) => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let log_sum = match *seen {
                    Some((place, sum)) if place == context.len() => sum,
                    _ => log_sum(&values, best),
                };
                *seen = Some((context.len(), log_sum));
                tell(&mut values, chosen, (best - log_sum).exp());
            }
        }
        let count = values.len();
        Tensor::from_vec(values, count, logits.device())
    }
}

/// The greatest, and the first place that has it.
fn best(values: &[f32]) -> (f32, usize) {
    let mut best = (f32::NEG_INFINITY, 0);
    for (id, value) in values.iter().enumerate() {
        if *value > best.0 {
            best = (*value, id);
        }
    }
    best
}

/// The logarithm of the sum of the weights of `values`, of which `best` is the greatest.
fn log_sum(values: &[f32], best: f32) -> f32 {
    let sum: f32 = values.iter().map(|v| v - best).filter(|v| *v > -FLOOR).map(f32::exp).sum();
    best + sum.ln()
}

/// Leaves `values` such that their softmax gives `chosen` the probability `p`; what is left the others share evenly, each less
/// than `chosen`.
fn tell(values: &mut Vec<f32>, chosen: usize, p: f32) {
    let count = values.len().min(SHARERS.max(chosen + 1));
    values.truncate(count);
    let others = (count - 1) as f32;
    let p = p.clamp(2.0 / count as f32, 1.0);
    values.fill(((1.0 - p) / others.max(1.0)).ln());
    if let Some(value) = values.get_mut(chosen) {
        *value = p.ln();
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
        assert!(once.last().expect("one").is_finite(), "it ends with what was drawn");
    }

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &candle_core::Device::Cpu).expect("tensor")
    }

    #[test]
    fn the_greedy_one_is_the_last_and_the_only_one() {
        let left = |values: &[f32]| {
            let left = Greedy::new(false).apply(&tensor(values), &[1]).expect("a tensor");
            left.to_vec1::<f32>().expect("values")
        };
        let no = f32::NEG_INFINITY;
        assert_eq!(left(&[1.0, 3.0, 3.0, 2.0]), [no, 3.0]);
        assert_eq!(left(&[4.0, 3.0]), [4.0]);
        assert_eq!(left(&[no, no]), [no, no], "for the engine to refuse");
    }

    #[test]
    fn the_engine_finds_the_probability_among_all_also_where_a_grammar_forbids_the_best() {
        let logits: Vec<f32> = (0..3000).map(|n| (n as f32 * 0.7).sin() * 6.0).collect();
        let softmax = |values: &[f32], at: usize| {
            let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            (values[at] - max).exp() / values.iter().map(|v| (v - max).exp()).sum::<f32>()
        };
        let (_, first) = best(&logits);
        let greedy = Greedy::new(true);
        let told = |logits: &[f32]| {
            greedy.apply(&tensor(logits), &[1, 2]).and_then(|t| t.to_vec1::<f32>()).expect("values")
        };
        let free = told(&logits);
        assert_eq!((best(&free).1, free.len()), (first, SHARERS.max(first + 1)));
        // About forty are as likely as the best one: no more than they are said to be.
        assert!((softmax(&free, first) - softmax(&logits, first)).abs() < 1e-5);
        let mut bound = logits.clone();
        bound[..2000].fill(f32::NEG_INFINITY);
        let (_, second) = best(&bound);
        let left = told(&bound);
        assert_eq!(best(&left).1, second);
        assert!(
            (softmax(&left, second) - softmax(&logits, second).max(2.0 / left.len() as f32)).abs() < 1e-5
        );
        let sure = Greedy::new(true).apply(&tensor(&[0.0, 90.0]), &[]).and_then(|t| t.to_vec1::<f32>());
        assert_eq!(softmax(&sure.expect("values"), 1), 1.0);
    }
}
