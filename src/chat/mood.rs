//! The mood of a conversation: every message of a shopper is read by the sentiment tool when the model has nothing else to
//! do, and what it finds is kept for the staff. A run of bad ones calls a person, if the shop wants that. What a stop left unread is
//! read after the next start.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::Desk;
use super::desk::Inner;
use crate::domain::{Command, ConvId, Event, EventKind, Seq, Speaker};
use crate::store::StoreError;
use crate::tools::{SentimentItem, Tool, Toolbox};

/// Messages that may wait to be read; more are not read at all.
const WAITING: usize = 1000;

/// Messages that are read after a start, at most, and events of one conversation that are looked through for them.
const MISSED: usize = 1000;
const LOOKED_THROUGH: usize = 200;
/// A conversation that rested for longer is left as it is.
const RESTED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Heads that are read at a time.
const PAGE: usize = 500;

/// A message of a shopper.
pub(super) struct Heard {
    conv: ConvId,
    seq: Seq,
    text: String,
}

pub(super) type Feed = mpsc::Sender<Heard>;

/// Passes a shopper's message on; does nothing with other events.
pub(super) fn hear(feed: &Feed, event: &Event) {
    if let EventKind::Said { by: Speaker::Shopper, text, .. } = &event.kind {
        // A full line means that the model never rests: moods are what can be done without.
        let _ = feed.try_send(Heard { conv: event.conv, seq: event.seq, text: text.clone() });
    }
}

impl Desk {
    /// Reads the mood of every message from now on, and of those that nobody has read yet. Only the first call counts.
    pub fn watch_mood(&self, toolbox: Toolbox) {
        let (feed, heard) = mpsc::channel(WAITING);
        if toolbox.settings().watch_sentiment && self.0.mood.set(feed).is_ok() {
            self.0.runtime.spawn(follow(Arc::downgrade(&self.0), toolbox, heard));
        }
    }
}

async fn follow(desk: Weak<Inner>, toolbox: Toolbox, mut heard: mpsc::Receiver<Heard>) {
    let Some(inner) = desk.upgrade() else { return };
    let looking = inner.runtime.clone().spawn_blocking(move || missed(&inner));
    let mut missed: VecDeque<Heard> = match looking.await {
        Ok(Ok(missed)) => missed.into(),
        Ok(Err(fault)) => {
            tracing::warn!(%fault, "the messages without a mood could not be looked for");
            VecDeque::new()
        }
        Err(_) => VecDeque::new(),
    };
    // A message that came while they were looked for is in both.
    let mut left: HashSet<(ConvId, Seq)> = missed.iter().map(|one| (one.conv, one.seq)).collect();
    loop {
        let next = match (heard.try_recv(), missed.is_empty()) {
            (Ok(one), _) => {
                left.remove(&(one.conv, one.seq));
                one
            }
            (Err(TryRecvError::Disconnected), _) => return,
            (Err(TryRecvError::Empty), true) => match heard.recv().await {
                Some(one) => one,
                None => return,
            },
            (Err(TryRecvError::Empty), false) => match missed.pop_front() {
                Some(one) if left.remove(&(one.conv, one.seq)) => one,
                _ => continue,
            },
        };
        if read(&desk, &toolbox, next).await.is_none() {
            return;
        }
    }
}

/// Reads one message and keeps what is found; `None` if the desk is gone.
async fn read(desk: &Weak<Inner>, toolbox: &Toolbox, heard: Heard) -> Option<()> {
    let Heard { conv, seq, text } = heard;
    toolbox.calm().await;
    let sentiment = match toolbox.sentiment(&SentimentItem { text, ..SentimentItem::default() }).await {
        Ok(sentiment) => sentiment,
        Err(fault) if fault.is_of_item() => return Some(()),
        Err(fault) => {
            tracing::warn!(%conv, code = fault.code(), %fault, "a mood could not be read");
            return Some(());
        }
    };
    let desk = desk.upgrade()?;
    let outcome = serde_json::json!({ "of": seq, "label": sentiment.label, "scores": sentiment.scores });
    let command = Command::Tool { name: Tool::Sentiment.name().to_owned(), outcome };
    match desk.store.commit(conv, command).await {
        Ok(_) | Err(StoreError::Refused(_)) => {}
        Err(fault) => tracing::warn!(%conv, %fault, "a mood could not be kept"),
    }
    Some(())
}

/// The messages of open conversations whose mood nobody has read, the newest conversation first. Those before one that was read are
/// left: a run of moods is counted in the order in which they are read.
fn missed(desk: &Inner) -> Result<Vec<Heard>, StoreError> {
    let since = desk.clock.now().saturating_sub(RESTED.as_millis() as u64);
    let (mut open, mut after) = (Vec::new(), None);
    loop {
        let page = desk.store.conversations(after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        open.extend(
            page.into_iter().filter(|(_, head)| !head.resolved && head.asked > 0 && head.updated_at >= since),
        );
    }
    open.sort_by_key(|(_, head)| std::cmp::Reverse(head.updated_at));
    let mut missed = Vec::new();
    for (conv, head) in open {
        let from = head.seq.saturating_sub(LOOKED_THROUGH as u64);
        let unread = unread(&desk.store.events(conv, from, LOOKED_THROUGH)?);
        if missed.len() + unread.len() > MISSED {
            break;
        }
        missed.extend(unread);
    }
    Ok(missed)
}

/// The shopper's messages after the newest whose mood was read.
fn unread(events: &[Event]) -> Vec<Heard> {
    let read = events.iter().filter_map(|event| match &event.kind {
        EventKind::Tool { name, outcome }
            if name == Tool::Sentiment.name() && outcome.get("by").is_none() =>
        {
            outcome.get("of").and_then(serde_json::Value::as_u64)
        }
        _ => None,
    });
    let read = read.max().unwrap_or(0);
    let said = events.iter().filter(|event| event.seq > read).filter_map(|event| match &event.kind {
        EventKind::Said { by: Speaker::Shopper, text, .. } => {
            Some(Heard { conv: event.conv, seq: event.seq, text: text.clone() })
        }
        _ => None,
    });
    said.collect()
}
