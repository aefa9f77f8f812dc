//! Shopclerk: customer-service chat for online shops with its own language model in the process.
//!
//! A shopper's message: `web::socket` -> `chat::Desk::say` -> `store` (durable first) -> `prompt` -> `model` -> `chat::hub`
//! -> `web::wire`. A fine-tune: `commands` -> `train` (a child process) -> `eval` -> `model::adapters`.
//!
//! Arrows between rooms go one way; `tests/it/layers.rs` fails on any other. The rooms, in reading order:

pub mod clock;
pub mod domain;

pub mod store;

pub mod prompt;

pub mod model;

pub mod tools;

pub mod chat;

pub mod runs;

pub mod staff;

pub mod keep;

pub mod hooks;

#[cfg(feature = "train")]
pub mod train;

pub mod eval;

pub mod web;

pub mod commands;
pub mod config;
pub mod telemetry;
