//! Small files that are whole or not there, and locks between processes.

use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AdapterError;

/// Longer than any manifest with its scorecard.
const LONGEST_JSON: u64 = 16 << 20;

/// The JSON file at `path`; `None` if there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AdapterError> {
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    let mut text = Vec::new();
    file.take(LONGEST_JSON + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST_JSON {
        return Err(AdapterError::damaged(path, "is far too long"));
    }
    let value = serde_json::from_slice(&text)
        .map_err(|fault| AdapterError::damaged(path, format!("does not parse: {fault}")))?;
    Ok(Some(value))
}

/// Writes `value` beside `path`, onto the disk, and renames it into place.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(dir)?;
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|fault| fault.error)?;
    sync_dir(dir)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs_err::File::open(dir)?.sync_all()
}

/// A lock between processes, held until it is dropped. The empty file stays: removing it would race with the next holder.
#[derive(Debug)]
pub(super) struct Lock {
    _file: fs_err::File,
}

impl Lock {
    /// Waits for it.
    pub(super) fn wait(path: &Path) -> io::Result<Self> {
        let file = fs_err::File::create(path)?;
        rustix::fs::flock(file.file(), FlockOperation::LockExclusive)?;
        Ok(Self { _file: file })
    }

    /// `None` if somebody has it.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = fs_err::File::create(path)?;
        match rustix::fs::flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }
}
