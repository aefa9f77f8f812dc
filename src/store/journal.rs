//! The journal: numbered files of frames, only ever appended to. Its fsync is the acknowledgement.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fs_err as fs;
use serde::de::IgnoredAny;

use super::disk::sync_dir;
use super::error::StoreError;
use super::frame::{Found, Scan, open_frame};
use super::record::{FORMAT, Location, Record, Start};
use crate::clock::Millis;

/// Files kept open for reading.
const OPEN_FILES: usize = 64;

/// More than the first record of a file takes.
const START_BYTES: u64 = 512;

/// The files of a journal, for reading.
pub(super) struct Files {
    dir: PathBuf,
    open: Mutex<HashMap<u32, Arc<std::fs::File>>>,
}

impl Files {
    /// Makes the folder if there is none.
    pub(super) fn new(dir: PathBuf) -> Result<Self, StoreError> {
        fs::create_dir_all(&dir).map_err(|e| StoreError::io(&dir, &e))?;
        Ok(Self { dir, open: Mutex::default() })
    }

    pub(super) fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:08}.log"))
    }

    /// The numbers of the files, ascending: 1, 2, 3, ... A missing one is an error, for nothing but damage removes one.
    pub(super) fn segments(&self) -> Result<Vec<u32>, StoreError> {
        let names = fs::read_dir(&self.dir).map_err(|e| StoreError::io(&self.dir, &e))?;
        let mut numbers = Vec::new();
        for name in names {
            let path = name.map_err(|e| StoreError::io(&self.dir, &e))?.path();
            if path.extension().is_some_and(|e| e == "log")
                && let Some(number) = path.file_stem().and_then(|s| s.to_str()?.parse::<u32>().ok())
            {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        for (expected, number) in (1..).zip(&numbers) {
            if *number != expected {
                return Err(missing(&self.path(expected)));
            }
        }
        Ok(numbers)
    }

    /// The bytes of a file from `from` on, or from its end if it is shorter, and where they begin.
    pub(super) fn read_from(&self, segment: u32, from: u64) -> Result<(u64, Vec<u8>), StoreError> {
        let path = self.path(segment);
        let read = || {
            let mut file = fs::File::open(&path)?;
            let from = file.seek(SeekFrom::Start(from.min(file.metadata()?.len())))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((from, bytes))
        };
        read().map_err(|e: io::Error| StoreError::io(&path, &e))
    }

    /// The first record of a file, if it is sound.
    pub(super) fn start(&self, segment: u32) -> Result<Option<Start>, StoreError> {
        let path = self.path(segment);
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|file| file.take(START_BYTES).read_to_end(&mut bytes))
            .map_err(|e| StoreError::io(&path, &e))?;
        Ok(match items::<IgnoredAny>(segment, 0, &bytes).next() {
            Some(Item::Record(_, record)) => match *record {
                Record::Start(start) => Some(start),
                _ => None,
            },
            _ => None,
        })
    }

    /// The payload of the frame at `place`; `None` if there is no sound frame.
    pub(super) fn payload(&self, place: Location) -> Result<Option<Vec<u8>>, StoreError> {
        let Location(segment, offset, length) = place;
        let mut bytes = vec![0; length as usize];
        let path = self.path(segment);
        let read = self.handle(segment).and_then(|file| file.read_exact_at(&mut bytes, offset));
        match read {
            Ok(()) => Ok(open_frame(&bytes).ok().map(<[u8]>::to_vec)),
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) => Ok(None),
            Err(e) => Err(StoreError::io(&path, &e)),
        }
    }

    /// The file was replaced: it is opened again by the next who reads.
    pub(super) fn forget(&self, segment: u32) {
        self.open.lock().expect("no code panics while it holds the files. This is a bug.").remove(&segment);
    }

    fn handle(&self, segment: u32) -> io::Result<Arc<std::fs::File>> {
        let mut open = self.open.lock().expect("no code panics while it holds the files. This is a bug.");
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        if open.len() >= OPEN_FILES {
            open.clear();
        }
        let file = Arc::new(fs::File::open(self.path(segment))?.into_parts().0);
        open.insert(segment, file.clone());
        Ok(file)
    }
}

fn missing(path: &Path) -> StoreError {
    StoreError::Corrupt {
        place: path.to_owned(),
        what: "this file of the journal is missing".into(),
        fix: "put it back from a backup; or, to go on without what it held, make an empty file of that name"
            .into(),
    }
}

pub(super) fn missing_end(path: &Path) -> StoreError {
    StoreError::Corrupt {
        place: path.to_owned(),
        what: "the index knows entries of this file of the journal, but the file is missing".into(),
        fix: "put it back from a backup; or, to begin anew, move the whole store folder away".into(),
    }
}

/// The file that is being appended to.
pub(super) struct Tail {
    file: fs::File,
    pub(super) segment: u32,
    pub(super) end: u64,
}

/// Why an append did not happen.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The disk is full; the file is as it was and can be appended to later.
    Full,
    /// What is on the disk is unknown; nothing may be written until a restart has looked.
    Fatal(String),
}

impl Tail {
    /// Begins file number `segment`.
    pub(super) fn begin(files: &Files, segment: u32, at: Millis) -> Result<Self, StoreError> {
        let path = files.path(segment);
        let failed = |e: io::Error| StoreError::io(&path, &e);
        // A stop in the middle of an earlier attempt may have left the file empty or with half a first frame.
        let file =
            fs::OpenOptions::new().create(true).truncate(true).write(true).open(&path).map_err(failed)?;
        let mut start = Vec::new();
        Record::<()>::Start(Start { format: FORMAT, segment, at }).push(&mut start)?;
        file.file().write_all_at(&start, 0).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        sync_dir(&files.dir)?;
        Ok(Self { file, segment, end: start.len() as u64 })
    }

    /// Goes on with a file whose sound part ends at `end`; what follows is cut off.
    pub(super) fn resume(files: &Files, segment: u32, end: u64) -> Result<Self, StoreError> {
        let path = files.path(segment);
        let failed = |e: io::Error| StoreError::io(&path, &e);
        let file = fs::OpenOptions::new().write(true).open(&path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() != end {
            file.set_len(end).map_err(failed)?;
        }
        // Whatever an earlier process wrote but did not fsync counts from now on.
        file.sync_all().map_err(failed)?;
        sync_dir(&files.dir)?;
        Ok(Self { file, segment, end })
    }

    /// Appends `bytes` and makes them durable.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), AppendError> {
        if let Err(fault) = self.file.file().write_all_at(bytes, self.end) {
            let full = matches!(
                fault.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            );
            return match self.file.set_len(self.end) {
                Ok(()) if full => Err(AppendError::Full),
                _ => Err(AppendError::Fatal(format!("{}: {fault}", self.file.path().display()))),
            };
        }
        // After a failed fsync the kernel may call the pages clean although they are not on the disk: never try again.
        self.file
            .sync_data()
            .map_err(|fault| AppendError::Fatal(format!("{}: {fault}", self.file.path().display())))?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// One thing found in a file of the journal, with its byte offset in the file.
pub(super) enum Item<E> {
    Record(Location, Box<Record<E>>),
    Damage { at: u64, len: u64 },
    Torn { at: u64, len: u64 },
}

/// Everything in `bytes`, which begin at byte `base` of file `segment`.
pub(super) fn items<E: serde::de::DeserializeOwned>(
    segment: u32,
    base: u64,
    bytes: &[u8],
) -> impl Iterator<Item = Item<E>> + '_ {
    Scan::new(bytes).map(move |found| match found {
        Found::Frame { at, payload } => {
            let len = (payload.len() + super::frame::OVERHEAD) as u32;
            let at = base + at as u64;
            match serde_json::from_slice(payload) {
                Ok(record) => Item::Record(Location(segment, at, len), Box::new(record)),
                Err(_) => Item::Damage { at, len: u64::from(len) },
            }
        }
        Found::Damage { at, len } => Item::Damage { at: base + at as u64, len: len as u64 },
        Found::Torn { at, len } => Item::Torn { at: base + at as u64, len: len as u64 },
    })
}
