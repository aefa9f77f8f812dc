//! What past runs kept of somebody: their rows are removed, with the examples of the scorecard, and the adapters that learnt from
//! them are marked.
//!
//! Knows the files of a run and of an adapter, not the store. Whoever erases holds the [`gate`] from before this until the store
//! has erased too: rows that are just being made are then either found here, or made from what is left. Doing it twice changes nothing: adapters are marked before the rows
//! that tell of them go, so that a stop in the middle loses no mark.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::FlockOperation;
use serde::Serialize;

use super::RowsError;
use crate::domain::run::Row;
use crate::domain::{ConvId, ShopperId};

/// In the folder of a run: rows of it were removed, so whatever it publishes is tainted.
pub const TAINTED: &str = "tainted";

/// Whose rows.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Of a shopper who is erased: adapters that saw them are marked.
    Shopper(ShopperId),
    /// Of conversations that were kept long enough. Rows hold no personal data, so adapters may stay.
    Conversations(&'a [ConvId]),
}

/// Held by whoever makes rows of the store in `data`, and by whoever erases; another process waits too. Blocks.
///
/// # Errors
/// The folder cannot be made or written to.
pub fn gate(data: &Path) -> Result<Gate, RowsError> {
    let folder = data.join("runs");
    let path = folder.join(".rows.lock");
    let open = || {
        fs::create_dir_all(&folder)?;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        rustix::fs::flock(file.file(), FlockOperation::LockExclusive)?;
        Ok(Gate(file))
    };
    open().map_err(|fault: std::io::Error| io(&path, &fault))
}

/// Until it is dropped, nobody else makes rows or erases.
#[derive(Debug)]
pub struct Gate(#[expect(dead_code, reason = "held, never read")] fs::File);

/// The rows of a shopper, as `(run, row)`, in the order of the files.
///
/// # Errors
/// A file cannot be read.
pub fn rows_of(data: &Path, shopper: ShopperId) -> Result<Vec<(String, serde_json::Value)>, RowsError> {
    let mut found = Vec::new();
    for run in folders(&data.join("runs"))? {
        let Some(text) = read(&run.join("rows.jsonl"))? else { continue };
        let theirs = text.lines().filter(|line| Whose::Shopper(shopper).is_in(line));
        found.extend(theirs.map(|line| (name_of(&run), serde_json::from_str(line).unwrap_or_default())));
    }
    Ok(found)
}

/// What was found and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    pub rows: u64,
    /// Ids of the runs that had them.
    pub runs: Vec<String>,
    /// `name@version` of the adapters that learnt from them, now marked as tainted.
    pub adapters: Vec<String>,
}

/// Removes the rows from `data/runs/*/rows.jsonl` and marks the adapters in `data/adapters/NAME/VERSION`.
///
/// # Errors
/// A file cannot be read or written; what was done until then stays done.
pub fn forget(data: &Path, whose: Whose<'_>) -> Result<Forgotten, RowsError> {
    let mut forgotten = Forgotten::default();
    let mut found = Vec::new();
    for run in folders(&data.join("runs"))? {
        let file = run.join("rows.jsonl");
        let Some(text) = read(&file)? else { continue };
        let (kept, gone): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !whose.is_in(line));
        if !gone.is_empty() {
            forgotten.rows += gone.len() as u64;
            forgotten.runs.push(name_of(&run));
            found.push((run, file, kept.iter().map(|line| format!("{line}\n")).collect::<String>()));
        }
    }
    let mark = match whose {
        Whose::Shopper(_) => Mark::Tainted,
        Whose::Conversations(_) => Mark::Kept,
    };
    for (run, ..) in &found {
        if mark == Mark::Tainted {
            write(&run.join(TAINTED), b"rows of this run were erased with their shopper\n")?;
        }
        amend(&run.join("scorecard.json"), |card| {
            strip(card);
            true
        })?;
    }
    let learnt = adapters_of(data, &forgotten.runs, mark)?;
    if mark == Mark::Tainted {
        forgotten.adapters = learnt;
    }
    for (_, file, kept) in &found {
        write(file, kept.as_bytes())?;
    }
    Ok(forgotten)
}

impl Whose<'_> {
    fn is_in(&self, line: &str) -> bool {
        match serde_json::from_str::<Row>(line) {
            Ok(row) => row.lineage.iter().any(|from| match self {
                Self::Shopper(id) => from.shopper.parse::<ShopperId>().is_ok_and(|own| own == *id),
                Self::Conversations(ids) => {
                    from.conversation.parse::<ConvId>().is_ok_and(|own| ids.contains(&own))
                }
            }),
            // Not a row of ours: it goes if it names them.
            Err(_) => match self {
                Self::Shopper(id) => line.contains(&id.to_string()),
                Self::Conversations(ids) => ids.iter().any(|id| line.contains(&id.to_string())),
            },
        }
    }
}

/// Whether an adapter may go on as if nothing had happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Kept,
    Tainted,
}

/// Marks every adapter that one of `runs` made, as [`forget`] does for a shopper; returns them as `name@version`.
///
/// # Errors
/// A manifest cannot be read or written.
pub fn taint(data: &Path, runs: &[String]) -> Result<Vec<String>, RowsError> {
    adapters_of(data, runs, Mark::Tainted)
}

/// The adapters that one of `runs` made lose their examples, and are marked. Other fields of a manifest stay as they are.
fn adapters_of(data: &Path, runs: &[String], mark: Mark) -> Result<Vec<String>, RowsError> {
    let mut marked = Vec::new();
    for name in folders(&data.join("adapters"))? {
        for version in folders(&name)? {
            let theirs = amend(&version.join("manifest.json"), |manifest| {
                let theirs = manifest["run"].as_str().is_some_and(|run| runs.iter().any(|own| own == run));
                if theirs {
                    if mark == Mark::Tainted {
                        manifest["tainted"] = true.into();
                    }
                    if let Some(card) = manifest.get_mut("scorecard") {
                        strip(card);
                    }
                }
                theirs
            })?;
            if theirs {
                marked.push(format!("{}@{}", name_of(&name), name_of(&version)));
            }
        }
    }
    Ok(marked)
}

/// Takes examples and what is counted by shopper out of a scorecard; scores stay.
fn strip(card: &mut serde_json::Value) {
    for suite in card["suites"].as_array_mut().into_iter().flatten() {
        if let Some(details) = suite.get_mut("details") {
            *details = serde_json::Value::Null;
        }
    }
}

/// Changes a JSON file, if it is there, can be read, and `change` says so; returns what `change` said.
fn amend(file: &Path, change: impl FnOnce(&mut serde_json::Value) -> bool) -> Result<bool, RowsError> {
    let Some(text) = read(file)? else { return Ok(false) };
    // What cannot be read as a manifest belongs to an adapter that is not served either.
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(&text) else { return Ok(false) };
    if !value.is_object() || !change(&mut value) {
        return Ok(false);
    }
    write(file, &serde_json::to_vec_pretty(&value).map_err(|e| io(file, &e.into()))?)?;
    Ok(true)
}

/// A text, or none if there is no such file.
fn read(file: &Path) -> Result<Option<String>, RowsError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io(file, &e)),
    }
}

/// The folders in `dir`, in order; none if there is no `dir`.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, RowsError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(dir, &e)),
    };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Writes `bytes` in the place of `file`, whole or not at all.
fn write(file: &Path, bytes: &[u8]) -> Result<(), RowsError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let failed = |e: &std::io::Error| io(file, e);
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
    beside.write_all(bytes).and_then(|()| beside.as_file().sync_all()).map_err(|e| failed(&e))?;
    beside.persist(file).map_err(|e| failed(&e.error))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| failed(&e))
}

fn io(place: &Path, fault: &std::io::Error) -> RowsError {
    RowsError::Io { place: place.to_owned(), fault: fault.to_string() }
}
