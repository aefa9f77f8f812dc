//! Identifiers. Each is its own type, so that a shopper can never be passed where a conversation is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of an event inside one conversation: 1, 2, 3, ... without gaps.
pub type Seq = u64;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes used in keys.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }
    };
}

uuid_id!(
    /// A conversation between one shopper and the shop.
    ConvId
);
uuid_id!(
    /// A shopper: random for an anonymous one, derived from the shop's own customer id for a verified one.
    ShopperId
);
uuid_id!(
    /// The client's own id of a message it sends (UUIDv7). Sending it twice has the effect of once.
    Cmid
);
uuid_id!(
    /// A reply in the making; its pieces and the final event carry the same id.
    MessageId
);

/// A member of the shop's staff, or the name of an API key acting as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StaffId(pub String);
