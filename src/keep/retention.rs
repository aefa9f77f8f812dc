//! What was kept long enough goes by itself.

use std::time::Duration;

use super::erase::aside;
use super::{Keep, KeepError};
use crate::clock::Millis;
use crate::domain::ConvId;
use crate::runs::rows::forget::{self, forget, gate};
use crate::staff::Entry;
use crate::store::{Erasure, Whose};

const DAY: u64 = 24 * 60 * 60 * 1000;

impl Keep {
    /// Erases what nothing happened in for as many days as the dashboard or the configuration says, now, once a day, and whenever
    /// the dashboard says another number; as long as it is polled.
    pub async fn keep_to_retention(self) {
        let mut changes = self.0.parts.staff.shop.changes();
        loop {
            let days = self.retention_days();
            match self.retire(days).await {
                Ok(erasure) if erasure == Erasure::default() => {}
                Ok(erasure) => {
                    let conversations = erasure.conversations.len();
                    tracing::info!(conversations, days, "erased what was kept long enough");
                }
                Err(fault) => {
                    tracing::error!(code = fault.code(), %fault, "what was kept long enough could not be erased");
                }
            }
            // Another look or other origins are no reason to look again.
            let other = async { while self.retention_days() == days && changes.changed().await.is_ok() {} };
            let _ = tokio::time::timeout(Duration::from_millis(DAY), other).await;
        }
    }

    /// Erases what nothing happened in for `days`; 0 erases nothing.
    ///
    /// # Errors
    /// A file or the store; the next time goes on.
    pub async fn retire(&self, days: u64) -> Result<Erasure, KeepError> {
        if days == 0 {
            return Ok(Erasure::default());
        }
        let parts = &self.0.parts;
        let _one = self.0.one.lock().await;
        let before = parts.clock.now().saturating_sub(days * DAY);
        let old = self.untouched_since(before)?;
        if old.is_empty() {
            return Ok(Erasure::default());
        }
        // Rows first, as for a shopper.
        let gate = aside(parts.data.clone(), move |data| {
            let gate = gate(&data)?;
            forget(&data, forget::Whose::Conversations(&old))?;
            Ok(gate)
        })
        .await?;
        let erasure = parts.store.erase(Whose::UntouchedSince(before)).await;
        drop(gate);
        let erasure = erasure?;
        erasure.conversations.iter().for_each(|conv| self.forget(*conv));
        let words = format!("{} conversations, {days} days", erasure.conversations.len());
        parts.staff.audit.note(Entry::new("shopclerk", "retention").detail(&words))?;
        Ok(erasure)
    }

    fn untouched_since(&self, before: Millis) -> Result<Vec<ConvId>, KeepError> {
        let all = self.0.parts.store.conversations(None, usize::MAX)?;
        Ok(all.into_iter().filter(|(_, head)| head.updated_at < before).map(|(conv, _)| conv).collect())
    }
}
