//! HTTP and WebSocket: the only room that knows actix and the wire. Decides nothing about a conversation.
//!
//! A request passes `trace` (log, headers, limits), then `routes`; `auth::authorize` decides who may what; `socket` and
//! `shopper` call the desk, `openai` the model through the desk's admission. [`serve`] gives the caller the off-switch.

mod address;
mod assets;
pub mod auth;
mod error;
pub mod guard;
mod headers;
mod health;
mod limits;
mod openai;
mod openapi;
mod origin;
pub mod routes;
mod runs;
mod server;
mod settings;
mod shopper;
mod socket;
mod staff;
mod state;
mod tools;
mod trace;
pub mod wire;

pub use server::{Parts, Running, serve};
pub use settings::Settings;
