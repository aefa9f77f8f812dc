//! The mood of a conversation: every message of a shopper is read by the sentiment tool when the model has nothing else to
//! do, and what it finds is kept for the staff. A run of bad ones calls a person, if the shop wants that. What a stop, a rush or a
//! failing model left unread is looked for in the store: after a start, and after a rush.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};

use super::Desk;
use super::desk::Inner;
use crate::domain::{Command, ConvId, Event, EventKind, Seq, Speaker};
use crate::store::StoreError;
use crate::tools::{Sentiment, SentimentItem, Tool, ToolError, Toolbox};

/// Messages that may wait to be read; more are looked for in the store when these are done.
const WAITING: usize = 1000;

/// Messages that are looked for at a time, at most, and events of one conversation that are looked through for them.
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

pub(super) struct Feed {
    line: mpsc::Sender<Heard>,
    /// Some did not fit into the line.
    lost: Arc<AtomicBool>,
}

/// Passes a shopper's message on; does nothing with other events.
pub(super) fn hear(feed: &Feed, event: &Event) {
    if let EventKind::Said { by: Speaker::Shopper, text, .. } = &event.kind {
        let heard = Heard { conv: event.conv, seq: event.seq, text: text.clone() };
        // A full line means that the model never rests: when it does, the message is looked for.
        if let Err(TrySendError::Full(_)) = feed.line.try_send(heard) {
            feed.lost.store(true, Ordering::Release);
        }
    }
}

impl Desk {
    /// Reads the mood of every message from now on, and of those that nobody has read yet. Only the first call counts.
    pub fn watch_mood(&self, toolbox: Toolbox) {
        let (line, heard) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicBool::new(true));
        let queue = Queue { heard, lost: lost.clone(), missed: VecDeque::new(), left: HashSet::new() };
        if toolbox.settings().watch_sentiment && self.0.mood.set(Feed { line, lost }).is_ok() {
            self.0.runtime.spawn(follow(Arc::downgrade(&self.0), toolbox, queue));
        }
    }
}

async fn follow(desk: Weak<Inner>, toolbox: Toolbox, mut queue: Queue) {
    while let Some(heard) = queue.next(&desk).await {
        if read(&desk, &toolbox, heard).await.is_none() {
            return;
        }
    }
}

/// What is to be read: first what is said now, then what was missed.
struct Queue {
    heard: mpsc::Receiver<Heard>,
    /// There may be messages in the store that were never heard; so it is at the start.
    lost: Arc<AtomicBool>,
    missed: VecDeque<Heard>,
    /// Those of `missed` that were not heard meanwhile.
    left: HashSet<(ConvId, Seq)>,
}

impl Queue {
    /// The next message; `None` if the desk is gone.
    async fn next(&mut self, desk: &Weak<Inner>) -> Option<Heard> {
        loop {
            match self.heard.try_recv() {
                Ok(one) => {
                    self.left.remove(&(one.conv, one.seq));
                    return Some(one);
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if let Some(one) = self.missed.pop_front() {
                if self.left.remove(&(one.conv, one.seq)) {
                    return Some(one);
                }
            } else if self.lost.swap(false, Ordering::AcqRel) {
                self.look(desk.upgrade()?).await;
            } else {
                return self.heard.recv().await;
            }
        }
    }

    async fn look(&mut self, desk: Arc<Inner>) {
        let looking = desk.runtime.clone().spawn_blocking(move || missed(&desk));
        self.missed = match looking.await {
            Ok(Ok(missed)) => missed.into(),
            Ok(Err(fault)) => {
                tracing::warn!(%fault, "the messages without a mood could not be looked for");
                VecDeque::new()
            }
            Err(_) => VecDeque::new(),
        };
        // A message that came while they were looked for is in both.
        self.left = self.missed.iter().map(|one| (one.conv, one.seq)).collect();
    }
}

/// Reads one message and keeps what is found; `None` if the desk is gone.
async fn read(desk: &Weak<Inner>, toolbox: &Toolbox, heard: Heard) -> Option<()> {
    let Heard { conv, seq, text } = heard;
    let sentiment = match judge(toolbox, text).await {
        Ok(sentiment) => sentiment,
        Err(fault) if fault.is_of_item() => return Some(()),
        Err(fault) => {
            tracing::warn!(%conv, code = fault.code(), %fault, "a mood could not be read");
            return Some(());
        }
    };
    let desk = desk.upgrade()?;
    match keep(&desk, (conv, seq), &sentiment).await {
        Ok(()) | Err(StoreError::Refused(_)) => {}
        Err(fault) => tracing::warn!(%conv, %fault, "a mood could not be kept"),
    }
    Some(())
}

/// A model that fails once, as while its adapter is changed, is asked once more.
async fn judge(toolbox: &Toolbox, text: String) -> Result<Sentiment, ToolError> {
    let item = SentimentItem { text, ..SentimentItem::default() };
    toolbox.calm().await;
    match toolbox.sentiment(&item).await {
        Err(fault) if !fault.is_of_item() => {
            tracing::info!(code = fault.code(), %fault, "a mood is read once more");
            toolbox.calm().await;
            toolbox.sentiment(&item).await
        }
        said => said,
    }
}

/// Keeps a mood once. One that is read after that of a later message is told, but is no part of a run: that is counted in the
/// order in which moods are kept.
async fn keep(desk: &Inner, (conv, seq): (ConvId, Seq), found: &Sentiment) -> Result<(), StoreError> {
    let after = desk.store.events(conv, seq, LOOKED_THROUGH)?;
    if moods(&after).any(|of| of == seq) {
        return Ok(());
    }
    let mut outcome = serde_json::json!({ "of": seq, "label": found.label, "scores": found.scores });
    if moods(&after).any(|of| of > seq) {
        outcome["late"] = true.into();
    }
    let command = Command::Tool { name: Tool::Sentiment.name().to_owned(), outcome };
    desk.store.commit(conv, command).await.map(drop)
}

/// The messages whose mood was read, each by its number. What a colleague asked for is something else.
fn moods(events: &[Event]) -> impl Iterator<Item = Seq> {
    events.iter().filter_map(|event| match &event.kind {
        EventKind::Tool { name, outcome }
            if name == Tool::Sentiment.name() && outcome.get("by").is_none() =>
        {
            outcome.get("of").and_then(serde_json::Value::as_u64)
        }
        _ => None,
    })
}

/// The messages of open conversations whose mood nobody has read, the newest conversation first.
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

/// The shopper's messages whose mood nobody has read.
fn unread(events: &[Event]) -> Vec<Heard> {
    let read: HashSet<Seq> = moods(events).collect();
    let said =
        events.iter().filter(|event| !read.contains(&event.seq)).filter_map(|event| match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => {
                Some(Heard { conv: event.conv, seq: event.seq, text: text.clone() })
            }
            _ => None,
        });
    said.collect()
}
