//! What past runs kept of somebody: their rows are removed, and the adapters that learnt from them are marked.
//!
//! Knows the files of a run and of an adapter, not the store. Doing it twice changes nothing: adapters are marked before the rows
//! that tell of them go, so that a stop in the middle loses no mark.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
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
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(io(&file, &e)),
        };
        let (kept, gone): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !whose.is_in(line));
        if !gone.is_empty() {
            forgotten.rows += gone.len() as u64;
            forgotten.runs.push(name_of(&run));
            found.push((run, file, kept.iter().map(|line| format!("{line}\n")).collect::<String>()));
        }
    }
    if matches!(whose, Whose::Shopper(_)) {
        for (run, ..) in &found {
            write(&run.join(TAINTED), b"rows of this run were erased with their shopper\n")?;
        }
        forgotten.adapters = taint(data, &forgotten.runs)?;
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

/// Marks every adapter that one of `runs` made. Other fields of its manifest stay as they are.
fn taint(data: &Path, runs: &[String]) -> Result<Vec<String>, RowsError> {
    let mut marked = Vec::new();
    for name in folders(&data.join("adapters"))? {
        for version in folders(&name)? {
            let file = version.join("manifest.json");
            let text = match fs::read(&file) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(io(&file, &e)),
            };
            // A manifest that cannot be read belongs to an adapter that is not served either.
            let Ok(mut manifest) = serde_json::from_slice::<serde_json::Value>(&text) else { continue };
            if !manifest["run"].as_str().is_some_and(|run| runs.iter().any(|own| own == run)) {
                continue;
            }
            manifest["tainted"] = true.into();
            let text = serde_json::to_vec_pretty(&manifest).map_err(|e| io(&file, &e.into()))?;
            write(&file, &text)?;
            marked.push(format!("{}@{}", name_of(&name), name_of(&version)));
        }
    }
    Ok(marked)
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
