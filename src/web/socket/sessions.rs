//! Which sockets a session has open: beyond the limit the oldest makes room for the newest.
//!
//! Several tabs are several sockets of one session. Without a limit one token could hold every place an address has.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::domain::ShopperId;
use crate::staff::Hashed;
use crate::web::auth::extract::Caller;

/// Whose sockets are counted together. Programs of the shop are not: they have an address, and its limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Session {
    Shopper(ShopperId),
    Seat(Hashed),
}

impl Session {
    pub(super) fn of(caller: &Caller) -> Option<Self> {
        match (&caller.claims, &caller.seat) {
            (Some(claims), _) => Some(Self::Shopper(claims.sub)),
            (None, Some(seat)) => Some(Self::Seat(seat.session.clone())),
            (None, None) => None,
        }
    }
}

type Open = HashMap<Session, VecDeque<Arc<Notify>>>;

/// All of them.
#[derive(Debug)]
pub(in crate::web) struct Sessions {
    open: Arc<Mutex<Open>>,
    most: usize,
}

impl Sessions {
    pub(in crate::web) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// One more socket of `session`; those that are too many, oldest first, are told to end.
    pub(super) fn enter(&self, session: Session) -> Member {
        let replaced = Arc::new(Notify::new());
        let mut open = lock(&self.open);
        let sockets = open.entry(session.clone()).or_default();
        sockets.push_back(replaced.clone());
        while sockets.len() > self.most {
            if let Some(oldest) = sockets.pop_front() {
                oldest.notify_one();
            }
        }
        Member { open: self.open.clone(), session, replaced }
    }
}

/// One socket of a session.
#[derive(Debug)]
pub(super) struct Member {
    open: Arc<Mutex<Open>>,
    session: Session,
    replaced: Arc<Notify>,
}

impl Member {
    /// Resolves once newer sockets have taken this one's place.
    pub(super) async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(sockets) = open.get_mut(&self.session) {
            sockets.retain(|other| !Arc::ptr_eq(other, &self.replaced));
            if sockets.is_empty() {
                open.remove(&self.session);
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> std::sync::MutexGuard<'_, Open> {
    open.lock().expect("no code panics while it counts sockets. This is a bug.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn ends(member: &Member) -> bool {
        tokio::time::timeout(Duration::from_millis(5), member.replaced()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_makes_room_and_who_left_has_left_a_place() {
        let sessions = Sessions::new(2);
        let ann = || Session::Seat(Hashed::of("ann"));
        let (first, second) = (sessions.enter(ann()), sessions.enter(ann()));
        let other = sessions.enter(Session::Seat(Hashed::of("bob")));
        drop(first);
        let third = sessions.enter(ann());
        assert!(!ends(&second).await && !ends(&third).await);
        let fourth = sessions.enter(ann());
        assert!(ends(&second).await && !ends(&third).await && !ends(&fourth).await && !ends(&other).await);
        drop((second, third, fourth, other));
        assert!(lock(&sessions.open).is_empty(), "nothing is kept of those who left");
    }
}
