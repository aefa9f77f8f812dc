//! Adapters: what is refused, what serves, and how a running server follows. Without a model; `engine` has the real one.

mod corrupt;
mod desk;
#[cfg(feature = "llm")]
mod engine;
pub(crate) mod made;
#[cfg(feature = "llm")]
mod peft;
mod service;
