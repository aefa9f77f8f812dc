//! What the shop must be able to forget, and must not lose: erasing one shopper everywhere, keeping to the retention, backups.
//!
//! The one place that knows all the rooms in which something of a shopper lies: past runs and adapters ([`crate::runs`]), the
//! journal and index ([`crate::store`]), the list, the search index and the block list ([`crate::staff`]). Does not know HTTP, and
//! not who may ask.

pub mod asked;
pub mod backup;
mod erase;
mod error;
mod pending;
mod retention;
mod tar;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use erase::{Erased, erase};
pub use error::KeepError;

use crate::clock::Clock;
use crate::domain::{ConvId, Shopper, ShopperId};
use crate::runs::rows::forget;
use crate::staff::Staff;
use crate::store::Store;
use pending::Pending;

/// Told of every conversation that is gone, e.g. to end what follows it.
pub type Gone = Arc<dyn Fn(ConvId) + Send + Sync>;

/// What it is made of.
pub struct Parts {
    /// The folder of everything: `runs` and `adapters` are in it.
    pub data: PathBuf,
    pub store: Store,
    pub staff: Staff,
    pub clock: Clock,
    /// Days that conversations are kept unless the dashboard says otherwise; 0 for ever.
    pub retention_days: u64,
    pub gone: Gone,
}

/// Clones are one.
#[derive(Clone)]
pub struct Keep(Arc<Inner>);

struct Inner {
    parts: Parts,
    pending: Pending,
    /// One erasure at a time.
    one: tokio::sync::Mutex<()>,
}

/// A shopper who was looked for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    pub shopper: Shopper,
    pub conversations: usize,
}

impl Keep {
    /// # Errors
    /// What is pending cannot be read.
    pub fn open(folder: &Path, parts: Parts) -> Result<Self, KeepError> {
        let pending = Pending::open(folder)?;
        Ok(Self(Arc::new(Inner { parts, pending, one: tokio::sync::Mutex::default() })))
    }

    /// The shoppers of whom `word` is the e-mail address, the number in the shop's books, or the id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(&self, word: &str) -> Result<Vec<Found>, KeepError> {
        let store = &self.0.parts.store;
        let mut shoppers = store.find_shoppers(word.trim())?;
        if let Ok(id) = word.trim().parse::<ShopperId>()
            && shoppers.iter().all(|shopper| shopper.id != id)
            && let Some(known) = self.known(id)?
        {
            shoppers.push(known);
        }
        shoppers
            .into_iter()
            .map(|shopper| Ok(Found { conversations: store.conversations_of(shopper.id)?.len(), shopper }))
            .collect()
    }

    /// What is known of a shopper: the profile, or, of somebody without one, when they first came. None of who was never here.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn known(&self, id: ShopperId) -> Result<Option<Shopper>, KeepError> {
        let store = &self.0.parts.store;
        if let Some(known) = store.shopper(id)? {
            return Ok(Some(known));
        }
        let Some(first) = store.conversations_of(id)?.first().copied() else { return Ok(None) };
        let created_at = store.head(first)?.map_or(0, |head| head.created_at);
        Ok(Some(Shopper::unknown(id, created_at)))
    }

    /// All conversations of a shopper, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn conversations(&self, id: ShopperId) -> Result<Vec<ConvId>, KeepError> {
        Ok(self.0.parts.store.conversations_of(id)?)
    }

    /// The rows that past runs made of a shopper's conversations, each with its run. Blocks.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn rows_of(&self, id: ShopperId) -> Result<Vec<(String, serde_json::Value)>, KeepError> {
        Ok(forget::rows_of(&self.0.parts.data, id)?)
    }

    /// Days that conversations are kept just now; 0 for ever.
    pub fn retention_days(&self) -> u64 {
        self.0.parts.staff.shop.get().retention_days.unwrap_or(self.0.parts.retention_days)
    }

    /// What the configuration says of it.
    pub fn configured_days(&self) -> u64 {
        self.0.parts.retention_days
    }
}
