//! Replies in the making: what was shown of each, and the switch that silences it.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::hub::{Delta, Hub, Notice};
use crate::domain::{ConvId, Cut, Head, Job, Provenance, Seq};

/// One conversation that the model is, or will be, at work on.
#[derive(Default)]
pub(super) struct Live {
    /// A reason to end may have come: the shopper pressed stop, somebody took over, the server goes down. It may be
    /// an old one, so who hears it looks at what holds now.
    pub(super) stop: Notify,
    /// The shopper wrote again.
    pub(super) asked_again: Notify,
    /// It was decided who answers.
    decided: Notify,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    job: Option<Job>,
    text: String,
    chars: usize,
    provenance: Option<Provenance>,
    place: Option<usize>,
    stopped: bool,
    /// The oldest epoch that may speak.
    floor: u64,
    /// The newest message that got an answer, or will get none.
    answered: Seq,
    /// It is being decided who answers: nobody begins meanwhile.
    hushed: bool,
}

impl Shown {
    /// True if an answer of `job` is still wanted.
    fn may(&self, job: &Job) -> bool {
        job.epoch >= self.floor && job.upto > self.answered
    }

    fn cut(&mut self) -> Option<Cut> {
        let job = self.job.take()?;
        Some(Cut { job, text: std::mem::take(&mut self.text), provenance: self.provenance.take() })
    }
}

impl Live {
    /// A new attempt begins, as soon as nobody is about to take the conversation from it; nothing of it has been shown. False
    /// if somebody did, or the answer is no longer owed.
    pub(super) async fn begin(&self, job: Job, provenance: &Provenance) -> bool {
        loop {
            if let Some(may) = self.begin_now(job, provenance) {
                return may;
            }
            self.decided.notified().await;
        }
    }

    /// `None` while it is being decided who answers.
    fn begin_now(&self, job: Job, provenance: &Provenance) -> Option<bool> {
        let mut shown = self.lock();
        if shown.hushed {
            return None;
        }
        let may = shown.may(&job);
        *shown = Shown {
            job: may.then_some(job),
            provenance: Some(provenance.clone()),
            stopped: shown.stopped,
            floor: shown.floor,
            answered: shown.answered,
            ..Shown::default()
        };
        Some(may)
    }

    /// Hears what the conversation has become: an answer of an epoch before, or that is no longer owed, is not shown any more,
    /// even if it has yet to begin, and who waits for what is no longer owed is woken.
    pub(super) fn hear(&self, head: &Head) {
        let mut shown = self.lock();
        shown.floor = shown.floor.max(head.epoch);
        shown.answered = head.answered;
        if shown.job.is_some_and(|job| !shown.may(&job)) {
            shown.job = None;
        }
        drop(shown);
        if !head.awaits_model() {
            self.stop.notify_one();
        }
    }

    /// Shows more of the answer. False once somebody else has taken over: nothing was shown then.
    pub(super) fn show(&self, hub: &Hub, conv: ConvId, text: &str) -> bool {
        let mut shown = self.lock();
        let Some(job) = shown.job else { return false };
        if text.is_empty() {
            return true;
        }
        let delta = Delta { conv, mid: job.mid, off: shown.chars, text: text.into() };
        shown.text.push_str(text);
        shown.chars += text.chars().count();
        // Told under the lock: after `silence` has returned, nothing of the answer is on its way.
        hub.publish(conv, Notice::Delta(delta.into()));
        true
    }

    /// From now on nothing more is shown; returns what was.
    pub(super) fn silence(&self) -> Option<Cut> {
        self.lock().cut()
    }

    /// The same, and no other attempt begins until [`Live::unhush`].
    pub(super) fn hush(&self) -> Option<Cut> {
        let mut shown = self.lock();
        shown.hushed = true;
        shown.cut()
    }

    pub(super) fn unhush(&self) {
        self.lock().hushed = false;
        self.decided.notify_one();
    }

    /// True if `job` is still the one that may speak.
    pub(super) fn speaks(&self, job: &Job) -> bool {
        self.lock().job.is_some_and(|now| now.mid == job.mid)
    }

    /// What was shown so far.
    pub(super) fn text(&self) -> String {
        self.lock().text.clone()
    }

    pub(super) fn press_stop(&self) {
        self.lock().stopped = true;
        self.stop.notify_one();
    }

    /// True after the shopper pressed stop, until [`Live::take_stop`].
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// True once after the shopper pressed stop.
    pub(super) fn take_stop(&self) -> bool {
        std::mem::take(&mut self.lock().stopped)
    }

    pub(super) fn set_place(&self, place: usize) {
        self.lock().place = (place > 0).then_some(place);
    }

    /// What a newcomer has to be told: the text so far, and the place in the line.
    pub(super) fn so_far(&self, conv: ConvId) -> (Option<Delta>, Option<usize>) {
        let shown = self.lock();
        let delta =
            shown.job.map(|job| Delta { conv, mid: job.mid, off: 0, text: shown.text.as_str().into() });
        (delta, shown.place)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().expect("no code panics while it holds this. This is a bug.")
    }
}
