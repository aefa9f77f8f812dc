//! What one frame of the journal says.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::frame::{MAX_PAYLOAD, OVERHEAD, push_frame};
use crate::clock::Millis;
use crate::domain::{ConvId, Event, Head, Job, Shopper};

/// The version of what the journal's frames say. 2 knows [`Record::Erased`], which a program of format 1 takes for damage: see
/// `docs/decisions/0010-forgetting.md`.
pub(super) const FORMAT: u32 = 2;

/// The number of a record: 1, 2, 3, ... over all files of the journal, without gaps.
pub(super) type Lsn = u64;

/// One record. `E` is [`Event`], or its raw JSON where it must come back byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record<E = Event> {
    /// The first record of each file; it has no number.
    Start(Start),
    Commit(Commit<E>),
    Shopper(Remember),
    /// In the place of an entry that was erased, and as long as it was.
    Erased(Erased),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) format: u32,
    pub(super) segment: u32,
    pub(super) at: Millis,
}

/// What one command did. Head and job are those *after* it, so that the state of a conversation is known from its
/// newest record alone: a damaged record in the middle costs what it said, never who owns the conversation now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Commit<E = Event> {
    pub(super) lsn: Lsn,
    pub(super) conv: ConvId,
    pub(super) events: Vec<E>,
    pub(super) head: Head,
    pub(super) job: Option<Job>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Erased {
    pub(super) lsn: Lsn,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remember {
    pub(super) lsn: Lsn,
    pub(super) shopper: Shopper,
}

impl<E> Record<E> {
    pub(super) fn lsn(&self) -> Option<Lsn> {
        match self {
            Self::Start(_) => None,
            Self::Commit(commit) => Some(commit.lsn),
            Self::Shopper(remember) => Some(remember.lsn),
            Self::Erased(erased) => Some(erased.lsn),
        }
    }
}

impl<E: Serialize> Record<E> {
    /// Appends the record to `into` as one frame and returns the frame's length in bytes.
    pub(super) fn push(&self, into: &mut Vec<u8>) -> Result<u32, StoreError> {
        let payload = serde_json::to_vec(self).expect("records become JSON. This is a bug.");
        if payload.len() > MAX_PAYLOAD {
            return Err(StoreError::TooLarge { bytes: payload.len(), limit: MAX_PAYLOAD });
        }
        push_frame(into, &payload);
        Ok((payload.len() + OVERHEAD) as u32)
    }
}

/// Where a frame is: file, offset and length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Location(pub(super) u32, pub(super) u64, pub(super) u32);

/// A place between two records: everything up to record `lsn`, which ends at byte `end` of file `segment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) lsn: Lsn,
    pub(super) segment: u32,
    pub(super) end: u64,
}

impl Mark {
    pub(super) fn place(self) -> (u32, u64) {
        (self.segment, self.end)
    }
}
