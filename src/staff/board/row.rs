//! One line of the list: what a colleague sees of a conversation without opening it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::clock::Millis;
use crate::domain::{
    ConvId, Event, EventKind, Head, Owner, SENTIMENT, Seq, ShopperId, Speaker, StaffId, Status, Thumb,
    tells_mood,
};

/// The longest preview, in characters.
const PREVIEW: usize = 140;
/// Unread messages that are told apart; more count as this many.
const MAX_UNREAD: usize = 99;

/// A conversation in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Row {
    #[ts(type = "string")]
    #[schema(value_type = String, format = "uuid")]
    pub conv: ConvId,
    pub seq: Seq,
    #[ts(type = "\"ai\" | \"queue\" | \"staff\"")]
    #[schema(value_type = String)]
    pub owner: Owner,
    /// Who answers, while that is a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    #[schema(value_type = Option<String>)]
    pub staff: Option<StaffId>,
    /// Which colleague gave it to `staff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    #[schema(value_type = Option<String>)]
    pub given_by: Option<StaffId>,
    pub status: Standing,
    /// Since when the shopper waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub waiting_since: Option<Millis>,
    /// The shopper's newest messages that were read as negative, without one between that was not and without an answer of a person.
    #[serde(default)]
    pub unhappy: u32,
    /// Messages of the shopper that no colleague has seen.
    pub unread: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub preview: Option<Preview>,
    pub shopper: RowShopper,
    /// The newest judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "\"up\" | \"down\"")]
    #[schema(value_type = Option<String>)]
    pub rating: Option<Thumb>,
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub mood: Option<String>,
    /// Who has it open now.
    pub viewers: Vec<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    #[default]
    Open,
    Resolved,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Preview {
    pub by: PreviewBy,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewBy {
    Shopper,
    Staff,
    Ai,
}

/// Who writes to the shop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RowShopper {
    #[ts(type = "string")]
    #[schema(value_type = Option<String>)]
    pub id: Option<ShopperId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub email: Option<String>,
    /// An address they gave in the chat; nobody vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub contact: Option<String>,
    pub verified: bool,
    pub blocked: bool,
}

/// A row and what is needed to keep it right.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) row: Row,
    /// Somebody said something: the conversation is in the list.
    pub(super) spoken: bool,
    /// Numbers of unread messages.
    unread: Vec<Seq>,
    taught: Taught,
}

/// What there is to learn from in one conversation.
#[derive(Clone, Debug, Default)]
struct Taught {
    by_staff: usize,
    drafts: usize,
    /// Numbers of the replies that were corrected, and of those that are liked.
    corrected: Vec<Seq>,
    liked: Vec<Seq>,
}

/// What there is to learn from in all conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gathered {
    /// Messages of the team.
    pub by_staff: usize,
    /// Those of them the model had drafted: draft and sent text are a pair.
    pub drafts: usize,
    /// Replies of the model that were corrected.
    pub corrected: usize,
    /// Replies that were rated good.
    pub liked: usize,
}

impl Card {
    pub(super) fn new(conv: ConvId) -> Self {
        let row = Row {
            conv,
            seq: 0,
            owner: Owner::Ai,
            staff: None,
            given_by: None,
            status: Standing::Open,
            waiting_since: None,
            unhappy: 0,
            unread: 0,
            preview: None,
            shopper: RowShopper::default(),
            rating: None,
            tags: Vec::new(),
            mood: None,
            viewers: Vec::new(),
            created_at: 0,
            updated_at: 0,
        };
        Self { row, spoken: false, unread: Vec::new(), taught: Taught::default() }
    }

    /// Counts what there is to learn from here.
    pub(super) fn gather(&self, into: &mut Gathered) {
        into.by_staff += self.taught.by_staff;
        into.drafts += self.taught.drafts;
        into.corrected += self.taught.corrected.len();
        into.liked += self.taught.liked.len();
    }

    /// Takes in the next event.
    pub(super) fn fold(&mut self, event: &Event) {
        self.taught.fold(&event.kind);
        let row = &mut self.row;
        row.seq = event.seq;
        // A mood is read whenever the model has a moment: nothing happened.
        if !matches!(&event.kind, EventKind::Tool { name, .. } if name == SENTIMENT) {
            row.updated_at = event.at;
        }
        match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => {
                self.spoken = true;
                row.preview = Some(preview(PreviewBy::Shopper, text));
                if row.owner != Owner::Ai {
                    row.waiting_since.get_or_insert(event.at);
                }
                if self.unread.len() < MAX_UNREAD {
                    self.unread.push(event.seq);
                }
            }
            EventKind::Said { by: Speaker::Staff(_), text, .. } => {
                self.spoken = true;
                row.preview = Some(preview(PreviewBy::Staff, text));
                row.waiting_since = None;
                row.unhappy = 0;
                // Whoever answers has read.
                self.unread.clear();
            }
            EventKind::Reply { text, .. } if !text.is_empty() => {
                row.preview = Some(preview(PreviewBy::Ai, text));
            }
            EventKind::Status { status: Status::Open, shopper } => {
                row.status = Standing::Open;
                if let Some(shopper) = shopper {
                    row.shopper.id = Some(*shopper);
                    row.created_at = event.at;
                }
            }
            EventKind::Status { status: Status::Resolved, .. } => {
                row.status = Standing::Resolved;
                row.waiting_since = None;
                row.unhappy = 0;
            }
            EventKind::Owner { owner, staff, by, .. } => {
                row.owner = *owner;
                row.given_by = by.clone();
                row.staff = staff.clone();
                match owner {
                    Owner::Queue => drop(row.waiting_since.get_or_insert(event.at)),
                    Owner::Ai => (row.waiting_since, row.unhappy) = (None, 0),
                    // Until the first word the shopper still waits.
                    Owner::Staff => {}
                }
            }
            EventKind::Rating { value, .. } => row.rating = Some(*value),
            EventKind::Tags { tags, .. } => row.tags = tags.as_slice().to_vec(),
            EventKind::Tool { name, outcome } if tells_mood(name, outcome) => {
                let label = outcome.get("label").and_then(serde_json::Value::as_str);
                row.mood =
                    label.filter(|l| ["positive", "neutral", "negative"].contains(l)).map(str::to_owned);
                // Unlike the run that calls a person, this one goes on while the shopper waits for one.
                row.unhappy = if label == Some("negative") { row.unhappy + 1 } else { 0 };
            }
            _ => {}
        }
        row.unread = self.unread.len();
    }

    /// Where events were damaged, the head still says how things stand.
    pub(super) fn settle(&mut self, head: &Head) {
        let row = &mut self.row;
        row.owner = head.owner;
        row.staff = head.staff.clone();
        row.status = if head.resolved { Standing::Resolved } else { Standing::Open };
        row.shopper.id = head.shopper;
        row.created_at = head.created_at;
    }

    /// Everything up to `seq` was read by a person. True if that changes anything.
    pub(super) fn seen(&mut self, seq: Seq) -> bool {
        let before = self.unread.len();
        self.unread.retain(|unread| *unread > seq);
        self.row.unread = self.unread.len();
        self.unread.len() < before
    }
}

impl Taught {
    fn fold(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Said { by: Speaker::Staff(_), .. } => self.by_staff += 1,
            EventKind::Draft { .. } => self.drafts += 1,
            EventKind::Correction { of, .. } if !self.corrected.contains(of) => self.corrected.push(*of),
            // The newest judgement counts.
            EventKind::Rating { of, value, .. } => {
                self.liked.retain(|liked| liked != of);
                if *value == Thumb::Up {
                    self.liked.push(*of);
                }
            }
            _ => {}
        }
    }
}

fn preview(by: PreviewBy, text: &str) -> Preview {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(PREVIEW).collect();
    if short.len() < line.len() {
        short.pop();
        short.push('…');
    }
    Preview { by, text: short }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_mood_that_is_read_is_no_news() {
        let conv = ConvId(Uuid::from_u128(1));
        let mut card = Card::new(conv);
        let said = EventKind::Said {
            cmid: crate::domain::Cmid(Uuid::from_u128(2)),
            by: Speaker::Shopper,
            text: "It is torn.".to_owned(),
        };
        card.fold(&Event { conv, seq: 1, at: 10, kind: said });
        let outcome = serde_json::json!({"of": 1, "label": "negative"});
        let mood = EventKind::Tool { name: SENTIMENT.to_owned(), outcome };
        card.fold(&Event { conv, seq: 2, at: 90_000, kind: mood });
        assert_eq!((card.row.seq, card.row.updated_at, card.row.mood.as_deref()), (2, 10, Some("negative")));
    }
}
