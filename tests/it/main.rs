//! The one integration test binary: each extra one would link the model engine again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(clippy::print_stdout, reason = "what was skipped or counted is said")]

mod adapters;
mod chat;
mod chat_choices;
mod chat_line;
mod chat_stock;
mod chat_tools;
mod config;
#[cfg(feature = "llm")]
mod engine;
#[cfg(feature = "llm")]
mod engine_tools;
#[cfg(feature = "llm")]
mod eval_engine;
#[cfg(feature = "train")]
mod eval_part;
mod layers;
mod model_files;
#[cfg(feature = "import")]
mod model_files_bent;
#[cfg(feature = "import")]
mod model_files_gguf;
mod model_files_hub;
#[cfg(feature = "import")]
mod model_files_made;
#[cfg(feature = "import")]
mod model_files_pull;
mod need;
mod rows;
mod rows_erase;
mod rows_private;
mod runs;
mod runs_child;
mod runs_faults;
mod runs_publish;
mod store;
mod store_child;
mod store_crash;
mod store_damage;
mod store_export;
mod tools_batch;
#[cfg(feature = "llm")]
mod tools_engine;
mod tools_kill;
#[cfg(feature = "llm")]
mod tools_real;
#[cfg(feature = "train")]
mod train_core;
#[cfg(feature = "train")]
mod train_core_export;
#[cfg(feature = "train")]
mod train_core_golden;
#[cfg(feature = "train")]
mod train_core_made;
#[cfg(feature = "train")]
mod train_data;
#[cfg(feature = "train")]
mod train_kill;
#[cfg(feature = "train")]
mod train_loop;
#[cfg(feature = "train")]
mod train_made;
#[cfg(feature = "train")]
mod train_outputs;
#[cfg(feature = "train")]
mod train_recipes;
#[cfg(feature = "train")]
mod train_road;
mod web;
