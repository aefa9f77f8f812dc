//! What somebody wants to happen to a conversation, and what it leads to.

use serde::{Deserialize, Serialize};

use super::event::{Ended, Event, EventKind, Provenance, Speaker, Summary, Thumb};
use super::handoff::HandOff;
use super::ids::{Cmid, MessageId, Seq, ShopperId, StaffId};
use super::tags::Tags;
use super::text::Said;

/// The durable mark of a reply in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The newest message it answers.
    pub upto: Seq,
    pub mid: MessageId,
    pub epoch: u64,
    /// 1 for the first try; more after a crash in the middle of one.
    pub attempt: u32,
}

impl Job {
    /// True for a later try at the reply that `before` was a try at.
    pub fn begins_again(&self, before: &Self) -> bool {
        self.upto == before.upto && self.epoch == before.epoch && self.attempt > before.attempt
    }
}

/// A reply cut short because somebody else answers from now on, exactly as far as it was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    pub job: Job,
    pub text: String,
    pub provenance: Option<Provenance>,
}

/// What is needed to open a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    pub shopper: ShopperId,
}

/// The number of an event that is a reply of the model: only a reply can be judged or corrected. Events never change, so what was
/// read once stays true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replied(pub(super) Seq);

impl Replied {
    /// `None` if `event` is anything but a reply.
    pub fn of(event: &Event) -> Option<Self> {
        matches!(event.kind, EventKind::Reply { .. }).then_some(Self(event.seq))
    }
}

/// What somebody wants to happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Open(Opening),
    Say {
        cmid: Cmid,
        by: Speaker,
        text: Said,
    },
    /// A member of staff sends what the model had suggested, as suggested or edited.
    SayDrafted {
        cmid: Cmid,
        by: StaffId,
        text: Said,
        draft: Said,
    },
    /// The model starts on everything asked so far.
    Begin {
        mid: MessageId,
        epoch: u64,
    },
    /// The model's answer, whole or cut short.
    Finish {
        job: Job,
        text: String,
        ended: Ended,
        provenance: Option<Provenance>,
    },
    /// The shopper wants the last answer again.
    Retry,
    /// A shopper's message that brings a person by a rule, in the same commit. `cut` is what was shown of the reply this ends.
    SayAndHandOff {
        cmid: Cmid,
        text: Said,
        why: HandOff,
        cut: Option<Cut>,
    },
    /// A person is wanted. `cut` is what was shown of the reply this ends.
    Person {
        why: HandOff,
        cut: Option<Cut>,
    },
    /// The shopper, still in the queue, goes back to the model.
    Assistant,
    Take {
        by: StaffId,
        cut: Option<Cut>,
    },
    /// A colleague gets the conversation, from whoever answers it now. `from` is who held it when this was decided: of two
    /// who give it away at once only one does.
    Assign {
        to: StaffId,
        from: Option<StaffId>,
        by: StaffId,
        cut: Option<Cut>,
    },
    /// A member of staff hands back to the model.
    Release(StaffId),
    Rate {
        of: Replied,
        value: Thumb,
        comment: Option<String>,
    },
    Note {
        by: StaffId,
        text: Said,
    },
    Tool {
        name: String,
        outcome: serde_json::Value,
    },
    /// The model called a tool for the reply it is at. Refused once that reply is not to be given any more.
    Call {
        job: Job,
        name: String,
        outcome: serde_json::Value,
    },
    /// A member of staff says what the model should have answered.
    Correct {
        of: Replied,
        by: StaffId,
        text: Said,
    },
    /// What a colleague should know who has not read the conversation.
    Summarize(Summary),
    /// From now on the conversation has these tags and no others.
    Tag {
        by: StaffId,
        tags: Tags,
    },
    /// The conversation is done with. `cut` is what was shown of the reply this ends.
    Resolve {
        cut: Option<Cut>,
    },
    /// A member of staff opens a resolved conversation again. The model owes nothing for what was said before.
    Reopen,
}

impl Command {
    /// The client's own id of the message, if this says one.
    pub fn cmid(&self) -> Option<Cmid> {
        match self {
            Self::Say { cmid, .. } | Self::SayDrafted { cmid, .. } | Self::SayAndHandOff { cmid, .. } => {
                Some(*cmid)
            }
            _ => None,
        }
    }
}

/// What a command leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    pub events: Vec<EventKind>,
    pub job: JobChange,
}

/// What becomes of the durable job mark, in the same batch as the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobChange {
    #[default]
    Keep,
    Set(Job),
    Clear,
}
