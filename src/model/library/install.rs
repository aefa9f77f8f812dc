//! Makes a model folder appear at once: it is written into a hidden folder beside its place, then renamed. A lock keeps
//! two commands from working on the same model; whatever a killed command left is removed by the next.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags};
use tempfile::TempDir;

use super::LibraryError;

/// What hidden folders of models in the making are called, after the model's name.
const PART: &str = ".part-";

/// A folder in the making. Dropping it removes everything written so far.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    parent: PathBuf,
    /// `content` in it becomes the model; the rest is scratch.
    work: TempDir,
    /// Held until the folder is installed or given up. The empty file stays: removing it would race with the next holder.
    _lock: fs_err::File,
}

impl Staging {
    /// Begins a folder that will become `target`.
    ///
    /// # Errors
    /// [`LibraryError::Busy`] if another process has begun the same one; a disk that cannot be written.
    pub fn begin(target: &Path) -> Result<Self, LibraryError> {
        let target = std::path::absolute(target)?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(LibraryError::Name(target.display().to_string()));
        };
        fs_err::create_dir_all(parent)?;
        let lock = fs_err::File::create(parent.join(hidden(name, ".lock")))?;
        if rustix::fs::flock(lock.file(), FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(LibraryError::Busy(target));
        }
        let prefix = hidden(name, PART);
        sweep(parent, &prefix)?;
        let work = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(|e| {
            io::Error::new(e.kind(), format!("{} cannot be written to: {e}", parent.display()))
        })?;
        fs_err::create_dir(work.path().join("content"))?;
        Ok(Self { parent: parent.to_owned(), target, work, _lock: lock })
    }

    /// Removes what this process has written so far for `target`, for a process that is about to end while another thread
    /// still writes. A file that appears meanwhile is removed by the next command.
    pub fn abandon(target: &Path) {
        if let (Some(parent), Some(name)) = (target.parent(), target.file_name()) {
            // There is nobody left to tell, and the next command tries again.
            let _ = sweep(parent, &hidden(name, PART));
        }
    }

    /// The folder that becomes the model; empty at first.
    pub fn content(&self) -> PathBuf {
        self.work.path().join("content")
    }

    /// A place for downloads, on the same disk; removed in the end.
    pub fn scratch(&self) -> &Path {
        self.work.path()
    }

    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Refuses if fewer than `need` bytes are free, before any of them is written.
    pub fn expect_space(&self, need: u64) -> Result<(), LibraryError> {
        let disk = rustix::fs::statvfs(self.work.path()).map_err(io::Error::from)?;
        let have = disk.f_bavail.saturating_mul(disk.f_frsize);
        if have < need {
            return Err(LibraryError::Full { dir: self.parent.clone(), have, need });
        }
        Ok(())
    }

    /// Puts the finished folder in its place, at once, also over an older one.
    pub fn install(self) -> Result<PathBuf, LibraryError> {
        let content = self.content();
        sync_dir(&content)?;
        if self.target.exists() {
            exchange(&content, &self.target, &self.work.path().join("old"))?;
        } else {
            fs_err::rename(&content, &self.target)?;
        }
        sync_dir(&self.parent)?;
        Ok(self.target.clone())
    }
}

fn hidden(name: &OsStr, suffix: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    hidden
}

/// Swaps two folders in one step where the file system can, else in two; the old one goes away with the scratch folder.
fn exchange(new: &Path, target: &Path, aside: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if rustix::fs::renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    fs_err::rename(target, aside)?;
    fs_err::rename(new, target)
}

/// Removes what killed commands left; the caller holds the lock.
fn sweep(parent: &Path, prefix: &OsString) -> io::Result<()> {
    for entry in fs_err::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            fs_err::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    fs_err::File::open(dir)?.sync_all()
}
