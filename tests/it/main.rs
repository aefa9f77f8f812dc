//! The one integration test binary: each extra one would link the model engine again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod chat;
mod layers;
mod store;
mod store_child;
mod store_crash;
mod store_damage;
mod store_export;
mod web;
