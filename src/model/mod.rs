//! The language model behind one trait, and the files it is made of.
//!
//! A [`Prompt`] goes in, a stream of [`Piece`]s comes out; dropping the stream stops the model. Knows nothing of shoppers,
//! conversations or templates. The engine (mistralrs) is named only in `engine` and `import`.

use std::sync::Arc;

use futures_util::future::{BoxFuture, ready};
use futures_util::stream::BoxStream;
use serde::Serialize;

use self::adapters::Bundle;
use crate::domain::prompt::{Piece, Prompt};

pub mod adapters;
#[cfg(feature = "llm")]
pub mod engine;
#[cfg(feature = "import")]
pub mod import;
pub mod library;
mod recall;
mod scripted;
pub mod settings;
mod stop;

pub use recall::Recall;
pub use scripted::Scripted;
pub use settings::{DEFAULT_MODEL, Settings};

/// A stream of pieces that ends with `Piece::End`, or with an error.
pub type Answer = BoxStream<'static, Result<Piece, ModelError>>;

/// What the rest of the house needs from a language model.
pub trait Model: Send + Sync + 'static {
    /// Starts to answer. Dropping the stream stops the generation.
    fn stream(&self, prompt: Prompt) -> Answer;

    /// How many tokens `text` is, without any added special ones.
    fn count_tokens(&self, text: &str) -> usize;

    /// Natural log-probabilities of the first token of each label as the next token after the prompt's messages, normalised
    /// over the labels: one forward pass. Labels must differ in their first token. Only the prompt's messages and its
    /// adapter count.
    fn score<'a>(
        &'a self,
        prompt: Prompt,
        labels: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<f32>, ModelError>>;

    /// Runs the prefix of a prompt once with the base and each adapter, so that the next caller finds it in the cache; adapters
    /// that are installed later run it as well.
    fn warm(&self, prompt: Prompt) -> BoxFuture<'_, Result<(), ModelError>>;

    /// Puts an adapter beside what is there, while that goes on answering. One that is there already stays. [`Model::prove`] it
    /// before a prompt names it.
    fn install(&self, adapter: Bundle) -> BoxFuture<'_, Result<(), ModelError>>;

    /// Has an installed adapter answer once, with the prefix of [`Model::warm`], in line with other answers. One that fails is
    /// removed.
    fn prove<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, Result<(), ModelError>>;

    /// Removes an adapter, `name@version`, when its last answer has ended; returns when its memory is free again.
    fn retire<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, ()>;

    /// The adapters that prompts may name, `name@version`.
    fn variants(&self) -> Vec<String>;

    /// Natural log-probabilities of given tokens, each given all tokens before it, in one forward pass; as many as the
    /// passage has targets, in their order.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for targets outside the passage, and from models that have no tokens.
    fn log_likelihood(&self, passage: Passage) -> BoxFuture<'_, Result<Vec<f32>, ModelError>> {
        drop(passage);
        Box::pin(ready(Err(ModelError::Invalid("this model has no tokens to score".to_owned()))))
    }

    /// What the model says after `ids`, greedily, at most `max_tokens` tokens, without the end of its turn.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] from models that have no tokens.
    fn go_on(&self, opening: Opening) -> BoxFuture<'_, Result<String, ModelError>> {
        drop(opening);
        Box::pin(ready(Err(ModelError::Invalid("this model has no tokens to go on from".to_owned()))))
    }

    /// Lets go of texts that were kept to be told again: somebody they may be about was erased.
    fn forget(&self) {}

    fn health(&self) -> Health;

    fn facts(&self) -> &Facts;
}

/// Tokens, and which of them are to be scored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    pub ids: Vec<u32>,
    /// Positions in `ids`, from 1 on and rising: nothing stands before token 0.
    pub targets: Vec<usize>,
    /// `name@version`; the base if absent.
    pub adapter: Option<String>,
}

/// Tokens that an answer follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    pub ids: Vec<u32>,
    pub max_tokens: usize,
    /// `name@version`; the base if absent.
    pub adapter: Option<String>,
}

/// A model that can be shared between rooms.
pub type SharedModel = Arc<dyn Model>;

/// What is known about a loaded model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// The public name, e.g. `smollm2-135m-instruct`.
    pub name: String,
    /// The longest prompt and answer together, in tokens.
    pub context: usize,
    /// Texts the tokenizer turns into control tokens; they are stripped from untrusted text.
    pub control_tokens: Vec<String>,
    /// How many answers the engine makes at once.
    pub parallel: usize,
    /// Too small to keep to the point over several turns (weights under 1 GB).
    pub small: bool,
    /// Its chat template knows tools.
    pub tools: bool,
}

/// Whether the model can answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Ready,
    Failed,
}

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model stopped in the middle of an answer")]
    Incomplete,
    #[error("the prompt is {tokens} tokens long; the model takes {limit}")]
    TooLong { tokens: usize, limit: usize },
    #[error("the request cannot be served: {0}")]
    Invalid(String),
    #[error("the adapter {0} is not in memory")]
    NoAdapter(String),
    #[error("the model failed: {0}")]
    Engine(String),
}

impl ModelError {
    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Incomplete => "model_incomplete",
            Self::TooLong { .. } => "prompt_too_long",
            Self::Invalid(_) => "invalid_request",
            Self::NoAdapter(_) => "no_adapter",
            Self::Engine(_) => "model_failed",
        }
    }
}
