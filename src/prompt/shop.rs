//! What the shop says about itself: data, not code.

use serde::{Deserialize, Serialize};

/// The whole shop: `shop.toml`, `policies/*.md`, `products.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shop {
    pub profile: Profile,
    pub policies: Vec<Policy>,
    pub products: Vec<Product>,
}

/// `shop.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub name: String,
    /// What the assistant is called.
    pub assistant: String,
    /// One sentence: what the shop sells.
    pub about: String,
    /// How the assistant sounds, e.g. `friendly and brief`.
    pub tone: String,
    /// The language of the shop, e.g. `en`; shoppers are answered in theirs.
    pub language: String,
    /// When people are there, as the shopper reads it.
    pub hours: String,
    pub email: String,
    /// Facts that every answer may need, one short sentence each. They are in every prompt: keep them few.
    pub facts: Vec<String>,
    pub look: Look,
}

/// How the widget looks and greets; per language where it is text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// `#rrggbb`.
    pub color: String,
    /// Greeting by language code.
    pub greeting: std::collections::BTreeMap<String, String>,
    /// Suggested first questions by language code.
    pub suggestions: std::collections::BTreeMap<String, Vec<String>>,
}

/// `policies/NAME.md`: front matter `title` and `short`, then the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The file's name without `.md`; the page's address on the demo shop.
    pub id: String,
    pub title: String,
    /// One or two sentences the assistant answers from.
    pub short: String,
    pub text: String,
}

/// An entry of `products.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub id: String,
    pub name: String,
    pub category: String,
    /// In the shop's currency, as shown, e.g. `€129`.
    pub price: String,
    pub description: String,
    #[serde(default)]
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Units in stock.
    pub stock: u32,
}
