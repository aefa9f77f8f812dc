//! Which of the shop's policies and products a question is about.

use bm25::{Document, SearchEngine, SearchEngineBuilder};
use serde_json::json;

use super::shop::{Policy, Product, Shop};
use super::template::{Spoken, Template};
use super::{PromptError, language};

/// Facts that share too little with the question are worse than none.
/// On the demo shop, questions about it score from 2.4 up, small talk below.
const FLOOR: f32 = 2.4;
/// A further fact must be nearly as good as the best.
const NEAR: f32 = 0.75;

/// The shop's facts, searchable (Okapi BM25).
pub(super) struct Facts {
    lines: Vec<String>,
    engine: SearchEngine<usize>,
}

impl Facts {
    /// In the shop's language: `said` is what is said of a product.
    pub(super) fn of(shop: &Shop, said: &Spoken) -> Result<Self, PromptError> {
        let said = said.in_language(&shop.profile.language);
        let mut lines = Vec::new();
        let mut documents = Vec::new();
        let products = shop.products.iter().map(|one| product(one, said));
        for (id, entry) in shop.policies.iter().map(policy).map(Ok).chain(products).enumerate() {
            let (line, words) = entry?;
            lines.push(line);
            documents.push(Document { id, contents: words });
        }
        let language = language::of_words(&shop.profile.language);
        let engine = SearchEngineBuilder::with_documents(language, documents).build();
        Ok(Self { lines, engine })
    }

    /// At most `limit` facts, the best first. The same question always gets the same ones.
    pub(super) fn about(&self, question: &str, limit: usize) -> Vec<&str> {
        let found = self.engine.search(question, limit + 2);
        let best = found.first().map_or(0.0, |hit| hit.score);
        found
            .into_iter()
            .filter(|hit| hit.score >= FLOOR && hit.score >= best * NEAR)
            .take(limit)
            .map(|hit| self.lines[hit.document.id].as_str())
            .collect()
    }
}

/// The sentences of a fact, without its title.
pub(super) fn sentences(fact: &str) -> Vec<&str> {
    let words = fact.split_once(": ").map_or(fact, |(_, words)| words);
    let mut sentences = Vec::new();
    let mut rest = words;
    while let Some(at) = rest.find(". ") {
        sentences.push(rest[..=at].trim());
        rest = &rest[at + 2..];
    }
    sentences.push(rest.trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The line the model reads, and the words it is found by.
fn policy(policy: &Policy) -> (String, String) {
    (
        format!("{}: {}", policy.title, policy.short),
        // The title twice: it says best what the page is about.
        format!("{0} {0} {1} {2}", policy.title, policy.short, policy.text),
    )
}

fn product(product: &Product, said: &Template) -> Result<(String, String), PromptError> {
    let attributes: Vec<String> =
        product.attributes.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let line = said.render(json!({
        "name": product.name,
        "price": product.price,
        "stock": product.stock,
        "attributes": attributes.join(", "),
    }))?;
    let words = format!(
        "{0} {0} {1} {2} {3}",
        product.name,
        product.category,
        product.description,
        attributes.join(" ")
    );
    Ok((line, words))
}
