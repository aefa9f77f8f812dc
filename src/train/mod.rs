//! The trainer: rows in, an adapter out. The only room that builds gradients.
//!
//! A run's folder goes in (`recipe.toml`, `rows.jsonl`); rows become examples (token ids and which of them are learnt), examples
//! become batches, batches become steps of the adapter, and the best adapter by the loss on the dev part is written as a PEFT
//! folder. Files in, files out: knows nothing of the store, of shoppers or of `prompts/`.

pub mod data;
pub mod example;
pub mod files;
pub mod run;
