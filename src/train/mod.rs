//! The trainer: rows of tokens and a model folder in, an adapter out. Runs in a child process.
//!
//! `example` is a row as the network sees it; `nn` is the decoder with its hand-written backward pass, the adapter and the
//! optimiser; `kernels` are the loops under it; `peft` and `merge` write what others read. Never opens the store and
//! never reads the shop's templates.

pub mod error;
pub mod example;
mod kernels;
pub mod merge;
pub mod nn;
pub mod peft;
mod tensors;

pub use error::TrainError;
