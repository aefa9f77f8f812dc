//! Why the desk refuses, with a stable code for each reason.

use std::time::Duration;

use crate::domain::{EmailError, PageError, Refusal, TagError, TextError};
use crate::model::ModelError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Tags(#[from] TagError),
    #[error(transparent)]
    Email(#[from] EmailError),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("too many messages; try again in {} s", .retry_after.as_secs().max(1))]
    RateLimited { retry_after: Duration },
    #[error("the allowance of this hour is used up; try again in {} min", .retry_after.as_secs().div_ceil(60))]
    AllowanceUsed { retry_after: Duration },
    #[error("too many people are waiting; try again in {} s", .retry_after.as_secs().max(1))]
    Busy { retry_after: Duration },
    #[error(
        "the shop takes no more messages here; write to its e-mail address if you think this is a mistake"
    )]
    Blocked,
    #[error("the server is about to restart; your message can be sent again in a moment")]
    Draining,
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<StoreError> for DeskError {
    fn from(fault: StoreError) -> Self {
        match fault {
            StoreError::Refused(refusal) => Self::Refused(refusal),
            other => Self::Store(other),
        }
    }
}

impl DeskError {
    /// The line is full.
    pub(super) const BUSY: Self = Self::Busy { retry_after: Duration::from_secs(10) };

    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Text(TextError::Empty) => "empty_message",
            Self::Text(TextError::TooLong) => "message_too_long",
            Self::Tags(_) => "bad_tags",
            Self::Email(_) => "bad_email",
            Self::Page(_) => "bad_page",
            Self::RateLimited { .. } => "rate_limited",
            Self::AllowanceUsed { .. } => "allowance_used",
            Self::Busy { .. } => "busy",
            Self::Blocked => "blocked",
            Self::Draining => "restarting",
            Self::Store(fault) => fault.code(),
            Self::Model(fault) => fault.code(),
        }
    }

    /// After how long the same request may succeed.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after }
            | Self::AllowanceUsed { retry_after }
            | Self::Busy { retry_after } => Some(*retry_after),
            Self::Draining => Some(Duration::from_secs(5)),
            Self::Store(fault) => fault.is_passing().then_some(Duration::from_secs(5)),
            Self::Blocked
            | Self::Refused(_)
            | Self::Text(_)
            | Self::Tags(_)
            | Self::Email(_)
            | Self::Page(_)
            | Self::Model(_) => None,
        }
    }
}
