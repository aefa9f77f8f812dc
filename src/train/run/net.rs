//! What the loop needs of a network with its adapter and optimiser.

use std::path::Path;

use crate::domain::recipe::OutputRecipe;
use crate::train::example::Example;

/// A sum of losses in nats, and over how many learnt tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    pub sum: f64,
    pub targets: usize,
}

impl Loss {
    /// Loss of a token on average; `None` without tokens.
    pub fn mean(self) -> Option<f64> {
        (self.targets > 0).then(|| self.sum / self.targets as f64)
    }

    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.targets += other.targets;
    }
}

/// Where in the run a backward pass is; with the seed it decides the dropout masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// From 1.
    pub step: u64,
    /// The first row's position in the step's batch.
    pub first_row: u64,
    /// What every token's loss is multiplied by: 1 / learnt tokens of the whole batch.
    pub scale: f64,
}

/// What an optimiser step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stepped {
    pub lr: f64,
    /// Global norm of the gradient before clipping.
    pub norm: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Position in the rows of the call.
    #[error("row {row} of the batch: the loss is {loss}")]
    NonFinite { row: usize, loss: f64 },
    /// A gradient that is not a number, in words.
    #[error("{0}")]
    Gradient(String),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Training went out of bounds: there is no going on with this recipe, and nothing is wrong with the machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Diverged(pub String);

/// A frozen base with an adapter and its optimiser.
pub trait Net {
    /// Adds the gradients of `rows` to those that wait for [`Net::step`].
    ///
    /// # Errors
    /// A loss that is not a number, and of which row.
    fn backward(&mut self, rows: &[Example], pass: &Pass) -> Result<Loss, NetError>;

    /// The loss of `rows` together, without dropout.
    ///
    /// # Errors
    /// As [`Net::backward`].
    fn loss(&self, rows: &[Example]) -> Result<Loss, NetError>;

    /// Says whether every A and B has a gradient before optimiser step `step`: at the first one B alone, for it begins as
    /// zero and hides A; from the second on both.
    ///
    /// # Errors
    /// Which one has not.
    fn check_gradients(&self, step: usize) -> anyhow::Result<()>;

    /// Moves the adapter along the gradients and forgets them. `step` counts from 1 to `of`.
    ///
    /// # Errors
    /// A gradient that is not a number.
    fn step(&mut self, step: usize, of: usize) -> Result<Stepped, NetError>;

    /// Makes the adapter as it was before the first step: it changes nothing of what the base says.
    ///
    /// # Errors
    /// What memory says.
    fn reset(&mut self) -> anyhow::Result<()>;

    /// Writes adapter and moments into an existing folder.
    ///
    /// # Errors
    /// A disk that is full.
    fn save(&self, folder: &Path) -> anyhow::Result<()>;

    /// Reads what [`Net::save`] wrote.
    ///
    /// # Errors
    /// A file that is not of this network.
    fn load(&mut self, folder: &Path) -> anyhow::Result<()>;

    /// A number that changes if any frozen weight does.
    fn base_checksum(&self) -> u64;

    /// Writes the adapter as a PEFT folder.
    ///
    /// # Errors
    /// A disk that is full.
    fn export(&self, folder: &Path) -> anyhow::Result<()>;

    /// Writes `merged/` and `model.gguf` into a folder, as far as the recipe asks for them.
    ///
    /// # Errors
    /// A disk that is full.
    fn merge(&self, folder: &Path, output: &OutputRecipe) -> anyhow::Result<()>;

    /// The licence of the base, if its folder names one.
    fn base_licence(&self) -> Option<String>;
}
