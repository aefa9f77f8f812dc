//! The only reader of `prompts/` and of the shop's own words.
//!
//! Templates are loaded and checked at start and fingerprinted; a conversation is rendered within a token budget, the
//! part that all conversations share first, so that the model finds it in its cache. Does not know models or stores: it is
//! handed a way to count tokens.

mod facts;
mod front;
mod history;
mod language;
pub mod orders;
mod playbook;
mod settings;
pub mod shop;
mod source;
mod template;
mod tools;

pub use language::of_words;
pub use orders::Orders;
pub use playbook::{Budget, Playbook, PromptError};
pub use settings::Settings;
pub use shop::Shop;
pub use source::Stamp;
pub use tools::{ToolPrompts, Wanted};
