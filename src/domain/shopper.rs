//! Who writes to the shop.

use serde::{Deserialize, Serialize};

use super::ids::ShopperId;
use crate::clock::Millis;

/// What the shop knows about a shopper. Everything but the id may be missing: most are anonymous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shopper {
    pub id: ShopperId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The shop's own id of this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// True if the shop vouched for name, email and id with its signature.
    pub verified: bool,
    pub created_at: Millis,
}
