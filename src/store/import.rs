//! An export made into a store again.
//!
//! The manifest is checked against every line first; the store is built beside its place and moved there when it is
//! whole, so that a broken-off import leaves nothing that looks like a store.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fs_err as fs;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::ask::{Ask, Import};
use super::error::StoreError;
use super::export::{ConversationRow, FORMAT, LastLine, Line, Manifest, Sum, Table, clear};
use super::reader::is_hole;
use super::settings::Settings;
use super::{Progress, Store, disk};
use crate::clock::Clock;
use crate::domain::{Event, Head};

/// Conversations on their way to the writer at once.
const IN_FLIGHT: usize = 64;

impl Store {
    /// Makes the store `dir` from the export at `from`. What is at `dir` must be nothing, or a store without
    /// conversations, which is kept beside it. The store gets a new epoch.
    pub async fn import(
        dir: &Path,
        from: &Path,
        settings: &Settings,
        clock: Clock,
        progress: Progress<'_>,
    ) -> Result<Manifest, StoreError> {
        let source = Source::open(from)?;
        let manifest = source.check()?;
        let building = PathBuf::from(format!("{}.importing", dir.display()));
        clear(&building)?;
        move_empty_away(dir, settings, &clock).await?;
        let store = Self::open(&building, settings, clock)?;
        let filled = store.fill(&source, &manifest, progress).await;
        store.close().await;
        filled?;
        fs::rename(&building, dir).map_err(|e| StoreError::io(dir, &e))?;
        disk::sync_dir(dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        Ok(manifest)
    }

    async fn fill(
        &self,
        source: &Source,
        manifest: &Manifest,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let total = manifest.tables.get(&Table::Conversations).map_or(0, |sum| sum.rows);
        let mut done = 0;
        let mut stored = futures_util::stream::iter(Conversations::new(source)?)
            .map(|whole| async move {
                let whole = Box::new(whole?);
                self.ask(|answer| Ask::Import { whole, answer }).await
            })
            .buffer_unordered(IN_FLIGHT.min(self.0.settings.queue));
        while let Some(outcome) = stored.next().await {
            outcome?;
            done += 1;
            progress("conversations", done, total);
        }
        for row in source.rows(Table::Shoppers)? {
            let row = row?;
            let shopper =
                serde_json::from_str(&row).map_err(|e| source.bad(Table::Shoppers, &e.to_string()))?;
            self.remember_shopper(shopper).await?;
        }
        Ok(())
    }
}

/// Refuses a store that has conversations; one that has none is renamed.
async fn move_empty_away(dir: &Path, settings: &Settings, clock: &Clock) -> Result<(), StoreError> {
    if !dir.exists() {
        return Ok(());
    }
    let is_store = dir.join("journal").exists() || dir.join("index").exists();
    if !is_store && fs::read_dir(dir).is_ok_and(|mut names| names.next().is_none()) {
        return fs::remove_dir(dir).map_err(|e| StoreError::io(dir, &e));
    }
    if !is_store {
        return Err(StoreError::Exists(dir.to_owned()));
    }
    let store = Store::open(dir, settings, clock.clone())?;
    let empty = store.conversations(None, 1).map(|page| page.is_empty());
    store.close().await;
    if !empty? {
        return Err(StoreError::NotEmpty(dir.to_owned()));
    }
    let aside = PathBuf::from(format!("{}.before-import-{}", dir.display(), clock.now()));
    fs::rename(dir, &aside).map_err(|e| StoreError::io(dir, &e))
}

type Rows = Box<dyn Iterator<Item = Result<String, StoreError>> + Send>;
type Events<'a> = Box<dyn Iterator<Item = Result<(Event, String), StoreError>> + Send + 'a>;

/// An export on the disk: one file, or a folder.
struct Source {
    path: PathBuf,
}

impl Source {
    fn open(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Ok(Self { path: path.to_owned() });
        }
        let fault = "no such file or folder; give the path that `shopclerk data export` wrote".to_owned();
        Err(StoreError::BadExport { place: path.to_owned(), what: fault })
    }

    fn bad(&self, table: Table, what: &str) -> StoreError {
        let place = if self.path.is_dir() { self.path.join(table.file()) } else { self.path.clone() };
        StoreError::BadExport { place, what: format!("table {table}: {what}") }
    }

    fn manifest(&self) -> Result<Manifest, StoreError> {
        let dir = self.path.is_dir();
        let place = if dir { self.path.join("manifest.json") } else { self.path.clone() };
        let failed = |e: std::io::Error| StoreError::io(&place, &e);
        let bad = |what: &str| StoreError::BadExport { place: place.clone(), what: what.to_owned() };
        let manifest = if dir {
            let text = fs::read_to_string(&place).map_err(failed)?;
            serde_json::from_str::<Manifest>(&text).map_err(|e| bad(&format!("the manifest: {e}")))?
        } else {
            let lines = BufReader::new(fs::File::open(&place).map_err(failed)?).lines();
            let last = lines.last().transpose().map_err(failed)?.unwrap_or_default();
            let last = serde_json::from_str::<LastLine>(&last);
            last.map_err(|_| bad("the last line is no manifest: the file is cut short, or no export"))?
                .manifest
        };
        if manifest.format > FORMAT {
            return Err(StoreError::Newer { place, found: manifest.format, known: FORMAT });
        }
        Ok(manifest)
    }

    /// The rows of one table, in order.
    fn rows(&self, table: Table) -> Result<Rows, StoreError> {
        let dir = self.path.is_dir();
        let place = if dir { self.path.join(table.file()) } else { self.path.clone() };
        let file = fs::File::open(&place).map_err(|e| StoreError::io(&place, &e))?;
        let lines = BufReader::new(file).lines();
        Ok(Box::new(lines.enumerate().filter_map(move |(n, line)| match line {
            Err(e) => Some(Err(StoreError::io(&place, &e))),
            Ok(line) if dir => Some(Ok(line)),
            Ok(line) => match serde_json::from_str::<Line<'_>>(&line) {
                Ok(found) => (found.table == table).then(|| Ok(found.row.get().to_owned())),
                Err(_) if serde_json::from_str::<LastLine>(&line).is_ok() => None,
                Err(e) => Some(Err(StoreError::BadExport {
                    place: place.clone(),
                    what: format!("line {}: {e}", n + 1),
                })),
            },
        })))
    }

    /// Every table has the rows and the checksum that the manifest says.
    fn check(&self) -> Result<Manifest, StoreError> {
        let manifest = self.manifest()?;
        for table in Table::ALL {
            let (mut rows, mut sum) = (0, Sha256::new());
            for row in self.rows(table)? {
                rows += 1;
                sum.update(row?);
                sum.update("\n");
            }
            let found = Sum { rows, sha256: hex::encode(sum.finalize()) };
            match manifest.tables.get(&table) {
                Some(told) if *told == found => {}
                Some(told) if told.rows != rows => {
                    return Err(self.bad(table, &format!("{rows} rows, the manifest says {}", told.rows)));
                }
                _ => return Err(self.bad(table, "the rows are not those of the manifest (SHA-256)")),
            }
        }
        Ok(manifest)
    }
}

/// Conversations with their events, which come in the same order.
struct Conversations<'a> {
    source: &'a Source,
    heads: Rows,
    events: std::iter::Peekable<Events<'a>>,
}

impl<'a> Conversations<'a> {
    fn new(source: &'a Source) -> Result<Self, StoreError> {
        let events: Events<'a> = Box::new(source.rows(Table::Events)?.map(|row| {
            let row = row?;
            let event =
                serde_json::from_str::<Event>(&row).map_err(|e| source.bad(Table::Events, &e.to_string()))?;
            Ok((event, row))
        }));
        Ok(Self { source, heads: source.rows(Table::Conversations)?, events: events.peekable() })
    }

    fn whole(&mut self, row: &str) -> Result<Import, StoreError> {
        let ConversationRow { conv, head, job } =
            serde_json::from_str(row).map_err(|e| self.source.bad(Table::Conversations, &e.to_string()))?;
        let (mut events, mut folded, mut holed) = (Vec::new(), Head::default(), false);
        while let Some(next) =
            self.events.next_if(|next| next.as_ref().map_or(true, |(event, _)| event.conv == conv))
        {
            let (event, row) = next?;
            if event.seq != folded.seq + 1 {
                let what = format!("conversation {conv}: event {} follows event {}", event.seq, folded.seq);
                return Err(self.source.bad(Table::Events, &what));
            }
            folded.evolve(event.seq, event.at, &event.kind);
            holed |= is_hole(&event);
            let raw = serde_json::value::RawValue::from_string(row)
                .map_err(|e| self.source.bad(Table::Events, &e.to_string()))?;
            events.push((event, raw));
        }
        if folded.seq != head.seq || (folded != head && !holed) {
            let what = format!("conversation {conv}: its head is not the sum of its events");
            return Err(self.source.bad(Table::Conversations, &what));
        }
        Ok(Import { conv, head, job, events })
    }
}

impl Iterator for Conversations<'_> {
    type Item = Result<Import, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.heads.next()?;
        Some(row.and_then(|row| self.whole(&row)))
    }
}
