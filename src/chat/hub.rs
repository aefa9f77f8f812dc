//! Fan-out: who listens to which conversation, and what they are told.
//!
//! A listener owns a bounded [`Inbox`]; the hub holds [`Outlet`]s. A listener that does not keep up is cut off whole and
//! comes back by its last number; single events are never skipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc::{self, error::TrySendError};

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

impl Notice {
    /// Bytes it keeps in memory while it waits, about.
    fn weight(&self) -> usize {
        let text = match self {
            Self::Event(event) => event.kind.text_bytes(),
            Self::Delta(delta) => delta.text.len(),
            Self::Suggestion(piece) => piece.text.len(),
            Self::Gone(_) | Self::Queued { .. } | Self::Typing { .. } => 0,
        };
        text + WEIGHT
    }
}

/// What a notice weighs besides its text.
const WEIGHT: usize = 256;

/// What both ends of a listener's queue know.
#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    overflowed: AtomicBool,
}

/// The receiving end of one listener.
#[derive(Debug)]
pub struct Inbox {
    queue: mpsc::Receiver<Notice>,
    waiting: Arc<Waiting>,
}

impl Inbox {
    /// The next notice; `None` once the listener has been cut off or let go.
    pub async fn next(&mut self) -> Option<Notice> {
        if self.overflowed() {
            return None;
        }
        let notice = self.queue.recv().await?;
        self.waiting.bytes.fetch_sub(notice.weight(), Ordering::AcqRel);
        Some(notice)
    }

    /// True if there is nothing to hear right now.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True if the listener was cut off because it did not keep up.
    pub fn overflowed(&self) -> bool {
        self.waiting.overflowed.load(Ordering::Acquire)
    }
}

/// The sending end of one listener; one for all conversations it listens to.
#[derive(Clone, Debug)]
pub struct Outlet {
    id: u64,
    queue: mpsc::Sender<Notice>,
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Outlet {
    /// An outlet and its inbox, which holds at most `capacity` notices, and at most `bytes` in them unless it is a single one.
    pub fn new(capacity: usize, bytes: usize) -> (Self, Inbox) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (sender, queue) = mpsc::channel(capacity);
        let waiting = Arc::<Waiting>::default();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        (Self { id, queue: sender, waiting: waiting.clone(), bytes }, Inbox { queue, waiting })
    }

    /// False once the listener is gone or cut off.
    pub(super) fn tell(&self, notice: Notice) -> bool {
        if self.waiting.overflowed.load(Ordering::Acquire) {
            return false;
        }
        let weight = notice.weight();
        let before = self.waiting.bytes.fetch_add(weight, Ordering::AcqRel);
        let fits = before == 0 || before + weight <= self.bytes;
        match if fits { self.queue.try_send(notice) } else { Err(TrySendError::Full(notice)) } {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.waiting.overflowed.store(true, Ordering::Release);
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
        // Most are heard by their shopper alone.
        let outlets = map.entry(conv).or_insert_with(|| Vec::with_capacity(1));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Notice {
        let (conv, mid) = (ConvId(uuid::Uuid::nil()), MessageId(uuid::Uuid::nil()));
        Notice::Delta(Arc::new(Delta { conv, mid, off: 0, text: text.into() }))
    }

    #[tokio::test]
    async fn a_listener_that_lags_in_bytes_is_cut_off_whole() {
        let (outlet, mut inbox) = Outlet::new(100, 2_000);
        let long = piece(&"x".repeat(5_000));
        assert!(outlet.tell(long.clone()), "a single one may be longer");
        assert_eq!(inbox.next().await, Some(long));
        let short = piece(&"x".repeat(600));
        for _ in 0..10 {
            assert!(
                outlet.tell(short.clone()) && outlet.tell(short.clone()),
                "those that are read make room"
            );
            assert!(inbox.next().await.is_some() && inbox.next().await.is_some());
        }
        assert!(outlet.tell(short.clone()) && outlet.tell(short.clone()));
        assert!(!outlet.tell(short.clone()) && inbox.overflowed());
        assert_eq!(inbox.next().await, None, "not even what came before");
        assert!(!outlet.tell(piece("")));
    }
}
