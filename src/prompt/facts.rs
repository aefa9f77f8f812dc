//! Which of the shop's policies and products a question is about.

use bm25::{Document, Language, SearchEngine, SearchEngineBuilder};

use super::shop::{Policy, Product, Shop};

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
    pub(super) fn of(shop: &Shop) -> Self {
        let mut lines = Vec::new();
        let mut documents = Vec::new();
        let entries = shop.policies.iter().map(policy).chain(shop.products.iter().map(product));
        for (id, (line, words)) in entries.enumerate() {
            lines.push(line);
            documents.push(Document { id, contents: words });
        }
        let engine = SearchEngineBuilder::with_documents(Language::English, documents).build();
        Self { lines, engine }
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

fn product(product: &Product) -> (String, String) {
    let stock = if product.stock == 0 { "sold out" } else { "in stock" };
    let attributes: Vec<String> =
        product.attributes.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let line = format!(
        "{0}: The {0} costs {1} and is {stock}. The {0}: {2}.",
        product.name,
        product.price,
        attributes.join(", ")
    );
    let words = format!(
        "{0} {0} {1} {2} {3}",
        product.name,
        product.category,
        product.description,
        attributes.join(" ")
    );
    (line, words)
}
