//! One-time tickets for sockets: a browser cannot put a header on an upgrade, and a cookie alone would open one for any page.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clock::{Clock, Millis};
use crate::staff::Hashed;

/// How long a ticket is good.
const GOOD_FOR: Millis = 30_000;
/// Tickets that may wait; the oldest makes room.
const MAX: usize = 1_000;

/// Tickets that were given out and not used yet.
#[derive(Debug)]
pub struct Tickets {
    clock: Clock,
    waiting: Mutex<HashMap<Hashed, (Hashed, Millis)>>,
}

impl Tickets {
    pub fn new(clock: Clock) -> Self {
        Self { clock, waiting: Mutex::default() }
    }

    /// A ticket of this session, and when it is too old.
    pub fn issue(&self, session: &Hashed) -> (String, Millis) {
        let ticket = hex::encode(rand::random::<[u8; 32]>());
        let now = self.clock.now();
        let mut waiting = self.lock();
        waiting.retain(|_, (_, until)| now < *until);
        if waiting.len() >= MAX {
            let oldest = waiting.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| key.clone());
            oldest.and_then(|key| waiting.remove(&key));
        }
        waiting.insert(Hashed::of(&ticket), (session.clone(), now + GOOD_FOR));
        (ticket, now + GOOD_FOR)
    }

    /// Uses a ticket up; true if it was one of this session and still good.
    pub fn redeem(&self, ticket: &str, session: &Hashed) -> bool {
        let now = self.clock.now();
        let found = self.lock().remove(&Hashed::of(ticket));
        found.is_some_and(|(owner, until)| owner == *session && now < until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Hashed, (Hashed, Millis)>> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_ticket_opens_once_soon_and_for_its_own_session() {
        let clock = Clock::manual(0);
        let tickets = Tickets::new(clock.clone());
        let (anna, bob) = (Hashed::of("anna"), Hashed::of("bob"));
        let (ticket, until) = tickets.issue(&anna);
        assert_eq!(until, 30_000);
        assert!(tickets.redeem(&ticket, &anna));
        assert!(!tickets.redeem(&ticket, &anna), "used");
        let (ticket, _) = tickets.issue(&anna);
        assert!(!tickets.redeem(&ticket, &bob), "somebody else's");
        assert!(!tickets.redeem(&ticket, &anna), "burnt by the attempt");
        let (ticket, _) = tickets.issue(&anna);
        clock.advance(Duration::from_secs(30));
        assert!(!tickets.redeem(&ticket, &anna), "too old");
        for _ in 0..=MAX {
            tickets.issue(&anna);
        }
        assert_eq!(tickets.lock().len(), MAX);
    }
}
