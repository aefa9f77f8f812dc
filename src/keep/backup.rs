//! A copy of everything that cannot be made again, taken while the server runs: one tar file, with a manifest that lets a reader
//! check that nothing is missing.
//!
//! Conversations are an export of the store, each as it was at one moment. Documents of the staff, adapters and what runs tell of
//! themselves are files that are only ever replaced whole or appended to. Left out: models, the search index, checkpoints, what
//! webhooks wait for.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tar::{Reader, Writer};
use super::{Keep, KeepError};
use crate::clock::{Clock, Millis};
use crate::store::{self, Store, Table};

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const STORE: &str = "store.ndjson";
/// Folders of the data folder that are in a backup besides single files.
const SECRET: &str = "secret.key";

/// What is in a backup: its last file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    pub format: u32,
    pub made_at: Millis,
    pub conversations: u64,
    pub events: u64,
    pub shoppers: u64,
    /// Events that could not be read when it was made; a note stands in the place of each.
    pub holes: u64,
    /// SHA-256 of every other file.
    pub files: BTreeMap<String, String>,
}

/// What of a data folder is backed up.
pub struct Source<'a> {
    pub store: &'a Store,
    pub data: &'a Path,
    pub clock: &'a Clock,
}

/// Writes a backup to the file `to`, which must not exist, and reads it again. Nothing is left behind if it fails. Blocks.
///
/// # Errors
/// A file cannot be read or written.
pub fn make(source: &Source<'_>, to: &Path) -> Result<Contents, KeepError> {
    if to.exists() {
        return Err(store::StoreError::Exists(to.to_owned()).into());
    }
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|fault| io(folder, &fault))?;
    // Beside the file it becomes, so that the disk with the room is used; hidden, and readable by its owner alone.
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let scratch = tempfile::Builder::new()
        .prefix(".backup-")
        .permissions(own)
        .tempdir_in(folder)
        .map_err(|fault| io(folder, &fault))?;
    let exported = scratch.path().join(STORE);
    let manifest = source.store.export(&exported, &|_, _, _| {})?;
    let rows = |table| manifest.tables.get(&table).map_or(0, |sum| sum.rows);
    let mut contents = Contents {
        format: FORMAT,
        made_at: source.clock.now(),
        conversations: rows(Table::Conversations),
        events: rows(Table::Events),
        shoppers: rows(Table::Shoppers),
        holes: manifest.holes,
        files: BTreeMap::new(),
    };
    let partial = scratch.path().join("backup.tar");
    let mut files = vec![(STORE.to_owned(), exported)];
    files.extend(files_of(source.data)?);
    write(&partial, &files, &mut contents).map_err(|fault| io(&partial, &fault))?;
    let read = check(&partial)?;
    debug_assert_eq!(read, contents);
    fs::rename(&partial, to).map_err(|fault| io(to, &fault))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|fault| io(folder, &fault))?;
    Ok(contents)
}

fn write(to: &Path, files: &[(String, PathBuf)], contents: &mut Contents) -> std::io::Result<()> {
    let seconds = contents.made_at / 1000;
    let mut tar = Writer::new(BufWriter::new(private(to)?));
    for (name, path) in files {
        // Removed since it was listed, e.g. a version of an adapter.
        let Ok(file) = fs::File::open(path) else { continue };
        // As long as it is now: a log goes on growing.
        let len = file.metadata()?.len();
        let mut hashed = Hashed { from: BufReader::new(file), hash: Sha256::new() };
        tar.file((name, len, seconds), &mut hashed)?;
        contents.files.insert(name.clone(), hex::encode(hashed.hash.finalize()));
    }
    let text = serde_json::to_vec_pretty(&contents)?;
    tar.file((MANIFEST, text.len() as u64, seconds), &mut text.as_slice())?;
    let file = tar.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()
}

struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// The files of a data folder besides the store, by their names in the backup.
fn files_of(data: &Path) -> Result<Vec<(String, PathBuf)>, KeepError> {
    let mut files = Vec::new();
    if data.join(SECRET).is_file() {
        files.push((SECRET.to_owned(), data.join(SECRET)));
    }
    let staff = |name: &str| name.ends_with(".json") || name == "audit.jsonl";
    list(&data.join("staff"), "staff", &mut |name, _| staff(name), &mut files)?;
    list(&data.join("adapters"), "adapters", &mut |_, _| true, &mut files)?;
    // What a run tells of itself; its checkpoints and its copy of the adapter are not needed.
    let run = |_: &str, depth: usize| depth == 1;
    list(&data.join("runs"), "runs", &mut |name, depth| run(name, depth), &mut files)?;
    Ok(files)
}

/// Adds the files under `folder` that `wanted` takes by name and depth. Hidden ones are in the making, or locks.
fn list(
    folder: &Path,
    prefix: &str,
    wanted: &mut dyn FnMut(&str, usize) -> bool,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), KeepError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(io(folder, &fault)),
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names.iter().filter(|name| !name.starts_with('.') && !name.ends_with(".lock")) {
        let (path, full) = (folder.join(name), format!("{prefix}/{name}"));
        if path.is_dir() {
            // Staff have no folders worth keeping: the search index is made again.
            if prefix != "staff" {
                list(&path, &full, wanted, files)?;
            }
        } else if wanted(name, full.matches('/').count() - 1) {
            files.push((full, path));
        }
    }
    Ok(())
}

/// Reads a backup to its end and compares every file with the manifest. Blocks.
///
/// # Errors
/// `BadBackup` with what is wrong.
pub fn check(backup: &Path) -> Result<Contents, KeepError> {
    let bad = |what: &str| KeepError::BadBackup { place: backup.to_owned(), what: what.to_owned() };
    let file = fs::File::open(backup).map_err(|fault| io(backup, &fault))?;
    let (mut files, mut manifest) = (BTreeMap::new(), None);
    let read = Reader::new(BufReader::new(file)).each(|name, len, file| {
        if name == MANIFEST {
            let mut text = Vec::new();
            file.take(64 << 20).read_to_end(&mut text)?;
            manifest = serde_json::from_slice::<Contents>(&text).ok();
            return Ok::<_, std::io::Error>(());
        }
        let mut hash = Sha256::new();
        if std::io::copy(file, &mut hash)? != len {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        files.insert(name.to_owned(), hex::encode(hash.finalize()));
        Ok(())
    });
    read.map_err(|fault| bad(&format!("it cannot be read to its end ({fault})")))?;
    let manifest = manifest.ok_or_else(|| bad("it has no manifest"))?;
    if manifest.format > FORMAT {
        return Err(bad("it was made by a newer shopclerk; use that version"));
    }
    let names = manifest.files.keys().chain(files.keys());
    for name in names {
        if manifest.files.get(name) != files.get(name) {
            return Err(bad(&format!("{name} is not what was backed up")));
        }
    }
    Ok(manifest)
}

/// Makes the data folder `data`, which must not exist or be empty, from a backup. Built beside its place and moved there when it
/// is whole. Models are fetched or copied separately.
///
/// # Errors
/// `BadBackup`; `data` holds something; a file cannot be written.
pub async fn restore(
    backup: &Path,
    data: &Path,
    settings: &store::Settings,
    clock: Clock,
) -> Result<Contents, KeepError> {
    let contents = check(backup)?;
    let building = PathBuf::from(format!("{}.restoring", data.display()));
    let empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if data.exists() && !empty(data) {
        return Err(store::StoreError::Exists(data.to_owned()).into());
    }
    if building.exists() {
        fs::remove_dir_all(&building).map_err(|fault| io(&building, &fault))?;
    }
    unpack(backup, &building)?;
    let exported = building.join(STORE);
    Store::import(&building.join("store"), &exported, settings, clock.clone(), &|_, _, _| {}).await?;
    fs::remove_file(&exported).map_err(|fault| io(&exported, &fault))?;
    let store = Store::open(&building.join("store"), settings, clock)?;
    let verified = store.verify(&|_, _, _| {});
    store.close().await;
    if let Some(fault) = verified?.faults.first().filter(|_| contents.holes == 0) {
        let what = format!("after restoring: {}: {}", fault.place, fault.what);
        return Err(KeepError::BadBackup { place: backup.to_owned(), what });
    }
    if data.exists() {
        fs::remove_dir(data).map_err(|fault| io(data, &fault))?;
    }
    fs::rename(&building, data).map_err(|fault| io(data, &fault))?;
    Ok(contents)
}

fn unpack(backup: &Path, to: &Path) -> Result<(), KeepError> {
    let file = fs::File::open(backup).map_err(|fault| io(backup, &fault))?;
    let unpacked = Reader::new(BufReader::new(file)).each(|name, _, file| {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(std::io::Error::other(format!("{name} would lie outside")));
        }
        if name == MANIFEST {
            return Ok(());
        }
        let path = to.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut into = private(&path)?;
        std::io::copy(file, &mut into)?;
        into.flush()?;
        into.sync_all()
    });
    unpacked.map_err(|fault| io(backup, &fault))
}

/// Secrets are among them: readable by the owner alone.
fn private(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    fs::OpenOptions::from_options(options).open(path)
}

fn io(place: &Path, fault: &std::io::Error) -> KeepError {
    KeepError::Io { place: place.to_owned(), fault: fault.to_string() }
}

impl Keep {
    /// As [`make`], of the server's own data, off the threads that serve.
    ///
    /// # Errors
    /// As [`make`].
    pub async fn backup(&self, to: PathBuf) -> Result<Contents, KeepError> {
        let inner = self.0.clone();
        let work = move || {
            let parts = &inner.parts;
            make(&Source { store: &parts.store, data: &parts.data, clock: &parts.clock }, &to)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| KeepError::Broken)?
    }

    /// The folder of everything.
    pub fn data(&self) -> &Path {
        &self.0.parts.data
    }
}
