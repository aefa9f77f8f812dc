//! The shop's orders, as its own systems write them into `orders.json`: read here and nowhere else.
//!
//! The file changes while the server runs, so it is read again when it has. A file that has become wrong leaves the orders
//! as they were. Whose orders somebody may see is decided by whoever asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PromptError;
use super::shop::Files;

/// The file in the shop's folder; a shop without it has no orders to look up.
const FILE: &str = "orders.json";

/// An entry of `orders.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// As the shopper has it in their e-mail, e.g. `B-10412`.
    pub id: String,
    /// The shop's own id of the customer: the `sub` of the identity it signs.
    pub customer: String,
    /// The day, `YYYY-MM-DD`.
    pub placed: String,
    pub status: OrderStatus,
    pub items: Vec<OrderItem>,
    /// In the shop's currency, as shown, e.g. `€129`.
    pub total: String,
    /// A number or an address under which the parcel can be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    Received,
    Packed,
    Shipped,
    Delivered,
    Returned,
    Cancelled,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderItem {
    /// The product's id in `products.json`, or the name of one that is not sold any more.
    pub product: String,
    pub quantity: u32,
}

/// All orders of the shop, by customer.
pub struct Orders {
    folder: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    stamp: Option<Stamp>,
    by_customer: Arc<ByCustomer>,
}

type ByCustomer = BTreeMap<String, Vec<Order>>;
/// Tells one version of the file from the next.
type Stamp = (Option<SystemTime>, u64);

impl Orders {
    /// Reads the orders of the shop in `folder`; an empty path means the demo shop's.
    ///
    /// # Errors
    /// With the file, the entry and the field if one is not as it should be.
    pub fn load(folder: &Path) -> Result<Self, PromptError> {
        let stamp = stamp(folder);
        let by_customer = Arc::new(read(folder)?);
        Ok(Self { folder: folder.to_owned(), known: Mutex::new(Known { stamp, by_customer }) })
    }

    /// The orders of the customer with the shop's own id `sub`, the newest first.
    pub fn of(&self, sub: &str) -> Vec<Order> {
        self.current().get(sub).cloned().unwrap_or_default()
    }

    /// What may stand in a text and says whose it is: ids of customers, orders and parcels, of everybody.
    pub fn numbers(&self) -> Vec<String> {
        let current = self.current();
        let of = |(customer, orders): (&String, &Vec<Order>)| {
            let numbers = orders.iter().flat_map(Order::numbers).map(str::to_owned);
            std::iter::once(customer.clone()).chain(numbers).collect::<Vec<_>>()
        };
        current.iter().flat_map(of).collect()
    }

    /// True if the shop keeps no orders here.
    pub fn is_empty(&self) -> bool {
        self.current().is_empty()
    }

    /// The orders as the file has them now.
    fn current(&self) -> Arc<ByCustomer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.folder);
        if stamp != known.stamp {
            known.stamp = stamp;
            match read(&self.folder) {
                Ok(fresh) => known.by_customer = Arc::new(fresh),
                Err(fault) => tracing::warn!(%fault, "the orders stay as they were"),
            }
        }
        known.by_customer.clone()
    }
}

/// `None` for the demo shop, which never changes, and while there is no file.
fn stamp(folder: &Path) -> Option<Stamp> {
    if folder.as_os_str().is_empty() {
        return None;
    }
    let about = fs_err::metadata(folder.join(FILE)).ok()?;
    Some((about.modified().ok(), about.len()))
}

fn read(folder: &Path) -> Result<ByCustomer, PromptError> {
    let files = Files { folder };
    if !files.is_demo() && !folder.join(FILE).is_file() {
        return Ok(ByCustomer::new());
    }
    parse(&files.read(FILE)?).map_err(|fault| PromptError::new(files.place(FILE), fault))
}

fn parse(text: &str) -> Result<ByCustomer, String> {
    let entries: Vec<Value> =
        serde_json::from_str(text).map_err(|fault| format!("it must be a list of orders: {fault}"))?;
    let mut by_customer = ByCustomer::new();
    let mut ids = std::collections::BTreeSet::new();
    for (n, entry) in entries.into_iter().enumerate() {
        let named = entry.get("id").and_then(Value::as_str).map(|id| format!(" (`{id}`)"));
        let place = format!("entry {}{}", n + 1, named.unwrap_or_default());
        let order = Order::deserialize(entry).map_err(|fault| format!("{place}: {fault}"))?;
        if let Some(fault) = order.fault() {
            return Err(format!("{place}: {fault}"));
        }
        if !ids.insert(order.id.clone()) {
            return Err(format!("{place}: id: an order with this id is there twice; take one out"));
        }
        by_customer.entry(order.customer.clone()).or_default().push(order);
    }
    for orders in by_customer.values_mut() {
        orders.sort_by(|a, b| (&b.placed, &b.id).cmp(&(&a.placed, &a.id)));
    }
    Ok(by_customer)
}

impl Order {
    /// Its own number, and that of its parcel, which may be the end of an address.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        let parcel = self.tracking.as_deref().map(|text| match text.contains("://") {
            true => text.rsplit(['/', '=']).next().unwrap_or_default(),
            false => text,
        });
        std::iter::once(self.id.as_str()).chain(parcel)
    }

    /// The first field that cannot be, with its fix.
    fn fault(&self) -> Option<String> {
        for (field, value) in [("id", &self.id), ("customer", &self.customer)] {
            if value.trim().is_empty() || value.len() > 256 {
                return Some(format!("{field}: use 1 to 256 bytes"));
            }
        }
        if self.placed.parse::<jiff::civil::Date>().is_err() || self.placed.len() != 10 {
            return Some(format!("placed: `{}` is not a day like 2026-11-24", self.placed));
        }
        if self.items.is_empty() {
            return Some("items: an order has at least one".to_owned());
        }
        let none = self.items.iter().position(|item| item.quantity == 0)?;
        Some(format!("items[{none}].quantity: use 1 or more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"1","customer":"c","placed":"2026-11-02","status":"shipped",
        "items":[{"product":"p","quantity":1}],"total":"€1"}"#;

    #[test]
    fn the_demo_shop_has_orders_of_products_it_sells() {
        let shop = super::super::Shop::load(Path::new("")).expect("the demo shop");
        let orders = Orders::load(Path::new("")).expect("its orders");
        let all: Vec<Order> = orders.current().values().flatten().cloned().collect();
        assert!(all.len() >= 5);
        for item in all.iter().flat_map(|order| &order.items) {
            assert!(shop.products.iter().any(|product| product.id == item.product), "{}", item.product);
        }
    }

    #[test]
    fn a_customer_has_their_own_orders_the_newest_first() {
        let older = GOOD.replace("\"1\"", "\"2\"").replace("-02", "-01");
        let other = GOOD.replace("\"1\"", "\"3\"").replace("\"c\"", "\"d\"");
        let all = parse(&format!("[{older},{GOOD},{other}]")).expect("valid");
        let ids: Vec<&str> = all["c"].iter().map(|order| order.id.as_str()).collect();
        assert_eq!((ids, all["d"].len(), all.get("e")), (vec!["1", "2"], 1, None));
    }

    #[test]
    fn faults_name_the_entry_the_field_and_the_fix() {
        let fault = |from: &str, to: &str| {
            parse(&format!("[{GOOD},{}]", GOOD.replace("\"1\"", "\"2\"").replace(from, to)))
                .expect_err("a fault")
        };
        assert_eq!(fault(r#""placed":"2026-11-02","#, ""), "entry 2 (`2`): missing field `placed`");
        assert_eq!(
            fault("2026-11-02", "2.11.2026"),
            "entry 2 (`2`): placed: `2.11.2026` is not a day like 2026-11-24"
        );
        assert_eq!(
            fault(r#""quantity":1"#, r#""quantity":0"#),
            "entry 2 (`2`): items[0].quantity: use 1 or more"
        );
        assert_eq!(fault(r#""c""#, r#"" ""#), "entry 2 (`2`): customer: use 1 to 256 bytes");
        assert_eq!(
            fault(r#""2""#, r#""1""#),
            "entry 2 (`1`): id: an order with this id is there twice; take one out"
        );
        let unknown = fault("shipped", "on_its_way");
        assert!(unknown.contains("unknown variant `on_its_way`, expected one of `received`"), "{unknown}");
        assert!(parse("{}").expect_err("a fault").starts_with("it must be a list of orders: "));
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_one_that_is_wrong_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let orders = Orders::load(folder.path()).expect("no file is no fault");
        assert_eq!(orders.of("c"), []);
        let file = folder.path().join(FILE);
        fs_err::write(&file, format!("[{GOOD}]")).expect("written");
        assert_eq!(orders.of("c").len(), 1);
        fs_err::write(&file, "[{}]").expect("written");
        assert_eq!(orders.of("c").len(), 1);
        assert!(Orders::load(folder.path()).is_err(), "at the start it is refused");
        fs_err::write(&file, "[]").expect("written");
        assert_eq!(orders.of("c"), []);
    }
}
