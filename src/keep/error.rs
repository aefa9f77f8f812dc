//! What can go wrong with forgetting and keeping, each with a stable code.

use std::path::PathBuf;

use crate::runs::rows::RowsError;
use crate::staff::StaffError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("nothing is known of this shopper")]
    NoSuchShopper,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rows(#[from] RowsError),
    #[error(transparent)]
    Staff(#[from] StaffError),
    #[error("{}: {what}; take another backup", .place.display())]
    BadBackup { place: PathBuf, what: String },
    /// A server was asked, and said this.
    #[error("{0}")]
    Asked(String),
    #[error("{}: {fault}; check that this user may write there and that the disk is healthy and not full", .place.display())]
    Io { place: PathBuf, fault: String },
    #[error("the work was broken off; it is finished by the next start")]
    Broken,
}

impl KeepError {
    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchShopper => "unknown_shopper",
            Self::Store(fault) => fault.code(),
            Self::Rows(_) => "rows_io",
            Self::Staff(fault) => fault.code(),
            Self::BadBackup { .. } => "backup_damaged",
            Self::Asked(_) => "backup_failed",
            Self::Io { .. } => "keep_io",
            Self::Broken => "erase_broken",
        }
    }
}
