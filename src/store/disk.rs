//! The few things asked of the file system: one owner, free space, a reserve, durable names.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{FallocateFlags, FlockOperation};

use super::error::StoreError;
use super::settings::Settings;

const MIB: u64 = 1024 * 1024;
/// Opening needs a few MiB of its own; below this the reserve is given up.
pub(super) const OPENING_MIB: u64 = 8;

/// Held as long as the store is open; the kernel lets go when the process ends, however it ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held, never read")] fs::File);

/// Takes the store for this process alone.
pub(super) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join("lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| StoreError::io(&path, &e))?;
    match rustix::fs::flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(e) if e == rustix::io::Errno::WOULDBLOCK => Err(StoreError::Locked(dir.to_owned())),
        Err(e) => Err(StoreError::io(&path, &e.into())),
    }
}

/// MiB that this user can still write on the disk of `dir`.
pub(super) fn free_mib(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) / MIB)
}

/// Refuses if less is free on the disk of `dir` than the settings want.
pub(super) fn room(dir: &Path, settings: &Settings) -> Result<(), StoreError> {
    let (floor_mib, free_mib) = (settings.min_free_mib, free_mib(dir).map_err(|e| StoreError::io(dir, &e))?);
    if free_mib >= floor_mib {
        return Ok(());
    }
    Err(StoreError::DiskFull { dir: dir.to_owned(), free_mib, floor_mib })
}

/// Makes new, renamed and removed names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io(dir, &e))
}

/// A file that takes up space, to be given up when the store must be opened on a full disk.
pub(super) struct Ballast {
    path: PathBuf,
    mib: u64,
}

impl Ballast {
    pub(super) fn new(dir: &Path, mib: u64) -> Self {
        Self { path: dir.join("ballast"), mib }
    }

    /// Gives the space up if there is too little to open the store.
    pub(super) fn release_if_full(&self, dir: &Path) {
        if self.path.exists() && free_mib(dir).is_ok_and(|free| free < OPENING_MIB) {
            let gone = fs::remove_file(&self.path).is_ok();
            tracing::warn!(dir = %dir.display(), gone, "the disk is full: the store's reserve is given up to open it");
        }
    }

    /// Takes the space if there is plenty: without `floor_mib` being touched. Going without is no error.
    pub(super) fn take(&self, dir: &Path, floor_mib: u64) {
        let plenty = free_mib(dir).is_ok_and(|free| free > floor_mib + 2 * self.mib + OPENING_MIB);
        if self.mib == 0 || !plenty || self.path.exists() {
            return;
        }
        let taken = fs::File::create(&self.path).and_then(|file| {
            Ok(rustix::fs::fallocate(file.file(), FallocateFlags::empty(), 0, self.mib * MIB)?)
        });
        if let Err(fault) = taken {
            let _ = fs::remove_file(&self.path);
            tracing::warn!(%fault, "no reserve for a full disk could be set aside");
        }
    }
}
