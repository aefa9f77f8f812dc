//! From events to turns: who said what, as the model should read it.

use crate::domain::prompt::Role;
use crate::domain::{Ended, Event, EventKind, Speaker, Status};

/// What one side said without the other answering: a burst of messages is one turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) text: String,
}

/// The turns of a conversation, beginning and ending with the shopper's. What staff wrote reads as the shop's own words.
pub(super) fn turns(events: &[Event]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => push(&mut turns, Role::User, text),
            EventKind::Said { by: Speaker::Staff(_), text, .. } => push(&mut turns, Role::Assistant, text),
            EventKind::Reply { text, ended, .. } if *ended != Ended::Failed && !text.is_empty() => {
                push(&mut turns, Role::Assistant, text);
            }
            // The answer that is made again does not count.
            EventKind::Status { status: Status::Retry, .. }
                if turns.last().is_some_and(|turn| turn.role == Role::Assistant) =>
            {
                turns.pop();
            }
            _ => {}
        }
    }
    let first = turns.iter().position(|turn| turn.role == Role::User).unwrap_or(turns.len());
    turns.drain(..first);
    turns
}

fn push(turns: &mut Vec<Turn>, role: Role, text: &str) {
    match turns.last_mut() {
        Some(last) if last.role == role => {
            last.text.push('\n');
            last.text.push_str(text);
        }
        _ => turns.push(Turn { role, text: text.to_owned() }),
    }
}
