//! The endpoints: `webhooks.json`, readable by its owner alone, for the secrets are in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{HooksError, Kind};
use crate::clock::{Clock, Millis};
use crate::staff::{Durable, StaffError};

const MOST: usize = 20;

/// The whole of `webhooks.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Endpoint {
    pub url: String,
    pub events: Vec<Kind>,
    pub enabled: bool,
    pub(super) secret: String,
    pub by: String,
    pub created_at: Millis,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("events", &self.events).finish_non_exhaustive()
    }
}

/// What somebody wants of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `https://...`
    pub url: String,
    pub events: Vec<Kind>,
    /// True if left out.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// An endpoint without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EndpointView {
    pub id: String,
    pub url: String,
    pub events: Vec<Kind>,
    pub enabled: bool,
    pub by: String,
    pub created_at: Millis,
}

#[derive(Debug)]
pub(super) struct Endpoints {
    file: Durable<Data>,
    clock: Clock,
}

impl Endpoints {
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, StaffError> {
        Ok(Self { file: Durable::open(folder.join("webhooks.json"))?, clock })
    }

    pub(super) fn all(&self) -> Vec<EndpointView> {
        let data = self.file.get();
        let mut all: Vec<EndpointView> = data.endpoints.iter().map(|(id, one)| view(id, one)).collect();
        all.sort_by_key(|one| one.created_at);
        all
    }

    /// The ids of those who want to hear of `kind` at this time.
    pub(super) fn wanting(&self, kind: Kind, at: Millis) -> Vec<String> {
        let data: Arc<Data> = self.file.get();
        let wants = |one: &Endpoint| one.enabled && one.created_at <= at && one.events.contains(&kind);
        data.endpoints.iter().filter(|(_, one)| wants(one)).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.file.get().endpoints.is_empty()
    }

    pub(super) fn get(&self, id: &str) -> Option<Endpoint> {
        self.file.get().endpoints.get(id).cloned()
    }

    pub(super) fn view(&self, id: &str) -> Result<EndpointView, HooksError> {
        self.get(id).map(|one| view(id, &one)).ok_or(HooksError::NoSuchHook)
    }

    pub(super) fn add(&self, wanted: &Wanted, by: &str) -> Result<(EndpointView, String), HooksError> {
        let (id, secret) = (hex::encode(rand::random::<[u8; 8]>()), fresh_secret());
        let endpoint = Endpoint {
            url: wanted.url.trim().to_owned(),
            events: events(wanted)?,
            enabled: wanted.enabled,
            secret: secret.clone(),
            by: by.to_owned(),
            created_at: self.clock.now(),
        };
        let added = view(&id, &endpoint);
        let kept = self.file.change(|data| {
            if data.endpoints.len() >= MOST {
                return Err(StaffError::TooMany { what: "webhooks", limit: MOST });
            }
            data.endpoints.insert(id, endpoint);
            Ok(())
        });
        match kept {
            Ok(()) => Ok((added, secret)),
            Err(StaffError::TooMany { limit, .. }) => Err(HooksError::TooMany(limit)),
            Err(fault) => Err(fault.into()),
        }
    }

    pub(super) fn change(&self, id: &str, wanted: &Wanted) -> Result<EndpointView, HooksError> {
        let events = events(wanted)?;
        self.edit(id, |one| {
            one.url = wanted.url.trim().to_owned();
            one.events = events;
            one.enabled = wanted.enabled;
        })
    }

    pub(super) fn new_secret(&self, id: &str) -> Result<(EndpointView, String), HooksError> {
        let secret = fresh_secret();
        let view = self.edit(id, |one| one.secret.clone_from(&secret))?;
        Ok((view, secret))
    }

    pub(super) fn remove(&self, id: &str) -> Result<EndpointView, HooksError> {
        let gone = self.file.change(|data| Ok(data.endpoints.remove(id)))?;
        gone.map(|one| view(id, &one)).ok_or(HooksError::NoSuchHook)
    }

    fn edit(&self, id: &str, edit: impl FnOnce(&mut Endpoint)) -> Result<EndpointView, HooksError> {
        let edited = self.file.change(|data| {
            Ok(data.endpoints.get_mut(id).map(|one| {
                edit(one);
                view(id, one)
            }))
        })?;
        edited.ok_or(HooksError::NoSuchHook)
    }
}

fn view(id: &str, one: &Endpoint) -> EndpointView {
    EndpointView {
        id: id.to_owned(),
        url: one.url.clone(),
        events: one.events.clone(),
        enabled: one.enabled,
        by: one.by.clone(),
        created_at: one.created_at,
    }
}

/// Each once, in the order of [`Kind::ALL`].
fn events(wanted: &Wanted) -> Result<Vec<Kind>, HooksError> {
    let events: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| wanted.events.contains(kind)).collect();
    if events.is_empty() { Err(HooksError::NoEvents) } else { Ok(events) }
}

/// 256 random bits.
fn fresh_secret() -> String {
    format!("whsec_{}", hex::encode(rand::random::<[u8; 32]>()))
}
