//! Everything that can happen in a conversation. Events are durable, numbered without gaps, and never change.

use serde::{Deserialize, Serialize};

use super::handoff::HandOff;
use super::ids::{Cmid, ConvId, MessageId, Seq, ShopperId, StaffId};
use super::tags::Tags;
use crate::clock::Millis;

/// One numbered event of one conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub conv: ConvId,
    pub seq: Seq,
    pub at: Millis,
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A shopper or a member of staff wrote a message.
    Said { cmid: Cmid, by: Speaker, text: String },
    /// The model's answer to every message up to and including `upto`.
    Reply {
        mid: MessageId,
        upto: Seq,
        text: String,
        ended: Ended,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provenance: Option<Provenance>,
    },
    /// The conversation was opened, resolved or reopened, or the shopper asked for the last answer again.
    Status {
        status: Status,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shopper: Option<ShopperId>,
    },
    /// Somebody else answers from here on. Pieces of an older epoch are never shown.
    Owner {
        owner: Owner,
        epoch: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<StaffId>,
        /// Why a person is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<HandOff>,
        /// Who gave it to `staff`, if that was somebody else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<StaffId>,
    },
    /// A tool's finding; staff only.
    Tool { name: String, outcome: serde_json::Value },
    /// The shopper judged the event `of`.
    Rating {
        of: Seq,
        value: Thumb,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// A private note; staff only.
    Note { by: StaffId, text: String },
    /// A summary of the conversation so far; staff only.
    Summary(Summary),
    /// The right answer in the place of the model's reply `of`; the newest one counts. Staff only.
    Correction { of: Seq, by: StaffId, text: String },
    /// What the model had suggested for the staff message `of`, before it was edited and sent. Staff only.
    Draft { of: Seq, by: StaffId, text: String },
    /// The conversation's tags, all of them. Staff only.
    Tags { by: StaffId, tags: Tags },
}

impl EventKind {
    /// Bytes of what somebody, or a tool, wrote.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Said { text, .. }
            | Self::Reply { text, .. }
            | Self::Note { text, .. }
            | Self::Correction { text, .. }
            | Self::Draft { text, .. } => text.len(),
            Self::Summary(Summary { text, points }) => {
                text.len() + points.iter().map(|point| point.text.len()).sum::<usize>()
            }
            Self::Tool { outcome, .. } => outcome.to_string().len(),
            Self::Rating { comment, .. } => comment.as_ref().map_or(0, String::len),
            Self::Tags { tags, .. } => tags.as_slice().iter().map(|tag| tag.len()).sum(),
            Self::Status { .. } | Self::Owner { .. } => 0,
        }
    }

    /// True for what only the shop's side may read.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Tool { .. }
            | Self::Note { .. }
            | Self::Summary(_)
            | Self::Correction { .. }
            | Self::Draft { .. }
            | Self::Tags { .. } => true,
            Self::Said { .. }
            | Self::Reply { .. }
            | Self::Status { .. }
            | Self::Owner { .. }
            | Self::Rating { .. } => false,
        }
    }
}

/// What a colleague should know who has not read the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// In words: the model's, or those of the conversation.
    pub text: String,
    /// What was found out, each from its own source and none made up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Point>,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    pub about: About,
    /// Which attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The conversation's own words; for a mood or a reason its stable name.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// What the shopper asked last.
    Question,
    /// A product of the shop that the shopper named.
    Product,
    /// Something the shopper said about a product.
    Attribute,
    /// `positive`, `neutral` or `negative`.
    Mood,
    /// Why a person is wanted; see [`super::handoff::Reason`].
    Reason,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    Shopper,
    Staff(StaffId),
}

/// Who answers a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The model.
    #[default]
    Ai,
    /// Nobody yet: the shopper waits for a person.
    Queue,
    /// A member of staff.
    Staff,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The model said all it wanted to.
    Complete,
    /// It reached the length limit.
    Length,
    /// The shopper pressed stop. What was shown is kept.
    Stopped,
    /// The server went down during the reply, or a person took over.
    Interrupted,
    /// The model failed; nothing useful was said.
    Failed,
    /// The guard answered in the model's place.
    Refused,
}

impl Ended {
    /// True where the shopper may ask for the answer again.
    pub fn can_retry(self) -> bool {
        matches!(self, Self::Stopped | Self::Interrupted | Self::Failed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Open,
    Resolved,
    /// The last answer is made again.
    Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thumb {
    Up,
    Down,
}

/// Where a reply came from, so that it can be traced, compared and made again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The model's name, e.g. `smollm2-135m-instruct`.
    pub model: String,
    /// `name@version` of the adapter, if one was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// SHA-256 of the prompt template and the shop's profile, first 16 hex digits.
    pub prompt: String,
    pub seed: u64,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    /// Rounds of tool calls before the answer; the tokens of all are counted together.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// Milliseconds from the start of the generation to its first piece.
    pub first_ms: u32,
    /// Milliseconds from the start of the generation to its end.
    pub total_ms: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}
