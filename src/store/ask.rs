//! What the writer thread is asked and what it answers.

use std::time::Instant;

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::Ear;
use super::erase::{Erasure, Whose};
use super::error::StoreError;
use crate::domain::{Command, ConvId, Event, Head, Job, Seq, Shopper};
use crate::telemetry::metric;

/// What a command led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The new events, in order; of a repeated message the event it led to the first time.
    pub events: Vec<Event>,
    /// The head after the command.
    pub head: Head,
    /// The reply in the making after the command.
    pub job: Option<Job>,
    /// The number a repeated message got the first time.
    pub duplicate: Option<Seq>,
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A whole conversation, as an export has it. Events are raw as well, so that they come back byte for byte.
pub(super) struct Import {
    pub(super) conv: ConvId,
    pub(super) head: Head,
    pub(super) job: Option<Job>,
    pub(super) events: Vec<(Event, Box<RawValue>)>,
}

/// What the writer is asked.
pub(super) enum Ask {
    Commit { conv: ConvId, command: Box<Command>, arrived: Instant, answer: Answer<Committed> },
    Remember { shopper: Box<Shopper>, answer: Answer<()> },
    Import { whole: Box<Import>, answer: Answer<()> },
    Erase { whose: Whose, answer: Answer<Erasure> },
    Close { answer: Answer<()> },
}

/// An answer that waits for the disk.
pub(super) enum Reply {
    Committed { answer: Answer<Committed>, committed: Box<Committed>, arrived: Instant },
    Done(Answer<()>),
}

impl Reply {
    pub(super) fn give(self, outcome: Result<(), StoreError>, ears: &[Ear]) {
        // Whoever no longer waits is not told; what was written stays written.
        match self {
            Self::Committed { answer, committed, arrived } => {
                metrics::histogram!(metric::COMMIT).record(arrived.elapsed().as_secs_f64());
                if outcome.is_ok() && committed.duplicate.is_none() {
                    ears.iter().for_each(|ear| ear(&committed));
                }
                let _ = answer.send(outcome.map(|()| *committed));
            }
            Self::Done(answer) => {
                let _ = answer.send(outcome);
            }
        }
    }
}
