//! The shop's words and instructions: which are in force, and how new ones get there while the server runs: the owner's own,
//! and products and policies whose files have changed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::desk::{Desk, Inner};
use super::{DeskError, ask};
use crate::domain::ShopWords;
use crate::prompt::{Playbook, PromptError, Stamp};
use crate::tools::lookup::Catalogue;

/// The shop's files are looked at this often.
const LOOK: Duration = Duration::from_secs(2);

/// What prompts and look-ups are made of now; whoever begins with one of them keeps it to its end.
#[derive(Clone)]
pub(super) struct InForce {
    pub(super) playbook: Arc<Playbook>,
    /// Its products, as the model finds them.
    pub(super) catalogue: Arc<Catalogue>,
}

impl InForce {
    pub(super) fn of(playbook: Playbook) -> Self {
        let catalogue = Arc::new(Catalogue::of(playbook.shop()));
        Self { playbook: Arc::new(playbook), catalogue }
    }

    /// `playbook` in its place; the same products are not read into a catalogue again.
    fn then(&self, playbook: Playbook) -> Self {
        let (old, new) = (self.playbook.shop(), playbook.shop());
        if old.products == new.products && old.profile.language == new.profile.language {
            return Self { playbook: Arc::new(playbook), catalogue: self.catalogue.clone() };
        }
        Self::of(playbook)
    }
}

impl Desk {
    /// What is in force now.
    pub fn playbook(&self) -> Arc<Playbook> {
        self.0.playbook()
    }

    /// The playbook as it would be with the owner's `words`; nothing is in force yet.
    pub fn worded(&self, words: &ShopWords) -> Result<Playbook, PromptError> {
        self.0.playbook().worded(words, &|text| self.0.guard.strip(text))
    }

    /// New prompts are made of `playbook` from now on; [`Desk::warm`] spares the next shopper the wait for it.
    pub fn put_in_force(&self, playbook: Playbook) {
        let next = self.0.in_force().then(playbook);
        *self.0.in_force.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Tokens of `text`, and how many all that a prompt begins with may have: half of it, so that turns have room.
    pub fn room_for(&self, text: &str) -> (usize, usize) {
        (self.0.model.count_tokens(text), self.0.prompt_room() / 2)
    }

    /// Runs the part that all prompts share, so that the first shopper does not pay for it.
    pub async fn warm(&self) -> Result<(), DeskError> {
        self.0.model.warm(ask::prefix(&self.0)).await?;
        self.0.warm.store(true, Ordering::Release);
        Ok(())
    }

    /// Reads products and policies again whenever their files have changed, for as long as there is a desk.
    pub(super) fn watch_shop(&self) {
        if self.0.playbook().may_change() {
            self.0.runtime.spawn(watch(Arc::downgrade(&self.0)));
        }
    }
}

/// What is looked at holds the words, not the desk: a desk that closes is not kept open by a slow disk.
async fn watch(desk: Weak<Inner>) {
    let mut tried = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(playbook) = desk.upgrade().map(|inner| inner.playbook()) else { return };
        let desk = desk.clone();
        // Files, and an index over all products: not for the threads that answer.
        let looked = tokio::task::spawn_blocking(move || look(&desk, &playbook, tried));
        match looked.await {
            Ok(now) => tried = now,
            Err(_) => return,
        }
    }
}

/// Puts in force what the files say, if they are other than those of `playbook`. What was `tried` is not tried again, so that
/// a fault is told of once.
fn look(desk: &Weak<Inner>, playbook: &Arc<Playbook>, tried: Option<Stamp>) -> Option<Stamp> {
    let changed = playbook.changed();
    if changed.is_none() || changed == tried {
        return changed;
    }
    let strip = |text: &str| desk.upgrade().map_or_else(String::new, |inner| inner.guard.strip(text));
    match playbook.restocked(&strip) {
        Ok(fresh) => {
            if let Some(inner) = desk.upgrade() {
                inner.replace(playbook, fresh);
            }
            None
        }
        Err(fault) => {
            tracing::warn!(%fault, "products and policies stay as they were");
            changed
        }
    }
}

impl Inner {
    pub(super) fn playbook(&self) -> Arc<Playbook> {
        self.in_force().playbook
    }

    pub(super) fn in_force(&self) -> InForce {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `fresh` in place of `old`, unless the owner was faster: then it is made anew of their words.
    fn replace(&self, old: &Arc<Playbook>, fresh: Playbook) {
        let next = self.in_force().then(fresh);
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&in_force.playbook, old) {
            tracing::info!(
                products = next.playbook.shop().products.len(),
                policies = next.playbook.shop().policies.len(),
                "products and policies were read again"
            );
            *in_force = next;
        }
    }

    /// The longest prompt, in tokens.
    pub(super) fn prompt_room(&self) -> usize {
        let room = self.model.facts().context.saturating_sub(self.settings.max_reply_tokens);
        self.settings.prompt_tokens.min(room)
    }
}
