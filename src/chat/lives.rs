//! Which conversations the model is at work on, or will be: at most one task each, and no more of them than there are
//! places. A message takes its place before it is stored, so that nobody is let in whom the line has no room for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use super::live::Live;
use crate::domain::{ConvId, Cut};

/// See the module. All clones are one.
#[derive(Clone)]
pub(super) struct Lives(Arc<Mutex<Places>>);

struct Places {
    conversations: HashMap<ConvId, Entry>,
    /// Where it is being decided who answers, whether the model is at work there or not.
    hushed: HashMap<ConvId, Hushed>,
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

/// How many decide at once, and the live that has to keep silent: that of the entry, if there is one.
struct Hushed {
    count: usize,
    live: Arc<Live>,
}

/// Nobody begins to answer a conversation until this is dropped.
pub(super) struct Hush {
    lives: Lives,
    conv: ConvId,
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
        let (conversations, hushed) = Default::default();
        Self(Arc::new(Mutex::new(Places { conversations, hushed, programs: 0, limit })))
    }

    /// A place for a message that is about to be stored; `None` if there is none. Who is in the line or being answered has
    /// one already.
    pub(super) fn reserve(&self, conv: ConvId, address: Option<IpAddr>) -> Option<Place> {
        let mut places = self.lock();
        if !places.conversations.contains_key(&conv) && !places.has_room() {
            return None;
        }
        let entry = places.entry(conv);
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
        let entry = places.entry(conv);
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
        // No signal that was meant for the old live reaches the next task.
        let (coming, address) = (entry.coming, entry.address);
        places.conversations.remove(&conv);
        if let Some(hushed) = places.hushed.get_mut(&conv) {
            hushed.live = Arc::default();
            hushed.live.hush();
        }
        if coming > 0 {
            let entry = places.entry(conv);
            (entry.coming, entry.address) = (coming, address);
        }
        true
    }

    /// From now on nothing more of the model's answer in `conv` is shown, and no other attempt begins, until what is returned
    /// is dropped; what was shown comes with it.
    pub(super) fn hush(&self, conv: ConvId) -> (Hush, Option<Cut>) {
        let mut places = self.lock();
        let entry = places.conversations.get(&conv);
        let at_work = entry.is_some_and(|entry| entry.at_work);
        let live = entry.map(|entry| entry.live.clone());
        let hushed =
            places.hushed.entry(conv).or_insert_with(|| Hushed { count: 0, live: live.unwrap_or_default() });
        hushed.count += 1;
        let cut = hushed.live.hush();
        if at_work {
            hushed.live.stop.notify_one();
        }
        (Hush { lives: self.clone(), conv }, cut)
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
    /// The entry of `conv`, or a new one, which has to keep silent where it is being decided who answers.
    fn entry(&mut self, conv: ConvId) -> &mut Entry {
        let hushed = &self.hushed;
        let live = || hushed.get(&conv).map(|hushed| hushed.live.clone()).unwrap_or_default();
        self.conversations.entry(conv).or_insert_with(|| Entry { live: live(), ..Entry::default() })
    }

    fn taken(&self) -> usize {
        self.conversations.len() + self.programs
    }

    fn has_room(&self) -> bool {
        self.taken() < self.limit
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        let mut places = self.lives.lock();
        let Some(hushed) = places.hushed.get_mut(&self.conv) else { return };
        hushed.count -= 1;
        if hushed.count == 0 {
            hushed.live.unhush();
            places.hushed.remove(&self.conv);
        }
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
    use futures_util::FutureExt;

    use super::*;
    use crate::domain::{Head, Job, MessageId, Provenance};

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

    #[tokio::test]
    async fn nobody_begins_while_it_is_decided_who_answers() {
        let job = Job { upto: 2, mid: MessageId(uuid::Uuid::nil()), epoch: 0, attempt: 1 };
        let by = Provenance::default();
        let lives = Lives::new(1);
        let (hush, cut) = lives.hush(conv(1));
        assert_eq!((lives.len(), cut), (0, None), "it takes no place");
        let first = lives.enter(conv(1)).expect("a task");
        assert!(first.begin(job, &by).now_or_never().is_none(), "it is being decided");
        assert!(lives.leave(conv(1)));
        let next = lives.enter(conv(1)).expect("the next task");
        let (second, _) = lives.hush(conv(1));
        drop(hush);
        let mut begun = Box::pin(next.begin(job, &by));
        assert!(begun.as_mut().now_or_never().is_none(), "somebody else decides still");
        drop(second);
        assert!(begun.await, "nobody has taken it");
        // Resolved: the answer is not owed any more, in the same epoch.
        next.hear(&Head { answered: 2, ..Head::default() });
        assert!(!next.speaks(&job) && !next.begin(job, &by).await);
        // Asked for again.
        next.hear(&Head { answered: 1, ..Head::default() });
        assert!(next.begin(job, &by).await);
    }
}
