//! What a model may call while it answers a shopper: the catalogue, the policies, the shopper's own orders, a person.
//!
//! A call is the model's own text, and the model has read what a shopper wrote: nothing of it is believed. Its name must be
//! one of ours, its arguments must fit the schema the model was told, and what it may see is decided by [`View`], never by an
//! argument. A refusal is an outcome like any other, in words the model can act on.

mod find;
mod schema;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::prompt::{ToolCall, ToolSpec};
use crate::prompt::orders::Order;
use crate::prompt::{Orders, Shop};

pub use find::Catalogue;

/// The longest arguments, in bytes.
const MAX_ARGUMENTS: usize = 2_000;

/// What may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    FindProducts,
    Product,
    Policy,
    OrderStatus,
    HandOff,
}

/// What a call may see.
pub struct View<'a> {
    pub shop: &'a Shop,
    pub catalogue: &'a Catalogue,
    pub orders: &'a Orders,
    /// The shop's own id of whom the conversation is with, if the shop vouched for it.
    pub customer: Option<&'a str>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Found(Value),
    Refused(Refused),
    /// The model wants a person to answer.
    Person,
}

/// Why a call found nothing; the model reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the call could not be read; write JSON with `name` and `arguments`, or answer the shopper")]
    BadCall,
    #[error("there is no such tool; call one of: {0}")]
    UnknownTool(String),
    #[error("the arguments are too long; use at most {MAX_ARGUMENTS} bytes")]
    ArgumentsTooLong,
    #[error("{0}; correct the arguments and call again")]
    BadArguments(String),
    #[error("too many calls at once; answer from what the others found")]
    TooManyCalls,
    #[error("no more calls; answer the shopper now")]
    TooManyRounds,
    #[error(
        "the shopper is not signed in, so no order may be looked up; ask them to sign in on the shop's page and to ask again"
    )]
    NotSignedIn,
    #[error("this shopper has no order with that number; ask them to check it")]
    NoSuchOrder,
    #[error("there is no product with that id; use find_products first")]
    NoSuchProduct,
    #[error("there is no such policy; there are: {0}")]
    NoSuchPolicy(String),
}

impl Refused {
    /// The stable code that staff and the metrics see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadCall => "bad_call",
            Self::UnknownTool(_) => "unknown_tool",
            Self::ArgumentsTooLong => "arguments_too_long",
            Self::BadArguments(_) => "bad_arguments",
            Self::TooManyCalls => "too_many_calls",
            Self::TooManyRounds => "too_many_rounds",
            Self::NotSignedIn => "not_signed_in",
            Self::NoSuchOrder => "no_such_order",
            Self::NoSuchProduct => "no_such_product",
            Self::NoSuchPolicy(_) => "no_such_policy",
        }
    }
}

impl Outcome {
    /// `found`, `person`, or the code of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::Person => "person",
            Self::Refused(why) => why.code(),
        }
    }

    /// As the model reads it.
    pub fn text(&self) -> String {
        match self {
            Self::Found(value) => value.to_string(),
            Self::Person => json!({"person": "called"}).to_string(),
            Self::Refused(why) => json!({"error": why.code(), "message": why.to_string()}).to_string(),
        }
    }
}

impl Lookup {
    pub const ALL: [Self; 5] =
        [Self::FindProducts, Self::Product, Self::Policy, Self::OrderStatus, Self::HandOff];

    pub fn name(self) -> &'static str {
        match self {
            Self::FindProducts => "find_products",
            Self::Product => "product",
            Self::Policy => "policy",
            Self::OrderStatus => "order_status",
            Self::HandOff => "hand_off",
        }
    }

    /// The one that a call means.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lookup| lookup.name() == name)
    }

    /// What the model may call in this shop. Without orders there is nothing to look up: a shop that keeps them elsewhere must
    /// not be made to say that there are none.
    pub fn offered(orders: &Orders) -> Vec<ToolSpec> {
        let all = Self::ALL.into_iter().filter(|lookup| lookup.is_there(orders));
        all.map(Self::spec).collect()
    }

    fn is_there(self, orders: &Orders) -> bool {
        self != Self::OrderStatus || !orders.is_empty()
    }

    fn spec(self) -> ToolSpec {
        let text = |most: u64, what: &str| json!({"type": "string", "minLength": 1, "maxLength": most, "description": what});
        let (description, properties, required) = match self {
            Self::FindProducts => (
                "Finds products of the shop by words, with id, price and stock.",
                json!({
                    "query": text(200, "What the shopper is looking for, in a few words."),
                    "limit": {"type": "integer", "minimum": 1, "maximum": 5},
                }),
                vec!["query"],
            ),
            Self::Product => (
                "Price, stock, description and attributes of one product.",
                json!({"id": text(200, "The product's id, from find_products.")}),
                vec!["id"],
            ),
            Self::Policy => (
                "The text of one of the shop's policies, such as returns, shipping or warranty.",
                json!({"title": text(200, "The policy's title.")}),
                vec!["title"],
            ),
            Self::OrderStatus => (
                "The state of the shopper's own orders; without a number, of the newest.",
                json!({"order": text(100, "The order's number, if the shopper named one.")}),
                vec![],
            ),
            Self::HandOff => (
                "Gives the conversation to a person of the shop, for what needs one: complaints, decisions, or the shopper asks for it.",
                json!({"reason": text(200, "Why, in a few words, for the person.")}),
                vec!["reason"],
            ),
        };
        ToolSpec {
            name: self.name().to_owned(),
            description: description.to_owned(),
            parameters: json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            }),
        }
    }

    /// Does what `call` says, as far as it may.
    pub fn run(call: &ToolCall, view: &View<'_>) -> Outcome {
        Self::find(call, view).unwrap_or_else(Outcome::Refused)
    }

    fn find(call: &ToolCall, view: &View<'_>) -> Result<Outcome, Refused> {
        let lookup = Self::of(call, view.orders)?;
        let arguments = lookup.arguments(&call.arguments)?;
        match lookup {
            Self::FindProducts => {
                let asked: FindProducts = typed(arguments)?;
                Ok(Outcome::Found(find::products(view, &asked.query, asked.limit.unwrap_or(5))))
            }
            Self::Product => find::product(view, &typed::<Product>(arguments)?.id).map(Outcome::Found),
            Self::Policy => find::policy(view, &typed::<Policy>(arguments)?.title).map(Outcome::Found),
            Self::OrderStatus => {
                let asked: OrderStatus = typed(arguments)?;
                let customer = view.customer.ok_or(Refused::NotSignedIn)?;
                // Only theirs: that a number is somebody else's looks the same as that there is none.
                let own: Vec<Order> = view.orders.of(customer);
                find::orders(view, own, asked.order.as_deref()).map(Outcome::Found)
            }
            Self::HandOff => Ok(Outcome::Person),
        }
    }

    fn of(call: &ToolCall, orders: &Orders) -> Result<Self, Refused> {
        if call.name.is_empty() {
            return Err(Refused::BadCall);
        }
        Self::named(&call.name).filter(|lookup| lookup.is_there(orders)).ok_or_else(|| {
            let names = Self::offered(orders).into_iter().map(|spec| spec.name);
            Refused::UnknownTool(names.collect::<Vec<_>>().join(", "))
        })
    }

    /// The arguments, once they fit what the model was told. An entry that is null counts as absent: models fill in what they
    /// leave out.
    fn arguments(self, text: &str) -> Result<Value, Refused> {
        if text.len() > MAX_ARGUMENTS {
            return Err(Refused::ArgumentsTooLong);
        }
        let text = if text.trim().is_empty() { "{}" } else { text };
        let mut value: Value = serde_json::from_str(text)
            .map_err(|_| Refused::BadArguments("the arguments are not JSON".to_owned()))?;
        if let Some(entries) = value.as_object_mut() {
            entries.retain(|_, entry| !entry.is_null());
        }
        schema::check(&value, &self.spec().parameters, "").map_err(Refused::BadArguments)?;
        Ok(value)
    }
}

#[derive(serde::Deserialize)]
struct FindProducts {
    query: String,
    limit: Option<usize>,
}

#[derive(serde::Deserialize)]
struct Product {
    id: String,
}

#[derive(serde::Deserialize)]
struct Policy {
    title: String,
}

#[derive(serde::Deserialize)]
struct OrderStatus {
    order: Option<String>,
}

fn typed<T: DeserializeOwned>(arguments: Value) -> Result<T, Refused> {
    serde_json::from_value(arguments).map_err(|fault| Refused::BadArguments(fault.to_string()))
}

#[cfg(test)]
mod tests;
