//! The shop's words and instructions: which are in force, and how the owner's own get there while the server runs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::desk::{Desk, Inner};
use super::{DeskError, ask};
use crate::domain::ShopWords;
use crate::prompt::{Playbook, PromptError};

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
        *self.0.playbook.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(playbook);
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
}

impl Inner {
    pub(super) fn playbook(&self) -> Arc<Playbook> {
        self.playbook.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The longest prompt, in tokens.
    pub(super) fn prompt_room(&self) -> usize {
        let room = self.model.facts().context.saturating_sub(self.settings.max_reply_tokens);
        self.settings.prompt_tokens.min(room)
    }
}
