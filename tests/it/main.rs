//! The one integration test binary: each extra one would link the model engine again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod layers;
mod store;
mod store_export;
