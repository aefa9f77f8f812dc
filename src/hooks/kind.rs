//! Which events are told, and what is said of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{ConvId, Event, EventKind, Owner, Seq, Speaker, Status};
use crate::store::{Store, StoreError};

/// A first message is looked for among so many events.
const BEGINNING: usize = 20;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum Kind {
    /// The first message of a conversation.
    #[serde(rename = "conversation.started")]
    Started,
    /// A person is wanted.
    #[serde(rename = "conversation.handed_off")]
    HandedOff,
    #[serde(rename = "conversation.resolved")]
    Resolved,
    /// The shopper judged an answer.
    #[serde(rename = "conversation.rated")]
    Rated,
    /// The shopper wrote.
    #[serde(rename = "message.received")]
    Message,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Started, Self::HandedOff, Self::Resolved, Self::Rated, Self::Message];

    /// As it is written in the body and the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "conversation.started",
            Self::HandedOff => "conversation.handed_off",
            Self::Resolved => "conversation.resolved",
            Self::Rated => "conversation.rated",
            Self::Message => "message.received",
        }
    }

    /// What `event` is told as.
    pub(super) fn of(event: &Event, store: &Store) -> Result<Vec<Self>, StoreError> {
        Ok(match &event.kind {
            EventKind::Said { by: Speaker::Shopper, .. } => {
                let began = event.seq <= BEGINNING as Seq
                    && !store.events(event.conv, 0, event.seq as usize - 1)?.iter().any(is_said);
                if began { vec![Self::Started, Self::Message] } else { vec![Self::Message] }
            }
            EventKind::Owner { owner: Owner::Queue, .. } => vec![Self::HandedOff],
            EventKind::Status { status: Status::Resolved, .. } => vec![Self::Resolved],
            EventKind::Rating { .. } => vec![Self::Rated],
            _ => Vec::new(),
        })
    }
}

fn is_said(event: &Event) -> bool {
    matches!(event.kind, EventKind::Said { by: Speaker::Shopper, .. })
}

/// The body of a delivery; none if its conversation was erased since.
pub(super) fn body(
    store: &Store,
    id: &str,
    (kind, conv, seq): (Kind, ConvId, Seq),
) -> Result<Option<String>, StoreError> {
    let Some(head) = store.head(conv)? else { return Ok(None) };
    let Some(event) = store.events(conv, seq.saturating_sub(1), 1)?.pop().filter(|event| event.seq == seq)
    else {
        return Ok(None);
    };
    let mut shopper = json!({ "id": head.shopper });
    if let Some(id) = head.shopper
        && let Some(known) = store.shopper(id)?
    {
        shopper = json!({
            "id": id, "name": known.name, "email": known.email, "external": known.external, "verified": known.verified,
        });
    }
    let data = match &event.kind {
        EventKind::Said { text, .. } => json!({ "text": text }),
        EventKind::Rating { of, value, comment } => json!({ "of": of, "value": value, "comment": comment }),
        _ => Value::Null,
    };
    let body = json!({
        "id": id, "event": kind.name(), "at": event.at, "conversation": conv, "seq": seq, "shopper": shopper, "data": data,
    });
    Ok(Some(body.to_string()))
}
