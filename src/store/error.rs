//! What can go wrong with the store, each with a stable code, the file and the fix.

use std::path::{Path, PathBuf};

use crate::domain::Refusal;

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The state machine says no; nothing is wrong with the store.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the store has too much to write just now; try again in a moment")]
    Busy,
    #[error(
        "{}: only {free_mib} MiB are free on the disk, the store wants {floor_mib} (store.min_free_mib); free some space and try again",
        .dir.display()
    )]
    DiskFull { dir: PathBuf, free_mib: u64, floor_mib: u64 },
    #[error("an entry of {bytes} bytes is larger than the store accepts ({limit} bytes); shorten the text")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{}: {what}; {fix}", .place.display())]
    Corrupt { place: PathBuf, what: String, fix: String },
    #[error(
        "{}: written by a newer shopclerk (format {found}, this one reads up to {known}); start that version, or restore an export made by this one",
        .place.display()
    )]
    Newer { place: PathBuf, found: u32, known: u32 },
    #[error("{}: another shopclerk uses this store; stop it first, or give --data another folder", .0.display())]
    Locked(PathBuf),
    #[error("{}: {fault}; check that the folder exists, that this user may write there and that the disk is healthy", .place.display())]
    Io { place: PathBuf, fault: String },
    #[error("{}: exists already; give a name that is free", .0.display())]
    Exists(PathBuf),
    #[error("{}: has conversations; an import needs an empty store: give --data another folder, or move this one away", .0.display())]
    NotEmpty(PathBuf),
    #[error("{}: {what}; make the export again, or fetch it again", .place.display())]
    BadExport { place: PathBuf, what: String },
    /// A write or a read failed in a way that must not be tried again in this process.
    #[error("the store stopped: {0}; nothing acknowledged is lost: restart shopclerk")]
    Failed(String),
    #[error("the store is closed: shopclerk is stopping")]
    Closed,
}

impl StoreError {
    /// The stable code a client or a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Busy => "store_busy",
            Self::DiskFull { .. } => "store_disk_full",
            Self::TooLarge { .. } => "store_too_large",
            Self::Corrupt { .. } => "store_corrupt",
            Self::Newer { .. } => "store_newer",
            Self::Locked(_) => "store_locked",
            Self::Io { .. } => "store_io",
            Self::Exists(_) => "store_exists",
            Self::NotEmpty(_) => "store_not_empty",
            Self::BadExport { .. } => "store_bad_export",
            Self::Failed(_) => "store_failed",
            Self::Closed => "store_closed",
        }
    }

    /// True if the same command may succeed a little later without anybody restarting anything.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::DiskFull { .. })
    }

    pub(super) fn io(place: &Path, fault: &std::io::Error) -> Self {
        if fault.kind() == std::io::ErrorKind::StorageFull {
            let dir = place.parent().unwrap_or(place).to_owned();
            return Self::DiskFull { dir, free_mib: 0, floor_mib: super::disk::OPENING_MIB };
        }
        Self::Io { place: place.to_owned(), fault: fault.to_string() }
    }
}

/// What the store can do right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreHealth {
    Writable,
    /// Reads work, commits are refused until the reason is gone.
    ReadOnly(String),
    /// Nothing works until a restart.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every error, as its reader meets it: what, where, and what to do.
    #[test]
    fn every_error_names_the_place_and_the_fix() {
        let place = || PathBuf::from("data/store");
        let all = [
            StoreError::Refused(Refusal::NotOwner),
            StoreError::Busy,
            StoreError::DiskFull { dir: place(), free_mib: 3, floor_mib: 1024 },
            StoreError::TooLarge { bytes: 300_000, limit: 262_144 },
            StoreError::Corrupt { place: place(), what: "it is cut".into(), fix: "restore a backup".into() },
            StoreError::Newer { place: place(), found: 2, known: 1 },
            StoreError::Locked(place()),
            StoreError::Io { place: place(), fault: "permission denied".into() },
            StoreError::Exists(place()),
            StoreError::NotEmpty(place()),
            StoreError::BadExport { place: place(), what: "it is cut".into() },
            StoreError::Failed("the disk failed".into()),
            StoreError::Closed,
        ];
        let said: Vec<String> = all.iter().map(|error| format!("{}: {error}", error.code())).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        not_owner: somebody else answers this conversation now
        store_busy: the store has too much to write just now; try again in a moment
        store_disk_full: data/store: only 3 MiB are free on the disk, the store wants 1024 (store.min_free_mib); free some space and try again
        store_too_large: an entry of 300000 bytes is larger than the store accepts (262144 bytes); shorten the text
        store_corrupt: data/store: it is cut; restore a backup
        store_newer: data/store: written by a newer shopclerk (format 2, this one reads up to 1); start that version, or restore an export made by this one
        store_locked: data/store: another shopclerk uses this store; stop it first, or give --data another folder
        store_io: data/store: permission denied; check that the folder exists, that this user may write there and that the disk is healthy
        store_exists: data/store: exists already; give a name that is free
        store_not_empty: data/store: has conversations; an import needs an empty store: give --data another folder, or move this one away
        store_bad_export: data/store: it is cut; make the export again, or fetch it again
        store_failed: the store stopped: the disk failed; nothing acknowledged is lost: restart shopclerk
        store_closed: the store is closed: shopclerk is stopping
        ");
    }
}
