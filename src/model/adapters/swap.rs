//! Bringing the model in line with the files while it goes on answering.
//!
//! A new version is checked, built, warmed and proven beside the old one; only then do new answers go to it, in one step. Answers
//! being made hold their [`super::Lease`]; when the last one ends, the old version is removed.

use tokio::sync::watch;

use super::service::{Adapters, Serving, Stage};
use super::state::State;
use super::{AdapterError, AdapterId};
use crate::model::ModelError;

/// Whatever happens, nobody waits for a version any more when this is dropped.
struct Proving<'a>(&'a watch::Sender<bool>);

impl Drop for Proving<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// The version that stood in the way.
struct Failed(AdapterId, AdapterError);

impl Adapters {
    /// Looks at the files of all adapters.
    pub(super) async fn look(&self) {
        let names = match self.0.registry.names() {
            Ok(names) => names,
            Err(fault) => {
                self.note_fault(&self.0.chat, &fault);
                self.publish();
                return;
            }
        };
        for name in names {
            // A version that failed was noted, and taken back.
            if let Err(fault) = self.sync(&name).await
                && !matches!(fault, AdapterError::Load { .. })
            {
                self.note_fault(&name, &fault);
                self.publish();
            }
        }
    }

    /// Does what the state of `name` says. A version that cannot be loaded is taken back in the file if something served
    /// before; at the start, the version before it is tried and the file left alone: the model may be another one today.
    pub(super) async fn sync(&self, name: &str) -> Result<(), AdapterError> {
        let _one = self.0.one.lock().await;
        let _proving = Proving(&self.0.proving);
        let mut failed = None;
        let mut state = self.0.registry.state(name)?;
        let live = self.table().names.get(name).map(|serving| serving.revision);
        if live == Some(state.revision) {
            return Ok(());
        }
        let serving = loop {
            match self.bring_up(name, &state).await {
                Ok(serving) => break serving,
                Err(Failed(id, fault)) => {
                    self.note_fault(name, &fault);
                    let fault = fault.to_string();
                    if live.is_some() {
                        state = self.0.registry.revert(&id, state.revision, &fault)?;
                    } else {
                        let revision = state.revision;
                        state.revert(id.version(), fault.clone());
                        state.revision = revision;
                    }
                    failed.get_or_insert(AdapterError::Load { id, fault });
                }
            }
        };
        if failed.is_none() {
            self.table().faults.remove(name);
        }
        self.switch(name, serving);
        self.tell();
        self.publish();
        failed.map_or(Ok(()), Err)
    }

    /// Everything that `state` wants, in memory and proven. A tool's adapter is only checked, unless one of its versions is at work.
    async fn bring_up(&self, name: &str, state: &State) -> Result<Serving, Failed> {
        let at_work = name == self.0.chat || self.table().loaded.keys().any(|id| id.name() == name);
        let id = |version: Option<u32>| version.and_then(|version| AdapterId::new(name, version).ok());
        let serving = Serving {
            revision: state.revision,
            current: id(state.current.version),
            candidate: state.candidate.as_ref().and_then(|c| Some((id(c.served.version)?, c.share))),
        };
        for id in serving.ids() {
            let outcome = if at_work { self.load(id).await } else { self.check(id).await.map(drop) };
            outcome.map_err(|fault| Failed(id.clone(), fault))?;
        }
        Ok(serving)
    }

    /// [`Adapters::sync`] to its end, also if the caller goes away: a version half loaded would be in everybody's way.
    pub(super) async fn sync_apart(&self, name: &str) -> Result<(), AdapterError> {
        let (adapters, name) = (self.clone(), name.to_owned());
        let done = tokio::spawn(async move { adapters.sync(&name).await }).await;
        done.map_err(|fault| AdapterError::Io(std::io::Error::other(fault)))?
    }

    /// Puts a tool's adapter into memory, where another one makes room. To its end, as [`Adapters::sync_apart`].
    pub(super) async fn load_tool(self, id: AdapterId) {
        let _one = self.0.one.lock().await;
        let _proving = Proving(&self.0.proving);
        if self.is_loaded(&id) {
            return;
        }
        self.make_room().await;
        if let Err(fault) = self.load(&id).await {
            self.note_fault(id.name(), &fault);
            self.publish();
        }
    }

    async fn check(&self, id: &AdapterId) -> Result<super::Bundle, AdapterError> {
        let (id, base) = (id.clone(), self.0.base.clone());
        self.on_files(move |registry| registry.check(&id, base.as_deref())).await
    }

    /// Puts `id` into memory if it is not there. The caller holds `one`.
    pub(super) async fn load(&self, id: &AdapterId) -> Result<(), AdapterError> {
        loop {
            let freed = self.0.freed.clone();
            let mut gone = std::pin::pin!(freed.notified());
            gone.as_mut().enable();
            match self.table().loaded.get_mut(id) {
                None => break,
                Some(slot) if slot.stage == Stage::Going => {}
                Some(slot) => {
                    slot.stage = Stage::Serving;
                    return Ok(());
                }
            }
            gone.await;
        }
        self.table().loading = Some(id.clone());
        self.0.proving.send_replace(false);
        self.publish();
        let outcome = self.install(id).await;
        let mut table = self.table();
        table.loading = None;
        if outcome.is_ok() {
            table.insert(id.clone());
        }
        drop(table);
        self.publish();
        outcome
    }

    async fn install(&self, id: &AdapterId) -> Result<(), AdapterError> {
        let bundle = self.check(id).await?;
        let failed = |fault: ModelError| AdapterError::Load { id: id.clone(), fault: fault.to_string() };
        self.0.model.install(bundle).await.map_err(failed)?;
        self.0.proving.send_replace(true);
        self.0.model.prove(&id.to_string()).await.map_err(failed)
    }

    /// New answers go to `serving` from here on; versions nobody wants any more leave when their last answer has ended.
    fn switch(&self, name: &str, serving: Serving) {
        let mut table = self.table();
        for (id, slot) in &mut table.loaded {
            let unwanted = id.name() == name && !serving.ids().any(|wanted| wanted == id);
            if unwanted && slot.stage == Stage::Serving {
                slot.stage = Stage::Leaving;
                tokio::spawn(self.clone().retire(id.clone()));
            }
        }
        let serves = serving.current.as_ref().map_or("the base model".to_owned(), ToString::to_string);
        tracing::info!(name, serves, candidate = ?serving.candidate, "adapters changed");
        table.names.insert(name.to_owned(), serving);
    }

    /// Removes `id` once nobody uses it, unless it is called back before.
    async fn retire(self, id: AdapterId) {
        loop {
            let mut freed = std::pin::pin!(self.0.freed.notified());
            freed.as_mut().enable();
            match self.table().loaded.get_mut(&id) {
                Some(slot) if slot.stage == Stage::Leaving => {
                    if slot.answers() == 0 {
                        slot.stage = Stage::Going;
                        break;
                    }
                }
                // Called back.
                _ => return,
            }
            freed.await;
        }
        self.publish();
        self.0.model.retire(&id.to_string()).await;
        self.table().loaded.remove(&id);
        self.0.freed.notify_waiters();
        self.publish();
    }

    /// Lets go of adapters that nobody uses until there is room for one more, or nothing to let go of.
    pub(super) async fn make_room(&self) {
        loop {
            let oldest = {
                let mut table = self.table();
                if table.loaded.len() < self.0.room.max(1) {
                    return;
                }
                let Some(oldest) = table.oldest(&self.0.chat) else { return };
                if let Some(slot) = table.loaded.get_mut(&oldest) {
                    slot.stage = Stage::Leaving;
                }
                oldest
            };
            self.clone().retire(oldest).await;
        }
    }

    /// Kept for the status, and logged once.
    pub(super) fn note_fault(&self, name: &str, fault: &AdapterError) {
        let said = self.table().faults.insert(name.to_owned(), fault.to_string());
        if said.as_deref() != Some(&fault.to_string()) {
            tracing::error!(name, code = fault.code(), %fault, "an adapter cannot be used");
        }
    }

    /// Tells other processes which revisions were noticed.
    fn tell(&self) {
        let noticed = self.table().names.iter().map(|(name, s)| (name.clone(), s.revision)).collect();
        if let Err(fault) = self.0.registry.tell_noticed(&noticed) {
            tracing::warn!(%fault, "other processes cannot be told which adapters serve");
        }
    }
}
