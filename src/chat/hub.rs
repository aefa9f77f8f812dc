//! Fan-out: who listens to which conversation, and what they are told.
//!
//! A listener owns a bounded [`Inbox`]; the hub holds [`Outlet`]s. A listener that does not keep up is cut off whole and
//! comes back by its last number; single events are never skipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::suggest::Suggestion;
use crate::domain::{ConvId, Event, MessageId, StaffId};

/// What a listener is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A durable event.
    Event(Arc<Event>),
    /// The conversation was erased.
    Gone(ConvId),
    /// A piece of a reply in the making; ephemeral.
    Delta(Arc<Delta>),
    /// The place in the queue for the model; 0 means that it is this conversation's turn.
    Queued { conv: ConvId, position: usize },
    Typing {
        conv: ConvId,
        who: Who,
        /// Which member of staff, if it is one.
        by: Option<StaffId>,
    },
    /// A piece of a draft, to the one who asked for it.
    Suggestion(Box<Suggestion>),
}

/// Text of a reply, starting `off` characters into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    pub conv: ConvId,
    pub mid: MessageId,
    pub off: usize,
    pub text: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Shopper,
    Staff,
    /// The model, before its first word.
    Ai,
}

/// The receiving end of one listener.
#[derive(Debug)]
pub struct Inbox {
    queue: mpsc::Receiver<Notice>,
    overflowed: Arc<AtomicBool>,
}

impl Inbox {
    /// The next notice; `None` once the listener has been cut off or let go.
    pub async fn next(&mut self) -> Option<Notice> {
        if self.overflowed() {
            return None;
        }
        self.queue.recv().await
    }

    /// True if there is nothing to hear right now.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True if the listener was cut off because it did not keep up.
    pub fn overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }
}

/// The sending end of one listener; one for all conversations it listens to.
#[derive(Clone, Debug)]
pub struct Outlet {
    id: u64,
    queue: mpsc::Sender<Notice>,
    overflowed: Arc<AtomicBool>,
}

impl Outlet {
    /// An outlet and its inbox, which holds at most `capacity` notices.
    pub fn new(capacity: usize) -> (Self, Inbox) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (sender, queue) = mpsc::channel(capacity);
        let overflowed = Arc::new(AtomicBool::new(false));
        let outlet =
            Self { id: NEXT.fetch_add(1, Ordering::Relaxed), queue: sender, overflowed: overflowed.clone() };
        (outlet, Inbox { queue, overflowed })
    }

    /// False once the listener is gone or cut off.
    pub(super) fn tell(&self, notice: Notice) -> bool {
        if self.overflowed.load(Ordering::Acquire) {
            return false;
        }
        match self.queue.try_send(notice) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.overflowed.store(true, Ordering::Release);
                false
            }
        }
    }
}

/// Listeners by conversation.
#[derive(Debug, Default)]
pub struct Hub {
    listeners: Mutex<HashMap<ConvId, Vec<Outlet>>>,
}

impl Hub {
    /// From now on `outlet` hears of `conv`; a second call changes nothing.
    pub fn attach(&self, conv: ConvId, outlet: &Outlet) {
        let mut map = self.lock();
        let outlets = map.entry(conv).or_default();
        if outlets.iter().all(|o| o.id != outlet.id) {
            outlets.push(outlet.clone());
        }
    }

    /// `outlet` hears of nothing any more.
    pub fn detach(&self, outlet: &Outlet) {
        self.lock().retain(|_, outlets| {
            outlets.retain(|o| o.id != outlet.id);
            !outlets.is_empty()
        });
    }

    /// `outlet` hears of `conv` no more.
    pub fn detach_from(&self, conv: ConvId, outlet: &Outlet) {
        let mut map = self.lock();
        if let Some(outlets) = map.get_mut(&conv) {
            outlets.retain(|o| o.id != outlet.id);
            if outlets.is_empty() {
                map.remove(&conv);
            }
        }
    }

    /// Tells everybody who listens to `conv`.
    pub fn publish(&self, conv: ConvId, notice: Notice) {
        let mut map = self.lock();
        if let Some(outlets) = map.get_mut(&conv) {
            outlets.retain(|o| o.tell(notice.clone()));
            if outlets.is_empty() {
                map.remove(&conv);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConvId, Vec<Outlet>>> {
        self.listeners.lock().expect("no code panics while it holds the listeners. This is a bug.")
    }
}
