//! Which examples make a step, and in what order: decided by the seed and the epoch alone.
//!
//! Examples of about the same length come together (Bengio et al. call it bucketing), so that a batch wastes nothing; which ones
//! those are changes with every epoch.

use super::hash64;

/// Batches' worth of examples that are sorted by length together.
const BUCKET: usize = 16;

/// The batches of one epoch, as positions in `lengths`. Every example is in exactly one; the last may be smaller.
pub fn epoch(lengths: &[usize], batch: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut random = Random(hash64(&[b"order", &seed.to_le_bytes(), &epoch.to_le_bytes()]));
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    random.shuffle(&mut order);
    for bucket in order.chunks_mut(batch.max(1) * BUCKET) {
        bucket.sort_by_key(|n| lengths[*n]);
    }
    let mut batches: Vec<Vec<usize>> = order.chunks(batch.max(1)).map(<[usize]>::to_vec).collect();
    random.shuffle(&mut batches);
    batches
}

/// How a batch is cut so that no more than `tokens` (or one example) are in memory at once.
pub fn micro(lengths: &[usize], tokens: usize) -> Vec<std::ops::Range<usize>> {
    let mut cuts = Vec::new();
    let (mut from, mut sum) = (0, 0);
    for (n, length) in lengths.iter().enumerate() {
        if n > from && sum + length > tokens {
            cuts.push(from..n);
            (from, sum) = (n, 0);
        }
        sum += length;
    }
    if from < lengths.len() {
        cuts.push(from..lengths.len());
    }
    cuts
}

/// SplitMix64 (Steele et al. 2014): the same numbers on every machine, for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 to below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for n in (1..items.len()).rev() {
            items.swap(n, self.below(n + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_in_one_batch_and_lengths_are_alike() {
        let lengths: Vec<usize> = (0..203).map(|n| (n * 37) % 101 + 1).collect();
        let batches = epoch(&lengths, 4, 1, 0);
        let mut all: Vec<usize> = batches.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..203).collect::<Vec<_>>());
        let spread = |b: &Vec<usize>| {
            let sizes = b.iter().map(|n| lengths[*n]);
            sizes.clone().max().unwrap() - sizes.min().unwrap()
        };
        let mean = batches.iter().map(spread).sum::<usize>() as f64 / batches.len() as f64;
        assert!(mean < 12.0, "{mean}");
    }

    #[test]
    fn the_order_is_a_matter_of_seed_and_epoch() {
        let lengths = [5; 40];
        assert_eq!(epoch(&lengths, 4, 1, 0), epoch(&lengths, 4, 1, 0));
        assert_ne!(epoch(&lengths, 4, 1, 0), epoch(&lengths, 4, 1, 1));
        assert_ne!(epoch(&lengths, 4, 1, 0), epoch(&lengths, 4, 2, 0));
    }

    #[test]
    fn a_batch_is_cut_by_tokens() {
        assert_eq!(micro(&[100, 100, 400, 600, 10, 10], 512), [0..2, 2..3, 3..4, 4..6]);
        assert!(micro(&[], 512).is_empty());
    }
}
