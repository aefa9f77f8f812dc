//! The index: sled, behind the only code that names it.
//!
//! It can always be made again from the journal, so it is trusted as long as it works: a panic inside sled, a sled
//! error or a row with a bad checksum marks it, the store stops, and the next opening makes it again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{StoreError, StoreHealth};
use super::frame::{BadFrame, check_row, open_row, seal_row};
use super::keys;
use super::record::{Commit, Location, Mark, Remember};
use crate::domain::EventKind;

/// How long sled may take to open before it is called hung.
const OPEN_LIMIT: Duration = Duration::from_secs(120);
/// The smallest page cache sled accepts well, in bytes.
const MIN_CACHE: u64 = 8 * 1024 * 1024;

/// Why sled did not open.
pub(super) enum OpenFault {
    /// The index is broken; it can be made again.
    Broken(String),
    /// The index may be fine; something around it is not.
    Around(StoreError),
}

/// sled, and whether it can still be believed.
pub(super) struct Index {
    db: RwLock<Option<sled::Db>>,
    file: fs::File,
    /// Its presence makes the next opening build the index again.
    marker: PathBuf,
    health: Mutex<StoreHealth>,
}

/// Rows to be written at once.
#[derive(Default)]
pub(super) struct Batch(sled::Batch);

impl Batch {
    pub(super) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) {
        let row = seal_row(&key, value);
        self.0.insert(key, row);
    }

    pub(super) fn drop_row(&mut self, key: Vec<u8>) {
        self.0.remove(key);
    }

    /// Every row that follows from `commit`, which lies at `place`. Doing it twice changes nothing.
    pub(super) fn stage(&mut self, commit: &Commit, place: Location) {
        let conv = commit.conv;
        for event in &commit.events {
            self.put(keys::event(conv, event.seq), &place);
            if let EventKind::Said { cmid, .. } = &event.kind {
                self.put(keys::cmid(conv, *cmid), &event.seq);
            }
        }
        // With every commit, so that it is there again even if the first one was damaged.
        if let Some(shopper) = commit.head.shopper {
            self.put(keys::opened(shopper, commit.head.created_at, conv), &());
        }
        self.put(keys::head(conv), &commit.head);
        match &commit.job {
            Some(job) => self.put(keys::job(conv), job),
            None => self.drop_row(keys::job(conv)),
        }
        if commit.job.is_some() || commit.head.awaits_model() {
            self.put(keys::owed(conv), &());
        } else {
            self.drop_row(keys::owed(conv));
        }
    }

    pub(super) fn stage_shopper(&mut self, remember: &Remember) {
        self.put(keys::shopper(remember.shopper.id), &remember.shopper);
    }
}

/// Opens sled in its own thread: it may panic or hang on a damaged file.
fn open_sled(dir: &Path, cache_bytes: u64) -> Result<sled::Db, OpenFault> {
    let config =
        sled::Config::new().path(dir).cache_capacity(cache_bytes.max(MIN_CACHE)).flush_every_ms(None);
    let (tell, told) = std::sync::mpsc::channel();
    let spawned = std::thread::Builder::new().name("store-open".into()).spawn(move || {
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        let _ = tell.send(opened);
    });
    spawned.map_err(|e| OpenFault::Around(StoreError::io(dir, &e)))?;
    match told.recv_timeout(OPEN_LIMIT) {
        Ok(Ok(Ok(db))) => Ok(db),
        Ok(Ok(Err(sled::Error::Io(e)))) if !is_damage(&e) => Err(OpenFault::Around(StoreError::io(dir, &e))),
        Ok(Ok(Err(fault))) => Err(OpenFault::Broken(fault.to_string())),
        Ok(Err(_)) => Err(OpenFault::Broken("sled panicked while it read its files".into())),
        Err(_) => Err(OpenFault::Around(StoreError::Corrupt {
            place: dir.to_owned(),
            what: "the index did not open within two minutes".into(),
            fix: "stop shopclerk and move this folder away: it is made again from the journal".into(),
        })),
    }
}

/// Why work on sled failed.
enum Fault {
    /// The files say something that was never written.
    Damage(String),
    /// The disk did not do as told.
    Disk(String),
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(e) if !is_damage(&e) => Self::Disk(e.to_string()),
            other => Self::Damage(other.to_string()),
        }
    }
}

impl Fault {
    fn row(key: &[u8], bad: BadFrame) -> Self {
        // Keys hold ids; a log needs no more than the kind.
        let kind = key.first().map_or('?', |b| char::from(*b));
        Self::Damage(format!("a row of kind `{kind}`: {bad}"))
    }
}

/// True for what damaged files make sled report as an I/O error.
fn is_damage(fault: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, NotFound, Other, UnexpectedEof};
    // sled reports a lock it cannot get as `Other` with this text.
    let locked = fault.to_string().contains("lock");
    matches!(fault.kind(), InvalidData | InvalidInput | NotFound | UnexpectedEof | Other)
        && !locked
        && fault.raw_os_error().is_none()
}

impl Index {
    /// Opens or creates the index in `dir`. The caller holds the store's lock, so a lock inside sled can only be a
    /// leftover of this very process and goes away.
    pub(super) fn open(dir: &Path, cache_mib: u64, marker: &Path) -> Result<Self, OpenFault> {
        remove_half_snapshots(dir);
        let mut tries = 0;
        let db = loop {
            match open_sled(dir, cache_mib * 1024 * 1024) {
                Err(OpenFault::Around(StoreError::Io { fault, .. }))
                    if fault.contains("lock") && tries < 50 =>
                {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => break other?,
            }
        };
        let path = dir.join("db");
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| OpenFault::Around(StoreError::io(&path, &e)))?;
        Ok(Self {
            db: RwLock::new(Some(db)),
            file,
            marker: marker.to_owned(),
            health: Mutex::new(StoreHealth::Writable),
        })
    }

    /// Runs `work` on sled; anything unexpected marks the index and stops the store.
    fn with<T>(&self, work: impl FnOnce(&sled::Db) -> Result<T, Fault>) -> Result<T, StoreError> {
        if let StoreHealth::Failed(why) = self.health() {
            return Err(StoreError::Failed(why));
        }
        let guard = self.db.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(db) = guard.as_ref() else { return Err(StoreError::Closed) };
        match catch_unwind(AssertUnwindSafe(|| work(db))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Fault::Damage(why))) => Err(self.distrust(&why)),
            Ok(Err(Fault::Disk(why))) => {
                Err(self.fail(format!("its index could not be read or written: {why}")))
            }
            Err(_) => Err(self.distrust("sled panicked")),
        }
    }

    /// Stops the store and has the index made again at the next start.
    fn distrust(&self, why: &str) -> StoreError {
        let why = format!("its index is damaged ({why}) and will be made again from the journal");
        if let Err(fault) = fs::write(&self.marker, why.as_bytes()) {
            tracing::error!(%fault, "the damaged index could not be marked");
        }
        self.fail(why)
    }

    /// Stops the store until a restart.
    pub(super) fn fail(&self, why: String) -> StoreError {
        let mut health = self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let StoreHealth::Failed(first) = &*health {
            return StoreError::Failed(first.clone());
        }
        tracing::error!(why, "the store stopped; restart shopclerk");
        *health = StoreHealth::Failed(why.clone());
        StoreError::Failed(why)
    }

    pub(super) fn health(&self) -> StoreHealth {
        self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Says whether writing works; a failed store stays failed.
    pub(super) fn set_read_only(&self, reason: Option<String>) {
        let mut health = self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = reason.map_or(StoreHealth::Writable, StoreHealth::ReadOnly);
        if *health == new || matches!(*health, StoreHealth::Failed(_)) {
            return;
        }
        match &new {
            StoreHealth::ReadOnly(why) => tracing::error!(why, "the store only reads"),
            _ => tracing::info!("the store writes again"),
        }
        *health = new;
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.with(|db| match db.get(key)? {
            Some(row) => open_row(key, &row).map(Some).map_err(|bad| Fault::row(key, bad)),
            None => Ok(None),
        })
    }

    /// At most `limit` rows whose keys begin with `prefix` and are not below `from`, in order of their keys.
    pub(super) fn scan<T: DeserializeOwned>(
        &self,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        self.with(|db| {
            let mut rows = Vec::new();
            for row in db.range(from.to_vec()..).take(limit) {
                let (key, value) = row?;
                if !key.starts_with(prefix) {
                    break;
                }
                let value = open_row(&key, &value).map_err(|bad| Fault::row(&key, bad))?;
                rows.push((key.to_vec(), value));
            }
            Ok(rows)
        })
    }

    /// Writes all rows of `batch` or none.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.with(|db| Ok(db.apply_batch(batch.0)?))
    }

    /// Brings everything applied so far to the disk's surface, and notes in the index that it is there.
    pub(super) fn checkpoint(&self, upto: Mark) -> Result<(), StoreError> {
        self.with(|db| {
            db.flush()?;
            self.file.sync_all().map_err(|e| Fault::Disk(e.to_string()))
        })?;
        let mut note = Batch::default();
        note.put(keys::CHECKPOINT.to_vec(), &upto);
        self.apply(note)
    }

    /// Reads every page and checks every row.
    pub(super) fn inspect(&self) -> Result<(), StoreError> {
        self.with(|db| {
            for row in db.iter() {
                let (key, value) = row?;
                check_row(&key, &value).map_err(|bad| Fault::row(&key, bad))?;
            }
            Ok(())
        })
    }

    /// The number of rows whose keys begin with `prefix`.
    pub(super) fn count_of(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        self.with(|db| Ok(db.scan_prefix(prefix).try_fold(0, |n, row| row.map(|_| n + 1))?))
    }

    /// Flushes and lets go of sled's files. Reads fail with `Closed` from here on.
    pub(super) fn close(&self) {
        let db = self.db.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(db) = db {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let flushed = db.flush();
                drop(db);
                flushed
            }));
            if !matches!(outcome, Ok(Ok(_))) {
                tracing::warn!("the index could not be flushed; the journal has everything");
            }
        }
    }
}

impl Drop for Index {
    /// sled panics in its own `drop` when the disk fails; that must not take an opening down that could say why.
    fn drop(&mut self) {
        self.close();
    }
}

/// A snapshot sled was still writing when the process was killed keeps it from opening (sled issue 1527).
fn remove_half_snapshots(dir: &Path) {
    let Ok(names) = fs::read_dir(dir) else { return };
    for path in names.flatten().map(|n| n.path()) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let gone = fs::remove_file(&path).is_ok();
            tracing::info!(gone, "removed a half-written snapshot of the index");
        }
    }
}
