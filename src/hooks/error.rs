//! What can go wrong with webhooks, each with a stable code and the fix.

use std::path::{Path, PathBuf};

use crate::staff::StaffError;

#[derive(Debug, thiserror::Error)]
pub enum HooksError {
    #[error("there is no such webhook")]
    NoSuchHook,
    #[error("{0}")]
    BadUrl(String),
    #[error("choose at least one event")]
    NoEvents,
    #[error("there are {0} webhooks already; remove one first")]
    TooMany(usize),
    #[error(transparent)]
    Staff(#[from] StaffError),
    #[error("{}: {fault}; check that this user may write there and that the disk is healthy and not full", .place.display())]
    Io { place: PathBuf, fault: String },
}

impl HooksError {
    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchHook => "not_found",
            Self::BadUrl(_) => "bad_url",
            Self::NoEvents => "no_events",
            Self::TooMany(_) => "too_many",
            Self::Staff(fault) => fault.code(),
            Self::Io { .. } => "webhooks_io",
        }
    }

    pub(super) fn io(place: &Path, fault: &std::io::Error) -> Self {
        Self::Io { place: place.to_owned(), fault: fault.to_string() }
    }
}
