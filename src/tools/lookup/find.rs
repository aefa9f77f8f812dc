//! What the shop's words and orders say, short enough for a prompt.

use bm25::{Document, SearchEngine, SearchEngineBuilder};
use serde_json::{Value, json};

use super::{Refused, View};
use crate::prompt::orders::Order;
use crate::prompt::shop::{Policy, Product};
use crate::prompt::{Shop, of_words};

/// The longest description or text of a policy, in characters.
const MAX_TEXT: usize = 600;
/// Orders that are told at once.
const MAX_ORDERS: usize = 3;
/// Lines of an order, and attributes of a product.
const MAX_LINES: usize = 12;

/// The shop's products, searchable by words (Okapi BM25).
pub struct Catalogue {
    engine: SearchEngine<usize>,
}

impl Catalogue {
    pub fn of(shop: &Shop) -> Self {
        let words = |(id, product): (usize, &Product)| {
            let attributes: Vec<String> =
                product.attributes.iter().map(|(name, value)| format!("{name} {value}")).collect();
            let contents = format!(
                "{0} {0} {1} {2} {3}",
                product.name,
                product.category,
                product.description,
                attributes.join(" ")
            );
            Document { id, contents }
        };
        let documents: Vec<Document<usize>> = shop.products.iter().enumerate().map(words).collect();
        Self {
            engine: SearchEngineBuilder::with_documents(of_words(&shop.profile.language), documents).build(),
        }
    }
}

pub(super) fn products(view: &View<'_>, query: &str, limit: usize) -> Value {
    let hits = view.catalogue.engine.search(query, limit);
    let products: Vec<Value> = hits
        .into_iter()
        .filter_map(|hit| view.shop.products.get(hit.document.id))
        .map(|product| {
            json!({
                "id": product.id,
                "name": product.name,
                "category": product.category,
                "price": product.price,
                "in_stock": product.stock,
            })
        })
        .collect();
    json!({"products": products})
}

pub(super) fn product(view: &View<'_>, id: &str) -> Result<Value, Refused> {
    let id = id.trim();
    let is_it = |product: &&Product| product.id.eq_ignore_ascii_case(id) || same(&product.name, id);
    let product = view.shop.products.iter().find(is_it).ok_or(Refused::NoSuchProduct)?;
    let attributes: serde_json::Map<String, Value> = product
        .attributes
        .iter()
        .take(MAX_LINES)
        .map(|(name, value)| (cut(name, 60), cut(value, 120).into()))
        .collect();
    Ok(json!({
        "id": product.id,
        "name": product.name,
        "category": product.category,
        "price": product.price,
        "in_stock": product.stock,
        "description": cut(&product.description, MAX_TEXT),
        "attributes": attributes,
    }))
}

pub(super) fn policy(view: &View<'_>, title: &str) -> Result<Value, Refused> {
    let title = title.trim();
    let policies = &view.shop.policies;
    let named = |policy: &&Policy| same(&policy.title, title) || same(&policy.id, title);
    let like = |policy: &&Policy| {
        let (one, other) = (policy.title.to_lowercase(), title.to_lowercase());
        one.contains(&other) || other.contains(&one)
    };
    let policy = policies.iter().find(named).or_else(|| policies.iter().find(like)).ok_or_else(|| {
        let titles: Vec<&str> = policies.iter().map(|policy| policy.title.as_str()).collect();
        Refused::NoSuchPolicy(cut(&titles.join(", "), 400))
    })?;
    Ok(json!({"title": policy.title, "short": policy.short, "text": cut(&policy.text, MAX_TEXT)}))
}

/// `own`, the newest first, or only the one with the number `wanted`.
pub(super) fn orders(view: &View<'_>, mut own: Vec<Order>, wanted: Option<&str>) -> Result<Value, Refused> {
    if let Some(wanted) = wanted {
        let number = wanted.trim().trim_start_matches('#');
        own.retain(|order| same(order.id.trim_start_matches('#'), number));
        if own.is_empty() {
            return Err(Refused::NoSuchOrder);
        }
    }
    let orders: Vec<Value> = own.iter().take(MAX_ORDERS).map(|order| told(view.shop, order)).collect();
    Ok(json!({"orders": orders, "older": own.len().saturating_sub(MAX_ORDERS)}))
}

/// An order without its customer: whom it belongs to is known, and nobody's id is for a prompt.
fn told(shop: &Shop, order: &Order) -> Value {
    let name = |id: &str| {
        let product = shop.products.iter().find(|product| product.id == id);
        cut(product.map_or(id, |product| product.name.as_str()), 80)
    };
    let items: Vec<Value> = order
        .items
        .iter()
        .take(MAX_LINES)
        .map(|item| json!({"product": name(&item.product), "quantity": item.quantity}))
        .collect();
    let mut told = json!({
        "order": order.id,
        "placed": order.placed,
        "status": order.status,
        "items": items,
        "total": cut(&order.total, 40),
    });
    if let Some(tracking) = &order.tracking {
        told["tracking"] = cut(tracking, 200).into();
    }
    told
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.to_lowercase()
}

/// At most `most` characters of `text`.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}
