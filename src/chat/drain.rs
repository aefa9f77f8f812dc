//! Whether shoppers can be served, and the end of it: no new messages, then the answers being made, then nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::desk::{Desk, Inner};
use crate::model::Health;
use crate::store::StoreHealth;

/// How long answers may take to end once they are interrupted.
const INTERRUPT: Duration = Duration::from_secs(2);

/// Whether shoppers can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub model: bool,
    pub store: bool,
    pub draining: bool,
}

impl Desk {
    pub fn ready(&self) -> Readiness {
        Readiness {
            model: self.0.warm.load(Ordering::Acquire) && self.0.model.health() == Health::Ready,
            store: self.0.store.health() == StoreHealth::Writable,
            draining: self.0.draining.load(Ordering::Acquire),
        }
    }

    /// Takes no new messages from now on.
    pub fn refuse_new(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Takes no new messages, and waits at most `patience` for the answers being made. What is unfinished then is kept as
    /// far as it was shown and marked interrupted; what nobody has read a word of is answered after the next start.
    pub async fn drain(&self, patience: Duration) {
        self.refuse_new();
        if timeout(patience, self.quiet()).await.is_ok() {
            return;
        }
        self.0.closing.store(true, Ordering::Release);
        for live in self.0.lives.all() {
            live.stop.notify_one();
        }
        if timeout(INTERRUPT, self.quiet()).await.is_err() {
            tracing::warn!(left = self.0.lives.len(), "some answers did not end in time");
        }
    }

    /// Resolves when nobody is answered or waits for it.
    async fn quiet(&self) {
        while self.0.lives.len() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Inner {
    /// No answer is begun any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}
