//! The trainer: rows in, an adapter out. The only room that builds gradients; runs in a child process.
//!
//! A run's folder goes in (`recipe.toml`, `rows.jsonl`). `data` makes examples of its rows: token ids and which of them are learnt.
//! `run` makes steps of them, keeps checkpoints and chooses the best adapter by the loss on the dev part. `nn` is the decoder with
//! its hand-written backward pass, the adapter and the optimiser; `kernels` are the loops under it; `lora` joins `run` and `nn`;
//! `peft` and `merge` write what others read. Files in, files out: knows nothing of the store, of shoppers or of `prompts/`.

pub mod data;
pub mod error;
pub mod example;
pub mod files;
mod kernels;
pub mod lora;
pub mod merge;
pub mod nn;
pub mod peft;
pub mod run;
mod tensors;

pub use error::TrainError;
