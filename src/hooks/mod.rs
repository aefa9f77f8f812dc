//! Webhooks: the shop's other programs hear what happens in conversations.
//!
//! An event of the store becomes a line of a durable [`queue`] for each endpoint that chose its kind ([`follow`]); a line names the
//! event, never its words. [`send`] makes the body when its turn comes, signs it ([`sign`]) and posts it to an address that was
//! checked ([`address`]); what fails waits longer each time. At least once: a receiver tells repeats by the delivery's id. Bodies
//! and secrets reach no log. Does not know who may change endpoints.

pub mod address;
mod endpoint;
mod error;
mod follow;
mod kind;
mod queue;
mod send;
mod settings;
pub mod sign;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

pub use endpoint::{Endpoint, EndpointView, Wanted};
pub use error::HooksError;
pub use kind::Kind;
pub use queue::Dead;
pub use send::Tested;
pub use settings::Settings;

use crate::clock::{Clock, Millis};
use crate::store::Store;
use endpoint::Endpoints;
use queue::Queue;

/// What it is made of.
pub struct Parts {
    /// Where endpoints and the queue are kept.
    pub folder: PathBuf,
    pub store: Store,
    pub clock: Clock,
    pub settings: Settings,
}

/// Clones are one; the work ends with the last one.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

pub(crate) struct Inner {
    store: Store,
    clock: Clock,
    settings: Settings,
    endpoints: Endpoints,
    queue: Mutex<Queue>,
    /// What became of the last delivery, by endpoint; since the start.
    last: Mutex<BTreeMap<String, Last>>,
    /// There may be something to send.
    wake: Notify,
}

/// The last answer of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Last {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One endpoint as the dashboard shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Shown {
    #[serde(flatten)]
    pub endpoint: EndpointView,
    #[serde(flatten)]
    pub last: Last,
    /// Deliveries that wait for their next try.
    pub waiting: usize,
    /// Those that were given up, the newest first.
    pub dead: Vec<Dead>,
}

/// Everything on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Overview {
    pub webhooks: Vec<Shown>,
    /// Deliveries that were dropped since the start because too many waited.
    pub dropped: u64,
    /// `webhooks.allow_private`.
    pub allow_private: bool,
}

impl Hooks {
    /// Begins to follow the store and to send. Needs a tokio runtime.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub fn open(parts: Parts) -> Result<Self, HooksError> {
        let Parts { folder, store, clock, settings } = parts;
        let endpoints = Endpoints::open(&folder, clock.clone())?;
        let queue = Queue::open(&folder.join("queue.jsonl"), settings.queue)?;
        let inner = Arc::new(Inner {
            store,
            clock,
            settings,
            endpoints,
            queue: Mutex::new(queue),
            last: Mutex::default(),
            wake: Notify::new(),
        });
        follow::start(&inner).map_err(|fault| HooksError::io(&folder, &fault))?;
        tokio::spawn(send::work(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    pub fn overview(&self) -> Overview {
        let queue = self.0.queue();
        let last = self.0.last();
        let shown = |endpoint: EndpointView| Shown {
            last: last.get(&endpoint.id).cloned().unwrap_or_default(),
            waiting: queue.waiting(&endpoint.id),
            dead: queue.dead(&endpoint.id),
            endpoint,
        };
        let webhooks = self.0.endpoints.all().into_iter().map(shown).collect();
        Overview { webhooks, dropped: queue.dropped(), allow_private: self.0.settings.allow_private }
    }

    /// Adds an endpoint; returns its secret, which is never shown again. Blocks.
    pub fn add(&self, wanted: &Wanted, by: &str) -> Result<(EndpointView, String), HooksError> {
        self.check(wanted)?;
        self.0.endpoints.add(wanted, by)
    }

    /// Blocks.
    pub fn change(&self, id: &str, wanted: &Wanted) -> Result<EndpointView, HooksError> {
        self.check(wanted)?;
        let view = self.0.endpoints.change(id, wanted)?;
        self.0.wake.notify_one();
        Ok(view)
    }

    /// A new secret; the old one is worth nothing from now on. Blocks.
    pub fn new_secret(&self, id: &str) -> Result<(EndpointView, String), HooksError> {
        self.0.endpoints.new_secret(id)
    }

    /// Removes an endpoint and what waits for it. Blocks.
    pub fn remove(&self, id: &str) -> Result<EndpointView, HooksError> {
        let view = self.0.endpoints.remove(id)?;
        self.0.queue().forget(id)?;
        self.0.last().remove(id);
        Ok(view)
    }

    /// Tries once more what was given up; returns how many. Blocks.
    pub fn revive(&self, id: &str) -> Result<(EndpointView, usize), HooksError> {
        let view = self.0.endpoints.view(id)?;
        let count = self.0.queue().revive(id, self.0.clock.now())?;
        self.0.wake.notify_one();
        Ok((view, count))
    }

    /// Posts a `ping`, once and now.
    pub async fn test(&self, id: &str) -> Result<(EndpointView, Tested), HooksError> {
        let endpoint = self.0.endpoints.get(id).ok_or(HooksError::NoSuchHook)?;
        let tested = send::ping(&self.0, id, &endpoint).await;
        Ok((self.0.endpoints.view(id)?, tested))
    }

    fn check(&self, wanted: &Wanted) -> Result<(), HooksError> {
        address::url(&wanted.url, self.0.settings.allow_private).map(drop)
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<String, Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
