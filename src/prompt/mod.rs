//! The only reader of `prompts/` and of the shop's profile.
//!
//! Templates are loaded and checked at start and fingerprinted; a conversation is rendered within a token budget, the
//! shared part always first. Does not know models or stores: it is handed a way to count tokens.

mod settings;
pub mod shop;

pub use settings::Settings;
pub use shop::Shop;
