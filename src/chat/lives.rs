//! Which conversations the model is at work on, or will be: at most one task each, and no more of them than there are
//! places. A message takes its place before it is stored, so that nobody is let in whom the line has no room for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use super::live::Live;
use crate::domain::ConvId;

/// See the module. All clones are one.
#[derive(Clone)]
pub(super) struct Lives(Arc<Mutex<Places>>);

struct Places {
    conversations: HashMap<ConvId, Entry>,
    /// Answers outside any conversation.
    programs: usize,
    /// How many may be answered or wait for it.
    limit: usize,
}

#[derive(Default)]
struct Entry {
    live: Arc<Live>,
    at_work: bool,
    /// Something new came while the task was at work.
    again: bool,
    /// Messages that were let in and are on their way to the disk.
    coming: usize,
    /// Where the open question came from, for the limits.
    address: Option<IpAddr>,
}

/// A place that is kept for somebody until this is dropped, or until a task holds it.
pub(super) struct Place {
    lives: Lives,
    /// None for a program.
    conv: Option<ConvId>,
}

impl Lives {
    /// No more than `limit` may be answered or wait for it.
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Places { conversations: HashMap::new(), programs: 0, limit })))
    }

    /// A place for a message that is about to be stored; `None` if there is none. Who is in the line or being answered has
    /// one already.
    pub(super) fn reserve(&self, conv: ConvId, address: Option<IpAddr>) -> Option<Place> {
        let mut places = self.lock();
        if !places.conversations.contains_key(&conv) && !places.has_room() {
            return None;
        }
        let entry = places.conversations.entry(conv).or_default();
        entry.coming += 1;
        entry.address = address.or(entry.address);
        Some(Place { lives: self.clone(), conv: Some(conv) })
    }

    /// A place for an answer outside any conversation; `None` if there is none.
    pub(super) fn reserve_for_program(&self) -> Option<Place> {
        let mut places = self.lock();
        if !places.has_room() {
            return None;
        }
        places.programs += 1;
        Some(Place { lives: self.clone(), conv: None })
    }

    /// The live to work on, or `None` if a task is at it already; that one will look again. What is owed is answered, room or
    /// not.
    pub(super) fn enter(&self, conv: ConvId) -> Option<Arc<Live>> {
        let mut places = self.lock();
        let entry = places.conversations.entry(conv).or_default();
        if entry.at_work {
            entry.again = true;
            entry.live.asked_again.notify_one();
            return None;
        }
        entry.at_work = true;
        Some(entry.live.clone())
    }

    /// The task found nothing more to do. False if it has to look again.
    pub(super) fn leave(&self, conv: ConvId) -> bool {
        let mut places = self.lock();
        let Some(entry) = places.conversations.get_mut(&conv) else { return true };
        if std::mem::take(&mut entry.again) {
            return false;
        }
        if entry.coming > 0 {
            // A new live: no signal that was meant for the old one reaches the next task.
            *entry = Entry { coming: entry.coming, address: entry.address, ..Entry::default() };
        } else {
            places.conversations.remove(&conv);
        }
        true
    }

    /// Of a conversation that a task is at work on.
    pub(super) fn get(&self, conv: ConvId) -> Option<Arc<Live>> {
        self.lock().conversations.get(&conv).filter(|entry| entry.at_work).map(|entry| entry.live.clone())
    }

    /// Where the open question of a conversation came from.
    pub(super) fn address(&self, conv: ConvId) -> Option<IpAddr> {
        self.lock().conversations.get(&conv).and_then(|entry| entry.address)
    }

    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        self.lock().conversations.values().map(|entry| entry.live.clone()).collect()
    }

    /// How many are answered or wait for it.
    pub(super) fn len(&self) -> usize {
        self.lock().taken()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().expect("no code panics while it holds this. This is a bug.")
    }
}

impl Places {
    fn taken(&self) -> usize {
        self.conversations.len() + self.programs
    }

    fn has_room(&self) -> bool {
        self.taken() < self.limit
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.lives.lock();
        let Some(conv) = self.conv else {
            places.programs -= 1;
            return;
        };
        if let Some(entry) = places.conversations.get_mut(&conv) {
            entry.coming -= 1;
            if entry.coming == 0 && !entry.at_work {
                places.conversations.remove(&conv);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(n: u128) -> ConvId {
        ConvId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_place_is_held_from_the_door_to_the_end_of_the_answer() {
        let lives = Lives::new(2);
        let first = lives.reserve(conv(1), None).expect("room for the first");
        let program = lives.reserve_for_program().expect("room for the second");
        assert!(lives.reserve(conv(2), None).is_none() && lives.reserve_for_program().is_none());
        assert!(lives.get(conv(1)).is_none(), "nobody is at work on what is not stored");
        assert!(lives.enter(conv(1)).is_some());
        drop(first);
        assert!(lives.reserve(conv(2), None).is_none(), "the task has the place now");
        drop(program);
        drop(lives.reserve(conv(2), None).expect("the program's place"));
        assert_eq!(lives.len(), 1, "a message that was not stored gives its place back");
        assert!(lives.leave(conv(1)));
        assert_eq!(lives.len(), 0);
    }

    #[test]
    fn who_has_a_place_needs_no_second_one() {
        let lives = Lives::new(1);
        let first = lives.reserve(conv(1), None);
        let second = lives.reserve(conv(1), None);
        assert!(first.is_some() && second.is_some());
        drop(first);
        assert!(lives.reserve(conv(2), None).is_none(), "the other message is still on its way");
        assert!(lives.enter(conv(1)).is_some() && lives.enter(conv(1)).is_none());
        assert!(!lives.leave(conv(1)), "something came meanwhile");
        assert!(lives.leave(conv(1)));
        assert_eq!(lives.len(), 1, "the second message is still on its way");
        drop(second);
        assert_eq!(lives.len(), 0);
    }

    #[test]
    fn the_next_task_hears_no_signal_of_the_one_before_and_knows_the_address() {
        let lives = Lives::new(1);
        let address = "192.0.2.1".parse().ok();
        let coming = lives.reserve(conv(1), address);
        let before = lives.enter(conv(1)).expect("the first task");
        before.press_stop();
        assert!(lives.leave(conv(1)));
        let next = lives.enter(conv(1)).expect("the next task");
        assert!(!next.is_stopped() && !Arc::ptr_eq(&before, &next));
        assert_eq!((lives.address(conv(1)), address.is_some()), (address, true));
        drop(coming);
        assert!(lives.leave(conv(1)));
        assert_eq!(lives.address(conv(1)), None);
    }
}
