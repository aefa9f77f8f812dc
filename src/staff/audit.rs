//! The audit log: who did what, one JSON line each, only ever appended to and synced before the caller hears of it.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::StaffError;
use crate::clock::{Clock, Millis};

/// Bytes read for one page.
const CHUNK: u64 = 256 * 1024;
/// The longest text in an entry, in characters.
const MAX_TEXT: usize = 200;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    pub at: Millis,
    /// A login name, `key:...`, `cli`, or `?` for nobody known.
    pub who: String,
    /// A stable word, e.g. `login`.
    pub what: String,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Entry {
    pub fn new(who: &str, what: &'static str) -> Self {
        Self { who: who.to_owned(), what: what.to_owned(), ..Self::default() }
    }

    pub fn on(self, on: &str) -> Self {
        Self { on: Some(short(on)), ..self }
    }

    pub fn detail(self, detail: &str) -> Self {
        Self { detail: Some(short(detail)), ..self }
    }

    pub fn from(self, address: &str) -> Self {
        Self { address: Some(short(address)), ..self }
    }
}

fn short(text: &str) -> String {
    crate::domain::text::clean(text).chars().take(MAX_TEXT).collect()
}

/// One page, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Where the next page ends; none at the beginning of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// The log at one path. Clones are one.
#[derive(Clone, Debug)]
pub struct Audit {
    path: Arc<PathBuf>,
    gate: Arc<Mutex<()>>,
    clock: Clock,
}

impl Audit {
    pub fn open(folder: &Path, clock: Clock) -> Self {
        Self { path: Arc::new(folder.join("audit.jsonl")), gate: Arc::default(), clock }
    }

    /// Appends an entry; its time is now. Blocks until it is on the disk.
    pub fn note(&self, entry: Entry) -> Result<(), StaffError> {
        let io = |e: std::io::Error| StaffError::io(&self.path, &e);
        let entry = Entry { at: self.clock.now(), ..entry };
        let mut line = serde_json::to_vec(&entry).expect("entries become JSON. This is a bug.");
        line.push(b'\n');
        let _gate = self.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let mut file = private().read(true).open(self.path.as_path()).map_err(io)?;
        // A line cut by a crash must not swallow this one.
        if ends_in_the_middle(&mut file).map_err(io)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line).map_err(io)?;
        file.sync_data().map_err(io)
    }

    /// At most `limit` entries that end before byte `before` of the log, or at its end.
    pub fn page(&self, before: Option<u64>, limit: usize) -> Result<Page, StaffError> {
        let io = |e: std::io::Error| StaffError::io(&self.path, &e);
        let mut file = match fs::File::open(self.path.as_path()) {
            Ok(file) => file,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Page::default()),
            Err(fault) => return Err(io(fault)),
        };
        let length = file.metadata().map_err(io)?.len();
        let end = before.unwrap_or(length).min(length);
        let start = end.saturating_sub(CHUNK);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        file.take(end - start).read_to_end(&mut bytes).map_err(io)?;
        Ok(newest(&bytes, start, limit))
    }
}

/// The last `limit` whole lines of `bytes`, which begin at byte `start` of the log.
fn newest(bytes: &[u8], start: u64, limit: usize) -> Page {
    let mut page = Page::default();
    let mut end = bytes.len();
    while page.entries.len() < limit {
        let Some(text) = bytes[..end].strip_suffix(b"\n").or((end > 0).then_some(&bytes[..end])) else {
            break;
        };
        let from = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        // The first line of a chunk may have begun before it.
        if from == 0 && start > 0 {
            break;
        }
        if let Ok(entry) = serde_json::from_slice(&text[from..]) {
            page.entries.push(entry);
        }
        end = from;
    }
    let next = start + end as u64;
    page.next = (next > 0 && !page.entries.is_empty()).then_some(next);
    page
}

/// Appends, and is readable by its owner alone: there are addresses in it.
fn private() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    fs::OpenOptions::from_options(options)
}

fn ends_in_the_middle(file: &mut fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pages_cover_everything_once_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(1_000);
        let audit = Audit::open(folder.path(), clock.clone());
        assert_eq!(audit.page(None, 10).unwrap(), Page::default());
        for n in 0..25 {
            clock.advance(Duration::from_millis(1));
            audit.note(Entry::new("anna", "login").on(&format!("n{n}")).from("192.0.2.1")).unwrap();
        }
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = audit.page(before, 10).unwrap();
            seen.extend(page.entries.into_iter().map(|entry| entry.on.unwrap()));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..25).rev().map(|n| format!("n{n}")).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_line_cut_by_a_crash_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), Clock::manual(1));
        audit.note(Entry::new("anna", "login")).unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"at\":1,\"who").unwrap();
        audit.note(Entry::new("bob", "logout").detail("line\u{7}")).unwrap();
        let page = audit.page(None, 10).unwrap();
        let who: Vec<&str> = page.entries.iter().map(|entry| entry.who.as_str()).collect();
        assert_eq!(who, ["bob", "anna"]);
        assert_eq!(page.entries[0].detail.as_deref(), Some("line"));
    }
}
