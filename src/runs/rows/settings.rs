//! How rows are made, whatever the recipe; the `[rows]` table of the configuration.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Regular expressions for the shop's own order numbers, beside forms such as `#1234`, `order 12345` and `W1234567`.
    pub order_numbers: Vec<String>,
    /// Names to take out of every conversation, e.g. those staff sign with; the names of their accounts are known already.
    pub names: Vec<String>,
    /// Answers of fewer words teach nothing.
    pub min_words: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { order_numbers: Vec::new(), names: Vec::new(), min_words: 3 }
    }
}

impl Settings {
    /// The same for a shop whose staff have these names too.
    pub fn with_staff(&self, names: impl IntoIterator<Item = String>) -> Self {
        let mut settings = self.clone();
        settings.names.extend(names);
        settings
    }

    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        super::redact::Redactor::new(&self.order_numbers, [])
            .err()
            .map(|fault| fault.to_string())
            .into_iter()
            .collect()
    }
}
