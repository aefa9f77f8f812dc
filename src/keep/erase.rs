//! One shopper leaves: rows of past runs first, then the journal and its index, then what the staff see.
//!
//! In this order a stop in the middle loses no mark: the store still knows who the shopper is while rows and adapters are looked
//! for. What was begun is finished at the next start ([`Keep::finish`]).

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Keep, KeepError};
use crate::domain::{ConvId, ShopperId};
use crate::runs::rows::forget::{self, Forgotten, forget, gate};
use crate::staff::Entry;
use crate::store::{Erasure, Store, Whose};

/// What is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    #[serde(flatten)]
    pub erasure: Erasure,
    #[serde(flatten)]
    pub forgotten: Forgotten,
}

impl Erased {
    /// One line for the audit log.
    fn words(&self) -> String {
        let tainted = match self.forgotten.adapters.as_slice() {
            [] => String::new(),
            adapters => format!(", tainted {}", adapters.join(" ")),
        };
        format!("{} conversations, {} rows{tainted}", self.erasure.conversations.len(), self.forgotten.rows)
    }
}

/// Rows and store; whoever has lists and an index of their own has to forget `conversations` as well.
///
/// # Errors
/// A file or the store; doing it again goes on.
pub async fn erase(store: &Store, data: &Path, shopper: ShopperId) -> Result<Erased, KeepError> {
    let data = data.to_owned();
    // The gate is held over both: see `forget`.
    let (gate, forgotten) = aside(data, move |data| {
        let gate = gate(&data)?;
        Ok((gate, forget(&data, forget::Whose::Shopper(shopper))?))
    })
    .await?;
    let erasure = store.erase(Whose::Shopper(shopper)).await;
    drop(gate);
    Ok(Erased { erasure: erasure?, forgotten })
}

/// Off the threads that serve.
pub(super) async fn aside<T: Send + 'static>(
    data: PathBuf,
    work: impl FnOnce(PathBuf) -> Result<T, KeepError> + Send + 'static,
) -> Result<T, KeepError> {
    tokio::task::spawn_blocking(move || work(data)).await.map_err(|_| KeepError::Broken)?
}

impl Keep {
    /// Erases all that is kept of a shopper; `by` begins the entry in the audit log. Goes to its end even if the caller goes
    /// away, and even if the server is killed: then at its next start.
    ///
    /// # Errors
    /// `NoSuchShopper`; or a file or the store failed: what was begun is gone on with by asking again, or by a restart.
    pub async fn erase(&self, shopper: ShopperId, by: Entry) -> Result<Erased, KeepError> {
        let keep = self.clone();
        let work = tokio::spawn(async move {
            let _one = keep.0.one.lock().await;
            if keep.known(shopper)?.is_none() && keep.rows_of(shopper)?.is_empty() {
                return Err(KeepError::NoSuchShopper);
            }
            keep.to_the_end(shopper, by).await
        });
        work.await.map_err(|_| KeepError::Broken)?
    }

    /// Finishes what a stop interrupted; to be called once, before anybody is served.
    ///
    /// # Errors
    /// As [`Keep::erase`].
    pub async fn finish(&self) -> Result<usize, KeepError> {
        let _one = self.0.one.lock().await;
        let pending = self.0.pending.all();
        for (shopper, by) in &pending {
            let entry = Entry::new(by, "shopper_erased").on(&shopper.to_string());
            self.to_the_end(*shopper, entry).await?;
            tracing::info!(%shopper, "an erasure that a stop had interrupted is finished");
        }
        Ok(pending.len())
    }

    async fn to_the_end(&self, shopper: ShopperId, by: Entry) -> Result<Erased, KeepError> {
        let parts = &self.0.parts;
        self.0.pending.begin(shopper, &by.who)?;
        let erased = erase(&parts.store, &parts.data, shopper).await?;
        erased.erasure.conversations.iter().for_each(|conv| self.forget(*conv));
        parts.staff.team.unblock(shopper)?;
        parts.staff.audit.note(by.detail(&erased.words()))?;
        self.0.pending.done(shopper)?;
        Ok(erased)
    }

    /// The staff's side forgets a conversation that the store has erased.
    pub(super) fn forget(&self, conv: ConvId) {
        self.0.parts.staff.forget(conv);
        (self.0.parts.gone)(conv);
    }
}
