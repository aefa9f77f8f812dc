//! One small durable document: a JSON file that is replaced as a whole.
//!
//! A change is written beside the file, synced, renamed over it, and the folder synced: after a crash the file is the old one
//! or the new one. A lock file orders changes of several processes (a running server and `shopclerk staff`), and each reader
//! notices when another process replaced the file.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use fs_err as fs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::StaffError;

/// The version of the documents.
const FORMAT: u32 = 1;

/// Which file was read: another one has another inode or time.
type Stamp = (u64, i64, i64, u64);

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    #[serde(flatten)]
    data: T,
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// A document of type `T` at one path.
#[derive(Debug)]
pub(crate) struct Durable<T> {
    path: PathBuf,
    cached: RwLock<(Arc<T>, Option<Stamp>)>,
    gate: Mutex<()>,
    changed: watch::Sender<u64>,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Durable<T> {
    /// Reads the document; a missing one is the default.
    pub(crate) fn open(path: PathBuf) -> Result<Self, StaffError> {
        let read = read(&path)?;
        Ok(Self { path, cached: RwLock::new(read), gate: Mutex::default(), changed: watch::Sender::new(0) })
    }

    /// The newest version; looks whether another process replaced the file. A file that cannot be read leaves the last good
    /// version in force.
    pub(crate) fn get(&self) -> Arc<T> {
        let (known, stamp) = self.cached().clone();
        if stamp_of(&self.path) == stamp {
            return known;
        }
        match read::<T>(&self.path) {
            Ok(fresh) => {
                let value = fresh.0.clone();
                self.put(fresh);
                value
            }
            Err(fault) => {
                tracing::error!(code = fault.code(), %fault, "the last good version stays in force");
                known
            }
        }
    }

    /// Changes the document, or not at all if `change` refuses. Blocks until it is on the disk.
    pub(crate) fn change<R>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, StaffError>,
    ) -> Result<R, StaffError> {
        let _gate = self.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _lock = self.lock()?;
        let mut data = (*self.get()).clone();
        let outcome = change(&mut data)?;
        let stamp = self.write(&data)?;
        self.put((Arc::new(data), stamp));
        Ok(outcome)
    }

    /// Grows with every version.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn put(&self, fresh: (Arc<T>, Option<Stamp>)) {
        *self.cached.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        self.changed.send_modify(|n| *n += 1);
    }

    fn cached(&self) -> std::sync::RwLockReadGuard<'_, (Arc<T>, Option<Stamp>)> {
        self.cached.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Other processes wait until the returned file is closed.
    fn lock(&self) -> Result<fs::File, StaffError> {
        let path = self.path.with_extension("lock");
        let io = |e: std::io::Error| StaffError::io(&path, &e);
        fs::create_dir_all(self.folder()).map_err(io)?;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        rustix::fs::flock(file.file(), rustix::fs::FlockOperation::LockExclusive)
            .map_err(|e| io(e.into()))?;
        Ok(file)
    }

    fn write(&self, data: &T) -> Result<Option<Stamp>, StaffError> {
        let text = serde_json::to_vec_pretty(&Envelope { format: FORMAT, data })
            .expect("documents become JSON. This is a bug.");
        replace(&self.path, &text)?;
        Ok(stamp_of(&self.path))
    }
}

/// Puts `bytes` in the place of the file at `path`, or leaves that as it is. Blocks until it is on the disk.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StaffError> {
    let io = |e: std::io::Error| StaffError::io(path, &e);
    let folder = path.parent().unwrap_or(Path::new("."));
    // tempfile makes it with mode 0600: hashes and second factors are nobody else's business.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

fn read<T: Default + DeserializeOwned>(path: &Path) -> Result<(Arc<T>, Option<Stamp>), StaffError> {
    // Taken first: a file replaced in the meantime is read again next time.
    let stamp = stamp_of(path);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok((Arc::default(), None)),
        Err(fault) => return Err(StaffError::io(path, &fault)),
    };
    let damaged = |fault: serde_json::Error| StaffError::Damaged {
        place: path.to_owned(),
        what: format!("not a document of shopclerk (line {}, column {})", fault.line(), fault.column()),
    };
    let Version { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if format > FORMAT {
        return Err(StaffError::Newer { place: path.to_owned(), found: format, known: FORMAT });
    }
    let envelope: Envelope<T> = serde_json::from_slice(&bytes).map_err(damaged)?;
    Ok((Arc::new(envelope.data), stamp))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Notes {
        notes: BTreeMap<String, u32>,
    }

    fn add(file: &Durable<Notes>, key: &str) {
        file.change(|notes| {
            *notes.notes.entry(key.to_owned()).or_default() += 1;
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn two_processes_change_it_and_see_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("staff/notes.json");
        let (a, b) =
            (Durable::<Notes>::open(path.clone()).unwrap(), Durable::<Notes>::open(path.clone()).unwrap());
        let mut changes = b.changes();
        changes.mark_unchanged();
        std::thread::scope(|scope| {
            for file in [&a, &b] {
                scope.spawn(move || (0..20).for_each(|_| add(file, "x")));
            }
        });
        assert_eq!(a.get().notes["x"], 40);
        assert_eq!(b.get().notes["x"], 40);
        assert!(changes.has_changed().unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_refused_change_leaves_nothing_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.json");
        let file = Durable::<Notes>::open(path.clone()).unwrap();
        let refused = file.change(|notes| {
            notes.notes.insert("y".into(), 1);
            Err::<(), _>(StaffError::Busy)
        });
        assert_eq!(refused, Err(StaffError::Busy));
        assert!(!path.exists());
        add(&file, "x");
        fs::write(&path, b"{").unwrap();
        assert_eq!(file.get().notes["x"], 1, "the last good version stays");
        assert_eq!(Durable::<Notes>::open(path.clone()).unwrap_err().code(), "staff_damaged");
        fs::write(&path, br#"{"format":9}"#).unwrap();
        assert_eq!(Durable::<Notes>::open(path).unwrap_err().code(), "staff_newer");
    }
}
