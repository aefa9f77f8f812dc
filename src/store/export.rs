//! Everything as plain lines of JSON, with a manifest that lets a reader check that nothing is missing.
//!
//! To a folder: one file a table and `manifest.json`. To a file: each line `{"table":..., "row":...}`, the last one
//! `{"manifest":...}`. Two exports of the same conversations are the same bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::error::StoreError;
use super::reader::hole;
use super::{Progress, Store, disk, keys};
use crate::clock::Millis;
use crate::domain::{ConvId, Event, EventKind, Head, Job, MessageId, Provenance, Seq, Shopper, Thumb};

/// The version of the export's tables.
pub(super) const FORMAT: u32 = 1;
const PAGE: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    Conversations,
    Events,
    /// Every rating, beside the event it is; made from `events`, ignored by an import.
    Ratings,
    /// Where every reply came from; made from `events`, ignored by an import.
    Provenance,
    Shoppers,
}

impl Table {
    pub const ALL: [Self; 5] =
        [Self::Conversations, Self::Events, Self::Ratings, Self::Provenance, Self::Shoppers];

    pub fn file(self) -> &'static str {
        match self {
            Self::Conversations => "conversations.ndjson",
            Self::Events => "events.ndjson",
            Self::Ratings => "ratings.ndjson",
            Self::Provenance => "provenance.ndjson",
            Self::Shoppers => "shoppers.ndjson",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file().trim_end_matches(".ndjson"))
    }
}

/// What is in an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub tables: BTreeMap<Table, Sum>,
    /// Events that could not be read; a note stands in the place of each.
    pub holes: u64,
}

/// Rows of a table, and the SHA-256 of the rows, each with a line break behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub rows: u64,
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ConversationRow {
    pub(super) conv: ConvId,
    pub(super) head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<Job>,
}

#[derive(Serialize)]
struct RatingRow<'a> {
    conv: ConvId,
    seq: Seq,
    at: Millis,
    of: Seq,
    value: Thumb,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
}

#[derive(Serialize)]
struct ProvenanceRow<'a> {
    conv: ConvId,
    seq: Seq,
    mid: MessageId,
    #[serde(flatten)]
    provenance: &'a Provenance,
}

/// One line of an export to a file.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) table: Table,
    #[serde(borrow)]
    pub(super) row: &'a RawValue,
}

/// The last line of an export to a file.
#[derive(Serialize, Deserialize)]
pub(super) struct LastLine {
    pub(super) manifest: Manifest,
}

/// True if an export to `path` is one file, not a folder.
pub(super) fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "ndjson") && !path.is_dir()
}

impl Store {
    /// Writes everything to `path`: one file if its name ends in `.ndjson`, else a new folder. Each conversation is as it
    /// was at one moment; new messages may arrive meanwhile. Nothing is left behind if it fails.
    pub fn export(&self, path: &Path, progress: Progress<'_>) -> Result<Manifest, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let partial = PathBuf::from(format!("{}.partial", path.display()));
        clear(&partial)?;
        let failed = |e: std::io::Error| StoreError::io(&partial, &e);
        let mut sink = Sink::new(&partial, is_file(path)).map_err(failed)?;
        let holes = self.write_all(&mut sink, progress)?;
        let manifest = sink.finish(holes).map_err(failed)?;
        fs::rename(&partial, path).map_err(|e| StoreError::io(path, &e))?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk::sync_dir(parent)?;
        Ok(manifest)
    }

    fn write_all(&self, sink: &mut Sink, progress: Progress<'_>) -> Result<u64, StoreError> {
        let total = self.0.reader.index.count_of(keys::HEADS)?;
        let (mut after, mut done, mut holes) = (None, 0, 0);
        loop {
            let page = self.conversations(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (conv, head) in page {
                holes += self.write_conversation(sink, conv, head)?;
                done += 1;
                progress("conversations", done, total);
            }
        }
        for (_, shopper) in self.0.reader.index.scan::<Shopper>(keys::SHOPPERS, keys::SHOPPERS, usize::MAX)? {
            sink.put(Table::Shoppers, &shopper)?;
        }
        Ok(holes)
    }

    /// Returns the number of events that could not be read.
    fn write_conversation(&self, sink: &mut Sink, conv: ConvId, head: Head) -> Result<u64, StoreError> {
        let reader = &self.0.reader;
        let newest = head.seq;
        sink.put(Table::Conversations, &ConversationRow { conv, head, job: reader.job(conv)? })?;
        let (mut holes, mut at) = (0, 0);
        for (seq, place) in reader.places(conv, 1, newest)? {
            let Some(raw) = reader.raw_event_at(conv, seq, place)? else {
                holes += 1;
                sink.put(Table::Events, &hole(conv, seq, at))?;
                continue;
            };
            sink.line(Table::Events, raw.get())?;
            let Ok(event) = serde_json::from_str::<Event>(raw.get()) else { continue };
            at = event.at;
            match &event.kind {
                EventKind::Rating { of, value, comment } => {
                    let comment = comment.as_deref();
                    sink.put(Table::Ratings, &RatingRow { conv, seq, at, of: *of, value: *value, comment })?;
                }
                EventKind::Reply { mid, provenance: Some(provenance), .. } => {
                    sink.put(Table::Provenance, &ProvenanceRow { conv, seq, mid: *mid, provenance })?;
                }
                _ => {}
            }
        }
        Ok(holes)
    }
}

/// Removes what an earlier, broken-off attempt left.
pub(super) fn clear(path: &Path) -> Result<(), StoreError> {
    let gone = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    gone.map_err(|e| StoreError::io(path, &e))
}

/// Where the lines go.
struct Sink {
    path: PathBuf,
    /// One for all tables, or one for each.
    files: Vec<BufWriter<fs::File>>,
    sums: BTreeMap<Table, (u64, Sha256)>,
}

impl Sink {
    fn new(path: &Path, one_file: bool) -> std::io::Result<Self> {
        let mut files = Vec::new();
        if one_file {
            files.push(BufWriter::new(fs::File::create_new(path)?));
        } else {
            fs::create_dir_all(path)?;
            for table in Table::ALL {
                files.push(BufWriter::new(fs::File::create_new(path.join(table.file()))?));
            }
        }
        let sums = Table::ALL.into_iter().map(|table| (table, (0, Sha256::new()))).collect();
        Ok(Self { path: path.to_owned(), files, sums })
    }

    fn put<T: Serialize>(&mut self, table: Table, row: &T) -> Result<(), StoreError> {
        let line = serde_json::to_string(row).expect("plain values become JSON. This is a bug.");
        self.line(table, &line)
    }

    fn line(&mut self, table: Table, row: &str) -> Result<(), StoreError> {
        if let Some((rows, sum)) = self.sums.get_mut(&table) {
            *rows += 1;
            sum.update(row);
            sum.update("\n");
        }
        let written = if let [only] = self.files.as_mut_slice() {
            write!(only, "{{\"table\":\"{table}\",\"row\":").and_then(|()| writeln!(only, "{row}}}"))
        } else {
            writeln!(self.files[table as usize], "{row}")
        };
        written.map_err(|e| StoreError::io(&self.path, &e))
    }

    fn finish(mut self, holes: u64) -> std::io::Result<Manifest> {
        let sums = std::mem::take(&mut self.sums).into_iter();
        let tables =
            sums.map(|(t, (rows, sum))| (t, Sum { rows, sha256: hex::encode(sum.finalize()) })).collect();
        let manifest = Manifest { format: FORMAT, tables, holes };
        if let [only] = self.files.as_mut_slice() {
            serde_json::to_writer(&mut *only, &LastLine { manifest: manifest.clone() })?;
            writeln!(only)?;
        } else {
            let mut file = BufWriter::new(fs::File::create_new(self.path.join("manifest.json"))?);
            serde_json::to_writer_pretty(&mut file, &manifest)?;
            writeln!(file)?;
            self.files.push(file);
        }
        for file in self.files {
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        }
        Ok(manifest)
    }
}
