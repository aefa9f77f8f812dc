//! Opening: lock, reserve, index, journal, and what a stop in the middle left to do.
//!
//! The index may be behind the journal, broken or gone: what it lacks is replayed. The journal may end in a torn frame:
//! it is cut off. Anything else that is not as written is counted in [`Recovery`], logged, and never hidden.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use uuid::Uuid;

use super::disk::{self, Ballast, Lock};
use super::erase;
use super::error::StoreError;
use super::index::{Batch, Index, OpenFault};
use super::journal::{Files, Item, Tail, items, missing_end};
use super::keys;
use super::record::{FORMAT, Location, Mark, Record};
use super::settings::Settings;
use crate::clock::Clock;

/// The version of the index's keys and values.
pub(super) const SCHEMA: u32 = 1;
/// Records replayed in one batch, so that memory stays bounded.
const REPLAY_BATCH: usize = 512;

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Journal records whose rows were put into the index.
    pub replayed: u64,
    /// Bytes of a last, never acknowledged frame that were cut off.
    pub torn_bytes: u64,
    /// Where the broken index was moved to, if it was made again.
    pub rebuilt: Option<PathBuf>,
    /// Damage to what had been written, each as `file, byte: what`.
    pub damage: Vec<String>,
}

/// Everything the writer and the readers need.
pub(super) struct Opened {
    pub(super) lock: Lock,
    pub(super) index: Arc<Index>,
    pub(super) files: Arc<Files>,
    pub(super) tail: Tail,
    pub(super) mark: Mark,
    pub(super) epoch: String,
    pub(super) recovery: Recovery,
}

/// Opens the store in `dir`, or makes a new one.
pub(super) fn open(dir: &Path, settings: &Settings, clock: &Clock) -> Result<Opened, StoreError> {
    fs::create_dir_all(dir).map_err(|e| StoreError::io(dir, &e))?;
    let lock = disk::lock(dir)?;
    let ballast = Ballast::new(dir, settings.ballast_mib);
    ballast.release_if_full(dir);
    let files = Files::new(dir.join("journal"))?;
    erase::finish(dir, &files)?;
    let segments = files.segments()?;
    let mut recovery = Recovery::default();
    let (index, Notes { epoch, checkpoint, applied }) = open_index(dir, settings, clock, &mut recovery)?;
    let mut replay = Replay { files: &files, index: &index, recovery: &mut recovery };
    let (tail, mark) = replay.run(&segments, checkpoint, applied, clock)?;
    disk::sync_dir(dir)?;
    ballast.take(dir, settings.min_free_mib);
    for what in &recovery.damage {
        tracing::error!(what, "the journal is damaged; `shopclerk data verify` lists everything");
    }
    Ok(Opened { lock, index: Arc::new(index), files: Arc::new(files), tail, mark, epoch, recovery })
}

/// Opens the index; a broken one is moved aside, kept, and replaced by an empty one.
fn open_index(
    dir: &Path,
    settings: &Settings,
    clock: &Clock,
    recovery: &mut Recovery,
) -> Result<(Index, Notes), StoreError> {
    let (place, marker) = (dir.join("index"), dir.join("index.damaged"));
    let why = match fs::read_to_string(&marker) {
        Ok(why) => why,
        Err(_) => match open_and_read(&place, settings, &marker) {
            Ok(index) => return Ok(index),
            Err(OpenFault::Around(error)) => return Err(error),
            Err(OpenFault::Broken(why)) => why,
        },
    };
    if place.exists() {
        let aside = dir.join(format!("index.broken-{}", clock.now()));
        fs::rename(&place, &aside).map_err(|e| StoreError::io(&place, &e))?;
        tracing::error!(why, kept = %aside.display(), "the index is broken and is made again from the journal");
        recovery.rebuilt = Some(aside);
    }
    if marker.exists() {
        fs::remove_file(&marker).map_err(|e| StoreError::io(&marker, &e))?;
    }
    disk::sync_dir(dir)?;
    open_and_read(&place, settings, &marker).map_err(|fault| match fault {
        OpenFault::Around(error) => error,
        OpenFault::Broken(what) => StoreError::Corrupt {
            place,
            what,
            fix: "a new, empty index does not open either: check the disk and its free space".into(),
        },
    })
}

/// What the index says about itself.
struct Notes {
    epoch: String,
    checkpoint: Mark,
    applied: Mark,
}

/// Opens the index and reads every row once: what is damaged shows now, not in the middle of a conversation.
fn open_and_read(place: &Path, settings: &Settings, marker: &Path) -> Result<(Index, Notes), OpenFault> {
    let index = Index::open(place, settings.cache_mib, marker)?;
    let broken = |e: StoreError| OpenFault::Broken(e.to_string());
    index.inspect().map_err(broken)?;
    match index.get::<u32>(keys::SCHEMA).map_err(broken)? {
        Some(found) if found > SCHEMA => {
            let place = place.to_owned();
            return Err(OpenFault::Around(StoreError::Newer { place, found, known: SCHEMA }));
        }
        Some(found) if found < SCHEMA => {
            return Err(OpenFault::Broken(format!("it is of the older format {found}")));
        }
        _ => {}
    }
    let checkpoint = index.get(keys::CHECKPOINT).map_err(broken)?.unwrap_or_default();
    let applied = index.get(keys::APPLIED).map_err(broken)?.unwrap_or_default();
    let epoch = match index.get(keys::EPOCH).map_err(broken)? {
        Some(epoch) => epoch,
        None => {
            let epoch = Uuid::new_v4().to_string();
            let mut batch = Batch::default();
            batch.put(keys::SCHEMA.to_vec(), &SCHEMA);
            batch.put(keys::EPOCH.to_vec(), &epoch);
            index.apply(batch).map_err(OpenFault::Around)?;
            epoch
        }
    };
    Ok((index, Notes { epoch, checkpoint, applied }))
}

struct Replay<'a> {
    files: &'a Files,
    index: &'a Index,
    recovery: &'a mut Recovery,
}

impl Replay<'_> {
    /// Brings the index up to the end of the journal and returns where to go on writing.
    fn run(
        &mut self,
        segments: &[u32],
        from: Mark,
        applied: Mark,
        clock: &Clock,
    ) -> Result<(Tail, Mark), StoreError> {
        let Some(&last) = segments.last() else {
            if applied.lsn > 0 {
                return Err(missing_end(&self.files.path(1)));
            }
            let tail = Tail::begin(self.files, 1, clock.now())?;
            let mark = Mark { lsn: 0, segment: 1, end: tail.end };
            self.index.checkpoint(mark)?;
            return Ok((tail, mark));
        };
        let applied = if from.place() > applied.place() { from } else { applied };
        if applied.segment > last {
            return Err(missing_end(&self.files.path(applied.segment)));
        }
        self.check_format(last)?;
        let mut mark = Mark { segment: from.segment.max(1), ..from };
        for segment in mark.segment..=last {
            let start = if segment == from.segment { from.end } else { 0 };
            self.segment(segment, start, segment == last, &mut mark)?;
        }
        let tail = self.tail(last, &mut mark, applied, clock)?;
        self.index.checkpoint(mark)?;
        Ok((tail, mark))
    }

    /// Replays one file from byte `start` on and moves `mark` over what is sound.
    fn segment(
        &mut self,
        segment: u32,
        start: u64,
        is_last: bool,
        mark: &mut Mark,
    ) -> Result<(), StoreError> {
        let (start, bytes) = self.files.read_from(segment, start)?;
        let mut batch = Batch::default();
        let mut staged = 0;
        *mark = Mark { lsn: mark.lsn, segment, end: start };
        for item in items::<crate::domain::Event>(segment, start, &bytes) {
            match item {
                Item::Record(place, record) => {
                    mark.end = place.1 + u64::from(place.2);
                    self.lsn_follows(&record, place, mark);
                    match *record {
                        Record::Start(_) => continue,
                        Record::Commit(commit) => batch.stage(&commit, place),
                        Record::Shopper(remember) => batch.stage_shopper(&remember),
                        Record::Erased(_) => {}
                    }
                    staged += 1;
                    self.recovery.replayed += 1;
                }
                Item::Torn { len, .. } if is_last => self.recovery.torn_bytes += len,
                Item::Torn { at, len } | Item::Damage { at, len } => {
                    mark.end = at + len;
                    self.damaged(segment, at, &format!("{len} bytes are not what was written"));
                }
            }
            if staged >= REPLAY_BATCH {
                staged = 0;
                batch.put(keys::APPLIED.to_vec(), &*mark);
                self.index.apply(std::mem::take(&mut batch))?;
                self.index.checkpoint(*mark)?;
            }
        }
        batch.put(keys::APPLIED.to_vec(), &*mark);
        self.index.apply(batch)
    }

    /// Checks a record's number.
    fn lsn_follows(&mut self, record: &Record, place: Location, mark: &mut Mark) {
        if let Some(lsn) = record.lsn() {
            if lsn != mark.lsn + 1 {
                self.damaged(place.0, place.1, &format!("entry {lsn} follows entry {}", mark.lsn));
            }
            mark.lsn = lsn;
        }
    }

    /// Refuses a journal whose newest file is of a newer format.
    fn check_format(&self, last: u32) -> Result<(), StoreError> {
        match self.files.start(last)? {
            Some(start) if start.format > FORMAT => {
                Err(StoreError::Newer { place: self.files.path(last), found: start.format, known: FORMAT })
            }
            _ => Ok(()),
        }
    }

    fn is_older(&self, segment: u32) -> Result<bool, StoreError> {
        Ok(self.files.start(segment)?.is_some_and(|start| start.format < FORMAT))
    }

    fn damaged(&mut self, segment: u32, at: u64, what: &str) {
        self.recovery.damage.push(format!("{}, byte {at}: {what}", self.files.path(segment).display()));
    }

    /// The file to go on with. If acknowledged entries are gone from the end, the next file is begun: no offset that the
    /// index knows is ever used for anything else.
    fn tail(&mut self, last: u32, mark: &mut Mark, applied: Mark, clock: &Clock) -> Result<Tail, StoreError> {
        if self.recovery.torn_bytes > 0 {
            tracing::warn!(
                bytes = self.recovery.torn_bytes,
                "an unfinished last write was cut off the journal; it was never acknowledged"
            );
        }
        if applied.lsn > mark.lsn || applied.place() > mark.place() {
            self.damaged(last, mark.end, "acknowledged entries are missing from here on");
            mark.lsn = mark.lsn.max(applied.lsn);
            let tail = Tail::begin(self.files, last + 1, clock.now())?;
            (mark.segment, mark.end) = (tail.segment, tail.end);
            return Ok(tail);
        }
        let tail = if mark.end == 0 {
            Tail::begin(self.files, last, clock.now())?
        } else if self.is_older(last)? {
            // What an older program would misread may be written from now on: it refuses by the newest file.
            tracing::info!(format = FORMAT, "the journal goes on in a file of the newer format");
            drop(Tail::resume(self.files, last, mark.end)?);
            Tail::begin(self.files, last + 1, clock.now())?
        } else {
            Tail::resume(self.files, last, mark.end)?
        };
        (mark.segment, mark.end) = (tail.segment, tail.end);
        Ok(tail)
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
