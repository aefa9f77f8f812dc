//! What a viewer may see of an event.
//!
//! Shoppers get every number, so that they can tell a gap from a secret: a private event is `hidden` to them. They never
//! see where a reply came from, nor who of the staff wrote.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::domain::{
    Cmid, ConvId, Ended, Event, EventKind, MessageId, Owner, Point, Reason, Seq, Speaker, Status, Summary,
    Thumb,
};

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    Shopper,
    Staff,
}

/// A numbered event as a viewer sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct WireEvent {
    #[ts(type = "string")]
    pub conv: ConvId,
    pub seq: Seq,
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    #[serde(flatten)]
    pub kind: WireKind,
}

/// Which side wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    Shopper,
    Staff,
}

/// Who wrote, for staff: shoppers get no name until the shop gives its people public ones.
pub type By = Option<String>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WireKind {
    Said {
        #[ts(type = "string")]
        cmid: Cmid,
        by: Party,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        staff: By,
        text: String,
    },
    Reply {
        #[ts(type = "string")]
        mid: MessageId,
        /// It answers everything up to this event.
        upto: Seq,
        text: String,
        #[ts(type = "\"complete\" | \"length\" | \"stopped\" | \"interrupted\" | \"failed\" | \"refused\"")]
        ended: Ended,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        provenance: Option<WireProvenance>,
    },
    Status {
        #[ts(type = "\"open\" | \"resolved\" | \"retry\"")]
        status: Status,
    },
    Owner {
        #[ts(type = "\"ai\" | \"queue\" | \"staff\"")]
        owner: Owner,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        staff: By,
        /// Why a person is wanted. A shopper is only told that they asked for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(
            optional,
            type = "\"asked\" | \"word\" | \"mood\" | \"repeated\" | \"unsure\" | \"closed\" | \"model\""
        )]
        reason: Option<Reason>,
        /// Nobody is there now: an address may be left with `contact`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        away: Option<bool>,
        /// Staff only: which colleague gave it to `staff`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        by: By,
    },
    /// Staff only.
    Tool {
        name: String,
        #[ts(type = "unknown")]
        outcome: serde_json::Value,
    },
    Rating {
        of: Seq,
        #[ts(type = "\"up\" | \"down\"")]
        value: Thumb,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        comment: Option<String>,
    },
    /// Staff only.
    Note { staff: String, text: String },
    /// Staff only.
    Summary {
        text: String,
        /// What was found out, in the conversation's own words; for a mood or a reason its stable name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(
            optional,
            type = "{ about: \"question\" | \"product\" | \"attribute\" | \"mood\" | \"reason\", name?: string, text: string }[]"
        )]
        points: Option<Vec<Point>>,
    },
    /// Staff only: what the model should have said in its reply `of`.
    Correction { of: Seq, staff: String, text: String },
    /// Staff only: what the model had suggested for the staff message `of`.
    Draft { of: Seq, staff: String, text: String },
    /// Staff only: the conversation's tags, all of them.
    Tags { staff: String, tags: Vec<String> },
    /// Something only the shop's side may read; its number is shown so that there is no gap.
    Hidden,
}

/// Where a reply came from; staff only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct WireProvenance {
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub adapter: Option<String>,
    pub prompt: String,
    /// A number of 64 bits, as text: JavaScript cannot hold it.
    pub seed: String,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    /// Rounds of tool calls before the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub rounds: Option<u32>,
    pub first_ms: u32,
    pub total_ms: u32,
}

impl WireEvent {
    /// `event` as `viewer` may see it.
    pub fn of(event: &Event, viewer: Viewer) -> Self {
        let kind = match viewer {
            Viewer::Shopper if event.kind.is_private() => WireKind::Hidden,
            _ => WireKind::of(&event.kind, viewer),
        };
        Self { conv: event.conv, seq: event.seq, at: event.at, kind }
    }
}

impl WireKind {
    fn of(kind: &EventKind, viewer: Viewer) -> Self {
        let staff_sees = |name: &str| (viewer == Viewer::Staff).then(|| name.to_owned());
        match kind {
            EventKind::Said { cmid, by, text } => {
                let (by, staff) = match by {
                    Speaker::Shopper => (Party::Shopper, None),
                    Speaker::Staff(id) => (Party::Staff, staff_sees(&id.0)),
                };
                Self::Said { cmid: *cmid, by, staff, text: text.clone() }
            }
            EventKind::Reply { mid, upto, text, ended, provenance } => Self::Reply {
                mid: *mid,
                upto: *upto,
                text: text.clone(),
                ended: *ended,
                provenance: match viewer {
                    Viewer::Shopper => None,
                    Viewer::Staff => provenance.as_ref().map(WireProvenance::of),
                },
            },
            EventKind::Status { status, .. } => Self::Status { status: *status },
            EventKind::Owner { owner, staff, why, by, .. } => Self::Owner {
                owner: *owner,
                staff: staff.as_ref().and_then(|id| staff_sees(&id.0)),
                reason: why
                    .map(|why| why.reason)
                    .filter(|reason| viewer == Viewer::Staff || *reason == Reason::Asked),
                away: why.and_then(|why| why.away.then_some(true)),
                by: by.as_ref().and_then(|id| staff_sees(&id.0)),
            },
            EventKind::Tool { name, outcome } => Self::Tool { name: name.clone(), outcome: outcome.clone() },
            EventKind::Rating { of, value, comment } => {
                Self::Rating { of: *of, value: *value, comment: comment.clone() }
            }
            EventKind::Note { by, text } => Self::Note { staff: by.0.clone(), text: text.clone() },
            EventKind::Summary(Summary { text, points }) => {
                let points = (!points.is_empty()).then(|| points.clone());
                Self::Summary { text: text.clone(), points }
            }
            EventKind::Correction { of, by, text } => {
                Self::Correction { of: *of, staff: by.0.clone(), text: text.clone() }
            }
            EventKind::Draft { of, by, text } => {
                Self::Draft { of: *of, staff: by.0.clone(), text: text.clone() }
            }
            EventKind::Tags { by, tags } => {
                Self::Tags { staff: by.0.clone(), tags: tags.as_slice().to_vec() }
            }
        }
    }
}

impl WireProvenance {
    fn of(from: &crate::domain::Provenance) -> Self {
        Self {
            model: from.model.clone(),
            adapter: from.adapter.clone(),
            prompt: from.prompt.clone(),
            seed: from.seed.to_string(),
            prompt_tokens: from.prompt_tokens,
            completion_tokens: from.completion_tokens,
            rounds: (from.rounds > 0).then_some(from.rounds),
            first_ms: from.first_ms,
            total_ms: from.total_ms,
        }
    }
}
