//! Replies in the making: what was shown of each, and the switch that silences it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::hub::{Delta, Hub, Notice};
use crate::domain::{ConvId, Cut, Job, Provenance};

/// One conversation that the model is, or will be, at work on.
#[derive(Default)]
pub(super) struct Live {
    /// Pressed by the shopper.
    pub(super) stop: Notify,
    /// The shopper wrote again.
    pub(super) asked_again: Notify,
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
}

impl Live {
    /// A new attempt begins; nothing of it has been shown. False if somebody took over since it was decided.
    pub(super) fn begin(&self, job: Job, provenance: Provenance) -> bool {
        let mut shown = self.lock();
        let may = job.epoch >= shown.floor;
        *shown = Shown {
            job: may.then_some(job),
            provenance: Some(provenance),
            stopped: shown.stopped,
            floor: shown.floor,
            ..Shown::default()
        };
        may
    }

    /// An answer of an epoch before `epoch` is not shown any more, even if it has yet to begin.
    pub(super) fn raise(&self, epoch: u64) {
        let mut shown = self.lock();
        shown.floor = shown.floor.max(epoch);
        if shown.job.is_some_and(|job| job.epoch < epoch) {
            shown.job = None;
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
        let mut shown = self.lock();
        let job = shown.job.take()?;
        Some(Cut { job, text: std::mem::take(&mut shown.text), provenance: shown.provenance.take() })
    }

    /// True if `job` is still the one that may speak.
    pub(super) fn speaks(&self, job: &Job) -> bool {
        self.lock().job.is_some_and(|now| now.mid == job.mid)
    }

    /// Cuts the answer off at `bytes`, for a reply that went in circles.
    pub(super) fn text(&self) -> String {
        self.lock().text.clone()
    }

    pub(super) fn press_stop(&self) {
        self.lock().stopped = true;
        self.stop.notify_one();
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

/// All of them. A conversation is in here while a task works on it: at most one does.
#[derive(Default)]
pub(super) struct Lives(Mutex<HashMap<ConvId, Entry>>);

struct Entry {
    live: Arc<Live>,
    /// Something new came while the task was at work.
    again: bool,
}

impl Lives {
    /// The live to work on, or `None` if a task is at it already; that one will look again.
    pub(super) fn enter(&self, conv: ConvId) -> Option<Arc<Live>> {
        let mut map = self.lock();
        if let Some(entry) = map.get_mut(&conv) {
            entry.again = true;
            entry.live.asked_again.notify_one();
            return None;
        }
        let live = Arc::<Live>::default();
        map.insert(conv, Entry { live: live.clone(), again: false });
        Some(live)
    }

    /// The task found nothing more to do. False if it has to look again.
    pub(super) fn leave(&self, conv: ConvId) -> bool {
        let mut map = self.lock();
        match map.get_mut(&conv) {
            Some(entry) if entry.again => {
                entry.again = false;
                false
            }
            _ => {
                map.remove(&conv);
                true
            }
        }
    }

    pub(super) fn get(&self, conv: ConvId) -> Option<Arc<Live>> {
        self.lock().get(&conv).map(|entry| entry.live.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConvId, Entry>> {
        self.0.lock().expect("no code panics while it holds this. This is a bug.")
    }
}
