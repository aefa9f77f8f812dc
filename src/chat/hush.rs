//! The model falls silent while it is decided who answers a conversation, and goes on if nothing came of it.

use std::sync::Arc;

use super::desk::{Desk, Inner};
use super::error::DeskError;
use super::lives::Hush;
use super::turn;
use crate::domain::{Command, ConvId, Cut};
use crate::store::Committed;

/// Lasts until a command that ends the model's answer is decided, or until whoever waited for that has gone.
struct Deciding {
    desk: Arc<Inner>,
    conv: ConvId,
    hush: Option<Hush>,
}

impl Desk {
    /// Has a command decided that takes the answer from the model; it is made of what was shown of that answer. Until then
    /// nothing more is shown, of this answer or of another attempt. If the model owes an answer all the same (the store was
    /// busy, the disk full), it makes it anew.
    pub(super) async fn silencing(
        &self,
        conv: ConvId,
        command: impl FnOnce(Option<Cut>) -> Command,
    ) -> Result<Committed, DeskError> {
        let (hush, cut) = self.0.lives.hush(conv);
        let _deciding = Deciding { desk: self.0.clone(), conv, hush: Some(hush) };
        Ok(self.0.store.commit(conv, command(cut)).await?)
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        self.hush.take();
        if matches!(turn::owed(&self.desk, self.conv), Ok(Some(_))) {
            self.desk.kick(self.conv);
        }
    }
}
