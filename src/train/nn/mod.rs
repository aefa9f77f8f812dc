//! The decoder that is trained: `llama`, `qwen2` and `qwen3` by one code, with its backward pass written out.
//!
//! `config` reads the sizes and `weights` the numbers of a Hugging Face folder; `frozen` is a matrix that is never learnt,
//! `linear` such a matrix with an adapter beside it, `layer` one block, `head` the end (norm, words, cross-entropy), `network`
//! the whole; `adapter` holds what is learnt and `optimizer` moves it. Rows become packs (`pack`): texts one after the
//! other without padding, each cut off after its last learnt token.
//!
//! There is no autograd: each forward pass gives what its backward pass needs, and only the adapter has gradients. See
//! `docs/decisions/0005-training-by-hand.md`. Knows nothing of files of rows, epochs or checkpoints.

mod adapter;
mod config;
mod frozen;
mod head;
mod layer;
mod linear;
mod load;
mod network;
mod optimizer;
mod pack;
mod rope;
mod weights;

/// What merging reads of a model folder.
pub(super) mod files {
    pub(crate) use super::config::{Config, Family, Stretch};
    pub(crate) use super::rope::factors as rope_factors;
    pub(crate) use super::weights::Weights;
}

pub use adapter::{Adapter, Matrix, Pair};
pub use network::Network;
pub use optimizer::{AdamW, learning_rate};

/// How a network is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seeds the adapter's first numbers and the dropout masks.
    pub seed: u64,
    /// Compute each layer again on the way back instead of keeping what it needs.
    pub recompute: bool,
    /// Threads; 0 means one for each core.
    pub threads: usize,
}

/// Where in a run some rows are.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The optimiser step they belong to.
    pub step: u64,
    /// The number of the first row in the run's order; the others follow. With `step` it decides the dropout masks.
    pub first_row: u64,
    /// What each token's loss is multiplied by in the gradient: 1 / trained tokens of the whole effective batch.
    pub scale: f64,
}

/// A loss before it is divided by anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossSum {
    /// In nats.
    pub sum: f64,
    /// Tokens it is the sum of.
    pub targets: usize,
}

impl LossSum {
    /// Nats a token; 0 if there was none.
    pub fn mean(&self) -> f64 {
        if self.targets == 0 { 0.0 } else { self.sum / self.targets as f64 }
    }
}

impl std::ops::AddAssign for LossSum {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.targets += other.targets;
    }
}
