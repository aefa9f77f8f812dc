//! Who looks at the list: each is told which rows changed, not what they are. A looker that is slow costs a set of ids, and one
//! that is very slow is told to ask for the list again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use crate::domain::ConvId;

/// Rows that may wait for one looker.
const MAX: usize = 2_000;

/// What changed since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub rows: HashSet<ConvId>,
    /// Erased for good.
    pub gone: HashSet<ConvId>,
    /// Too much: the whole list has to be read again.
    pub all: bool,
}

/// One looker.
#[derive(Debug, Default)]
pub struct Watcher {
    waiting: Mutex<Changed>,
    bell: Notify,
}

impl Watcher {
    /// Resolves once something changed.
    pub async fn ring(&self) {
        self.bell.notified().await;
    }

    /// What changed; from now on nothing has.
    pub fn take(&self) -> Changed {
        std::mem::take(&mut *self.lock())
    }

    fn tell(&self, conv: ConvId, is_gone: impl Fn() -> bool) {
        let mut waiting = self.lock();
        if waiting.all {
            return;
        }
        if is_gone() {
            waiting.rows.remove(&conv);
            waiting.gone.insert(conv);
        } else {
            waiting.rows.insert(conv);
        }
        if waiting.rows.len() + waiting.gone.len() > MAX {
            *waiting = Changed { all: true, ..Changed::default() };
        }
        drop(waiting);
        self.bell.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Changed> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// All lookers; those that went away are forgotten at the next change.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<Watcher>>>);

impl Watchers {
    pub(super) fn add(&self) -> Arc<Watcher> {
        let watcher = Arc::<Watcher>::default();
        self.lock().push(Arc::downgrade(&watcher));
        watcher
    }

    pub(super) fn changed(&self, conv: ConvId) {
        self.tell(conv, || false);
    }

    pub(super) fn gone(&self, conv: ConvId) {
        self.tell(conv, || true);
    }

    fn tell(&self, conv: ConvId, is_gone: impl Fn() -> bool) {
        self.lock().retain(|watcher| match watcher.upgrade() {
            Some(watcher) => {
                watcher.tell(conv, &is_gone);
                true
            }
            None => false,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Watcher>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_looker_costs_little_and_is_told_to_start_again() {
        let watchers = Watchers::default();
        let (slow, gone) = (watchers.add(), watchers.add());
        drop(gone);
        let conv = |n: u128| ConvId(uuid::Uuid::from_u128(n));
        watchers.changed(conv(1));
        watchers.changed(conv(1));
        watchers.gone(conv(2));
        let changed = slow.take();
        assert_eq!((changed.rows.len(), changed.gone.len(), changed.all), (1, 1, false));
        (0..=MAX as u128).for_each(|n| watchers.changed(conv(n)));
        let changed = slow.take();
        assert_eq!((changed.rows.len(), changed.all), (0, true));
        assert_eq!(slow.take(), Changed::default());
        assert_eq!(watchers.lock().len(), 1);
    }
}
