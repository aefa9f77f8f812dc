//! What the rest of the house asks of adapters: who answers, what is there, promote, roll back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::files::Lock;
use super::registry::{Listed, Registry};
use super::state::{Promotion, State};
use super::{AdapterError, AdapterId, Base, Lease};
use crate::domain::run::Manifest;
use crate::model::SharedModel;

/// How often the files are looked at, for changes by other processes. They are a few small ones.
const LOOK: Duration = Duration::from_millis(250);
/// The longest wait for a version that is being proven.
const PROVING: Duration = Duration::from_secs(15);

/// What the service is made of.
pub struct Parts {
    pub registry: Registry,
    pub model: SharedModel,
    /// The model's folder as adapters see it; `None` for the scripted one, which takes any adapter.
    pub base: Option<Base>,
    /// The name of the adapter that answers chats.
    pub chat: String,
    /// Adapters kept in memory, at least those that answer chats.
    pub room: usize,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Adapters(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) registry: Registry,
    pub(super) model: SharedModel,
    pub(super) base: Option<Arc<Base>>,
    pub(super) chat: String,
    pub(super) room: usize,
    pub(super) table: Mutex<Table>,
    /// One change, and one load, at a time.
    pub(super) one: tokio::sync::Mutex<()>,
    /// Somebody let go of an adapter, or one is gone.
    pub(super) freed: Arc<Notify>,
    status: watch::Sender<Status>,
    /// A new version has the machine to itself for a moment, and may serve right after.
    pub(super) proving: watch::Sender<bool>,
    /// This process is the server that other processes may wait for.
    serving: Mutex<Option<Lock>>,
}

/// What is in memory and what it is for.
#[derive(Default)]
pub(super) struct Table {
    pub(super) names: BTreeMap<String, Serving>,
    pub(super) loaded: BTreeMap<AdapterId, Slot>,
    pub(super) loading: Option<AdapterId>,
    pub(super) faults: BTreeMap<String, String>,
    tick: u64,
}

/// Who answers under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Serving {
    pub(super) revision: u64,
    pub(super) current: Option<AdapterId>,
    pub(super) candidate: Option<(AdapterId, f64)>,
}

impl Serving {
    pub(super) fn ids(&self) -> impl Iterator<Item = &AdapterId> {
        self.current.iter().chain(self.candidate.iter().map(|(id, _)| id))
    }

    /// Always the same for the same key, as long as nothing is promoted; a greater share keeps the keys of a smaller one.
    fn pick(&self, key: &[u8]) -> Option<AdapterId> {
        match &self.candidate {
            Some((id, share)) if place(id, key) < *share => Some(id.clone()),
            _ => self.current.clone(),
        }
    }
}

/// A number from 0 to 1 (without 1) that depends on nothing but the key and the candidate.
fn place(id: &AdapterId, key: &[u8]) -> f64 {
    let digest = Sha256::new_with_prefix(id.to_string()).chain_update([0]).chain_update(key).finalize();
    let bits = digest.iter().take(6).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    bits as f64 / (1u64 << 48) as f64
}

/// One adapter in memory.
pub(super) struct Slot {
    pub(super) held: Arc<()>,
    used: u64,
    pub(super) stage: Stage,
}

impl Slot {
    /// Answers being made with it.
    pub(super) fn answers(&self) -> usize {
        Arc::strong_count(&self.held) - 1
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// Gone when its last answer ends; may still be called back.
    Leaving,
    /// Being removed.
    Going,
}

impl Table {
    pub(super) fn insert(&mut self, id: AdapterId) {
        self.tick += 1;
        let slot = Slot { held: Arc::default(), used: self.tick, stage: Stage::Serving };
        self.loaded.insert(id, slot);
    }

    /// The one that was used longest ago, of those that nobody uses and `pinned` does not hold.
    pub(super) fn oldest(&self, pinned: &str) -> Option<AdapterId> {
        let pinned = self.names.get(pinned).cloned().unwrap_or_default();
        let free = self.loaded.iter().filter(|(id, slot)| {
            slot.stage == Stage::Serving && slot.answers() == 0 && !pinned.ids().any(|p| p == *id)
        });
        free.min_by_key(|(_, slot)| slot.used).map(|(id, _)| id.clone())
    }
}

/// What serves chats now, what is in memory, and what went wrong last.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// The name of the chats' adapter.
    pub chat: String,
    /// `None` is the base model.
    pub current: Option<AdapterId>,
    pub candidate: Option<AdapterId>,
    /// Of conversations, that go to the candidate.
    pub share: Option<f64>,
    pub loading: Option<AdapterId>,
    pub loaded: Vec<Loaded>,
    /// By name of the adapter.
    pub faults: BTreeMap<String, String>,
}

/// An adapter in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loaded {
    pub id: AdapterId,
    /// Being made with it now.
    pub answers: usize,
    /// It goes when they have ended.
    pub leaving: bool,
}

/// Everything about one version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    pub id: AdapterId,
    pub manifest: Manifest,
    pub state: State,
    /// Why `promote` would refuse it; empty if it would not.
    pub objections: Vec<String>,
}

impl Adapters {
    /// Brings the model in line with what the files say serves. An adapter that cannot be loaded is left out, and the
    /// version before it tried; [`Status::faults`] says so.
    pub async fn open(parts: Parts) -> Self {
        let adapters = Self::of(parts);
        adapters.look().await;
        adapters
    }

    /// No adapters at all: the base model answers everything.
    pub fn none(model: SharedModel) -> Self {
        let registry = Registry::new(std::path::PathBuf::new(), Vec::new());
        Self::of(Parts { registry, model, base: None, chat: String::new(), room: 0 })
    }

    fn of(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            registry: parts.registry.answering(&parts.chat),
            model: parts.model,
            base: parts.base.map(Arc::new),
            chat: parts.chat,
            room: parts.room,
            table: Mutex::default(),
            one: tokio::sync::Mutex::default(),
            freed: Arc::default(),
            status: watch::Sender::default(),
            proving: watch::Sender::default(),
            serving: Mutex::default(),
        }))
    }

    /// Follows the files until the last clone of this service is gone, and tells other processes what was noticed.
    pub fn watch(&self) -> JoinHandle<()> {
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                let Some(inner) = weak.upgrade() else { return };
                let adapters = Self(inner);
                adapters.claim();
                adapters.look().await;
                drop(adapters);
                tokio::time::sleep(LOOK).await;
            }
        })
    }

    /// Takes the lock that tells other processes of a server; another try is made at the next look.
    fn claim(&self) {
        let Ok(mut serving) = self.0.serving.lock() else { return };
        if serving.is_none() {
            *serving = self.0.registry.serve().ok().flatten();
        }
    }

    /// Whoever answers the chat `key`, e.g. the bytes of a conversation's id. While a new version is proven, which keeps the model
    /// busy, this waits for it: its turn would come no sooner with the old one.
    pub async fn for_chat(&self, key: &[u8]) -> Lease {
        let mut proving = self.0.proving.subscribe();
        let _ = tokio::time::timeout(PROVING, proving.wait_for(|proving| !proving)).await;
        let picked = self.table().names.get(&self.0.chat).and_then(|serving| serving.pick(key));
        picked.and_then(|id| self.lease(&id)).unwrap_or_default()
    }

    /// Whoever answers chats, candidates aside.
    pub fn current(&self) -> Lease {
        let current = self.table().names.get(&self.0.chat).and_then(|serving| serving.current.clone());
        current.and_then(|id| self.lease(&id)).unwrap_or_default()
    }

    /// Whoever does the work of the tool `name`; loads its adapter if it is not in memory. The base model if there is none, or
    /// if it cannot be loaded.
    pub async fn for_tool(&self, name: &str, key: &[u8]) -> Lease {
        let picked = self.table().names.get(name).and_then(|serving| serving.pick(key));
        let Some(id) = picked else { return Lease::base() };
        if let Some(lease) = self.lease(&id) {
            return lease;
        }
        if tokio::spawn(self.clone().load_tool(id.clone())).await.is_err() {
            tracing::error!(%id, "loading an adapter broke off. This is a bug");
        }
        self.lease(&id).unwrap_or_default()
    }

    /// Which version would do the work of the tool `name`, without loading it; `None` is the base model.
    ///
    /// # Errors
    /// A version that cannot be used, e.g. one made for another base; the base does the work then.
    pub async fn tool_version(&self, name: &str) -> Result<Option<AdapterId>, AdapterError> {
        let picked = self.table().names.get(name).and_then(|serving| serving.pick(&[]));
        let Some(id) = picked else { return Ok(None) };
        let (checked, base) = (id.clone(), self.0.base.clone());
        self.on_files(move |registry| registry.check(&checked, base.as_deref())).await?;
        Ok(Some(id))
    }

    pub(super) fn is_loaded(&self, id: &AdapterId) -> bool {
        self.table().loaded.get(id).is_some_and(|slot| slot.stage == Stage::Serving)
    }

    /// `None` if it is not in memory.
    pub(super) fn lease(&self, id: &AdapterId) -> Option<Lease> {
        let mut table = self.table();
        table.tick += 1;
        let tick = table.tick;
        let slot = table.loaded.get_mut(id).filter(|slot| slot.stage == Stage::Serving)?;
        slot.used = tick;
        Some(Lease::new(id.clone(), slot.held.clone(), self.0.freed.clone()))
    }

    pub fn list(&self) -> Result<Vec<Listed>, AdapterError> {
        self.0.registry.list()
    }

    pub fn show(&self, id: &AdapterId) -> Result<Shown, AdapterError> {
        let manifest = self.0.registry.manifest(id)?;
        let state = self.0.registry.state(id.name())?;
        Ok(Shown { id: id.clone(), objections: super::objections(&manifest), manifest, state })
    }

    /// The folders, for publishing and for files to download.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Checks, loads and switches; when this returns, new chats are answered by it.
    ///
    /// # Errors
    /// Anything the check finds, the gate's no, or [`AdapterError::Load`]; what served before goes on.
    pub async fn promote(&self, wish: Promotion) -> Result<State, AdapterError> {
        let name = wish.id.name().to_owned();
        let base = self.0.base.clone();
        self.on_files(move |registry| registry.promote(&wish, base.as_deref())).await?;
        self.sync_apart(&name).await?;
        self.0.registry.state(&name)
    }

    /// Takes a candidate off trial; without one, brings back what served before.
    pub async fn roll_back(&self, name: &str, by: &str, at: u64) -> Result<State, AdapterError> {
        let (named, by) = (name.to_owned(), by.to_owned());
        self.on_files(move |registry| registry.roll_back(&named, &by, at)).await?;
        self.sync_apart(name).await?;
        self.0.registry.state(name)
    }

    pub async fn remove(&self, id: &AdapterId) -> Result<(), AdapterError> {
        let id = id.clone();
        self.on_files(move |registry| registry.remove(&id)).await
    }

    /// Disk work, off the threads that serve.
    pub(super) async fn on_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Registry) -> Result<T, AdapterError> + Send + 'static,
    ) -> Result<T, AdapterError> {
        let registry = self.0.registry.clone();
        tokio::task::spawn_blocking(move || work(&registry))
            .await
            .map_err(|fault| AdapterError::Io(std::io::Error::other(fault)))?
    }

    /// The newest status, and every later one.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// Tells listeners if anything changed.
    pub(super) fn publish(&self) {
        let table = self.table();
        let serving = table.names.get(&self.0.chat).cloned().unwrap_or_default();
        let loaded = table.loaded.iter().map(|(id, slot)| Loaded {
            id: id.clone(),
            answers: slot.answers(),
            leaving: slot.stage != Stage::Serving,
        });
        let status = Status {
            chat: self.0.chat.clone(),
            current: serving.current,
            share: serving.candidate.as_ref().map(|(_, share)| *share),
            candidate: serving.candidate.map(|(id, _)| id),
            loading: table.loading.clone(),
            loaded: loaded.collect(),
            faults: table.faults.clone(),
        };
        drop(table);
        self.0.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }

    pub(super) fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.table.lock().expect("no code panics while it holds the table. This is a bug.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_sticky_and_about_as_large_as_it_says() {
        let id = |version| AdapterId::new("shop", version).expect("an id");
        let serving = |share| Serving { revision: 1, current: Some(id(1)), candidate: Some((id(2), share)) };
        let keys: Vec<[u8; 4]> = (0..20_000u32).map(u32::to_le_bytes).collect();
        let on_trial =
            |share: f64| keys.iter().filter(|k| serving(share).pick(*k) == Some(id(2))).collect::<Vec<_>>();
        let ten = on_trial(0.1);
        assert!((ten.len() as f64 / keys.len() as f64 - 0.1).abs() < 0.01, "{}", ten.len());
        assert_eq!(ten, on_trial(0.1));
        let thirty = on_trial(0.3);
        assert!(ten.iter().all(|key| thirty.contains(key)), "a greater share keeps those of a smaller one");
        assert_eq!(on_trial(1.0).len(), keys.len());
    }
}
