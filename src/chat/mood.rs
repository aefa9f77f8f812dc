//! The mood of a conversation: every message of a shopper is read by the sentiment tool when the model has nothing else to
//! do, and what it finds is kept for the staff. A run of bad ones calls a person, if the shop wants that.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::Desk;
use super::desk::Inner;
use crate::domain::{Command, ConvId, Event, EventKind, Seq, Speaker};
use crate::store::StoreError;
use crate::tools::{SentimentItem, Tool, ToolError, Toolbox};

/// Messages that may wait to be read; more are not read at all.
const WAITING: usize = 1000;

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
    /// Reads the mood of every message from now on. Only the first call counts.
    pub fn watch_mood(&self, toolbox: Toolbox) {
        let (feed, heard) = mpsc::channel(WAITING);
        if toolbox.settings().watch_sentiment && self.0.mood.set(feed).is_ok() {
            self.0.runtime.spawn(follow(Arc::downgrade(&self.0), toolbox, heard));
        }
    }
}

async fn follow(desk: Weak<Inner>, toolbox: Toolbox, mut heard: mpsc::Receiver<Heard>) {
    while let Some(Heard { conv, seq, text }) = heard.recv().await {
        let sentiment = match toolbox.sentiment(&SentimentItem { text, ..SentimentItem::default() }).await {
            Ok(sentiment) => sentiment,
            Err(ToolError::Item { .. }) => continue,
            Err(fault) => {
                tracing::warn!(%conv, code = fault.code(), %fault, "a mood could not be read");
                continue;
            }
        };
        let Some(desk) = desk.upgrade() else { return };
        let outcome = serde_json::json!({ "of": seq, "label": sentiment.label, "scores": sentiment.scores });
        let command = Command::Tool { name: Tool::Sentiment.name().to_owned(), outcome };
        match desk.store.commit(conv, command).await {
            Ok(_) | Err(StoreError::Refused(_)) => {}
            Err(fault) => tracing::warn!(%conv, %fault, "a mood could not be kept"),
        }
    }
}
