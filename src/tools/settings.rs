//! Limits of the tools; the `[tools]` table of the configuration.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The longest text of one item, in characters.
    pub max_chars: usize,
    /// Items of one request.
    pub max_items: usize,
    /// Attributes of one text.
    pub max_attributes: usize,
    /// Question-answer pairs of one text.
    pub max_pairs: usize,
    /// Read the sentiment of every shopper's message when the model has nothing else to do.
    pub watch_sentiment: bool,
    /// Milliseconds without a shopper at the model before the next of these messages is read.
    pub calm_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_chars: 8000,
            max_items: 64,
            max_attributes: 40,
            max_pairs: 20,
            watch_sentiment: true,
            calm_ms: 1500,
        }
    }
}

impl Settings {
    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        let sizes = [
            ("max_chars", self.max_chars),
            ("max_items", self.max_items),
            ("max_attributes", self.max_attributes),
            ("max_pairs", self.max_pairs),
        ];
        sizes
            .into_iter()
            .filter(|(_, size)| *size == 0)
            .map(|(key, _)| format!("{key}: 0 would refuse everything; use 1 or more"))
            .collect()
    }
}
