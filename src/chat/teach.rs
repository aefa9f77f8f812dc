//! What staff teach the model while they work: drafts they edited, replies they corrected, tags to choose by; and what tools
//! find in a message for them.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::desk::{Ack, Desk, Say};
use super::error::DeskError;
use crate::domain::{
    Command, ConvId, Ended, Event, EventKind, Refusal, Replied, Said, Seq, Speaker, StaffId, Tags, Thumb,
};
use crate::tools::{Side, Tool, Turn};

/// What a tool found in the message `of`, for somebody of the staff.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub tool: Tool,
    pub of: Seq,
    pub by: StaffId,
    pub found: serde_json::Value,
}

impl Desk {
    /// [`Desk::say`] for a member of staff who sends what the model suggested, as it was or edited. The suggestion is kept
    /// beside the message, in the same commit: the pair teaches the model. A shopper has no drafts: theirs is ignored.
    pub async fn say_drafted(&self, say: Say, draft: Said) -> Result<Ack, DeskError> {
        let Speaker::Staff(by) = say.by.clone() else { return self.say(say).await };
        if self.0.draining.load(Ordering::Acquire) {
            return Err(DeskError::Draining);
        }
        let text = self.stripped(&say.text)?;
        let draft = self.stripped(&draft)?;
        self.put(say.conv, Command::SayDrafted { cmid: say.cmid, by, text, draft }).await
    }

    /// A member of staff says what the model should have answered in its reply `of`. Nothing the shopper sees changes.
    pub async fn correct(&self, conv: ConvId, by: StaffId, of: Seq, text: Said) -> Result<(), DeskError> {
        let text = self.stripped(&text)?;
        let event = self.0.store.events(conv, of.saturating_sub(1), 1)?.pop();
        let of = event.as_ref().and_then(Replied::of).ok_or(Refusal::NoSuchMessage)?;
        self.run(conv, Command::Correct { of, by, text }).await
    }

    /// The text of a message, for a tool.
    pub fn message(&self, conv: ConvId, seq: Seq) -> Result<String, DeskError> {
        let event =
            self.0.store.events(conv, seq.saturating_sub(1), 1)?.pop().filter(|event| event.seq == seq);
        match event.map(|event| event.kind) {
            Some(EventKind::Said { text, .. } | EventKind::Reply { text, .. }) if !text.is_empty() => {
                Ok(text)
            }
            _ => Err(Refusal::NoSuchMessage.into()),
        }
    }

    /// What was said in a conversation, each with its number: the newest messages, at most `limit`. Replies that broke off, were
    /// corrected or disliked are left out: nobody should learn from them.
    pub fn transcript(&self, conv: ConvId, limit: usize) -> Result<Vec<(Seq, Turn)>, DeskError> {
        let events = self.0.store.events(conv, 0, usize::MAX)?;
        let wrong: HashSet<Seq> = events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::Correction { of, .. } | EventKind::Rating { of, value: Thumb::Down, .. } => {
                    Some(*of)
                }
                _ => None,
            })
            .collect();
        let turn = |event: &Event| match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => Some((Side::Shopper, text.clone())),
            EventKind::Said { by: Speaker::Staff(_), text, .. } => Some((Side::Staff, text.clone())),
            EventKind::Reply { text, ended: Ended::Complete, .. } if !wrong.contains(&event.seq) => {
                Some((Side::Staff, text.clone()))
            }
            _ => None,
        };
        let mut turns: Vec<(Seq, Turn)> = events
            .iter()
            .filter_map(|event| turn(event).map(|(by, text)| (event.seq, Turn { by, text })))
            .collect();
        turns.drain(..turns.len().saturating_sub(limit));
        Ok(turns)
    }

    /// Keeps what a tool found. Returns the event's number and what it holds.
    pub async fn keep_finding(
        &self,
        conv: ConvId,
        finding: Finding,
    ) -> Result<(Seq, serde_json::Value), DeskError> {
        let Finding { tool, of, by, found } = finding;
        let mut outcome = serde_json::json!({ "of": of, "by": by });
        if let (Some(outcome), serde_json::Value::Object(found)) = (outcome.as_object_mut(), found) {
            outcome.extend(found);
        }
        let command = Command::Tool { name: tool.name().to_owned(), outcome: outcome.clone() };
        let committed = self.0.store.commit(conv, command).await?;
        Ok((committed.head.seq, outcome))
    }

    /// From now on the conversation has these tags and no others.
    pub async fn tag(&self, conv: ConvId, by: StaffId, tags: Tags) -> Result<(), DeskError> {
        self.run(conv, Command::Tag { by, tags }).await
    }
}
