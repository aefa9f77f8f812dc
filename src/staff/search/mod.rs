//! Search over everything that was said: [`words`] cuts text, [`index`] keeps it, [`query`] finds it.
//!
//! A thread of its own brings the index up to date: it is told which conversations changed, and reads the rest from the store, so
//! that what waits is a set of ids and never text.

mod index;
mod query;
mod words;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tantivy::collector::{Count, TopDocs};
use tantivy::schema::Value;
use tantivy::{Index, IndexReader, IndexWriter, Order, ReloadPolicy, TantivyDocument};
use utoipa::ToSchema;

use self::index::{Fields, fault};
pub(super) use self::words::words;
use super::StaffError;
use crate::clock::Millis;
use crate::domain::{ConvId, Seq};
use crate::store::Store;

/// Changes are gathered this long before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// Events read, and added between two commits, at once.
const CHUNK: usize = 1_000;
/// Conversations between two commits.
const BATCH: usize = 500;
/// Before what could not be written is tried again; longer with every time, up to so many times as long.
const RETRY: Duration = Duration::from_secs(2);
const LONGEST: u32 = 30;
/// Hits of one page, and how deep pages go.
pub const MAX_HITS: usize = 100;
const MAX_DEPTH: usize = 10_000;

/// Who wrote what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Shopper = 0,
    Staff = 1,
    Ai = 2,
    Note = 3,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub text: String,
    pub by: Option<By>,
    /// Both inclusive.
    pub from: Option<Millis>,
    pub to: Option<Millis>,
    /// The last page's `next`.
    pub after: usize,
    pub limit: usize,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hit {
    #[schema(value_type = String, format = "uuid")]
    pub conv: ConvId,
    pub seq: Seq,
    pub at: Millis,
    pub by: By,
    /// A passage around the finds.
    pub text: String,
    /// The finds in it, in UTF-16 units.
    #[schema(value_type = Vec<Vec<usize>>)]
    pub marks: Vec<[usize; 2]>,
}

/// A page of hits, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    pub hits: Vec<Hit>,
    pub next: Option<usize>,
    pub total: usize,
    /// Conversations that wait for the index.
    pub behind: usize,
}

/// Clones are one.
#[derive(Clone)]
pub struct Search(Arc<Inner>);

struct Inner {
    store: Store,
    reader: IndexReader,
    fields: Fields,
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    changed: HashSet<ConvId>,
    gone: HashSet<ConvId>,
    /// Taken and not committed yet.
    working: usize,
    /// Times in a row that writing failed.
    failed: u32,
    stop: bool,
}

/// The index as its thread holds it.
struct Hand {
    index: Index,
    /// None after a fault: whatever it had not committed went with it.
    writer: Option<IndexWriter>,
    /// The newest number that is indexed of each conversation.
    known: HashMap<ConvId, Seq>,
}

impl Hand {
    /// The writer; after a fault another one, which goes on from the last commit. To roll the old one back would need an index
    /// that can be read just then.
    fn take(&mut self) -> Result<IndexWriter, StaffError> {
        if let Some(writer) = self.writer.take() {
            return Ok(writer);
        }
        let writer = index::writer(&self.index)?;
        self.known = index::known(&self.index)?;
        Ok(writer)
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").finish_non_exhaustive()
    }
}

impl Search {
    /// Opens the index in `folder` and begins to bring it up to date with what [`Search::touch`] names.
    pub(super) fn open(folder: &Path, store: Store) -> Result<Self, StaffError> {
        let opened = index::open(folder, store.epoch())?;
        let writer = index::writer(&opened.index)?;
        let reader =
            opened.index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(fault)?;
        let gone =
            opened.known.keys().filter(|conv| !matches!(store.head(**conv), Ok(Some(_)))).copied().collect();
        let inner = Arc::new(Inner {
            store,
            reader,
            fields: opened.fields,
            waiting: Mutex::new(Waiting { gone, ..Waiting::default() }),
            bell: Condvar::new(),
        });
        let hand = Hand { index: opened.index, writer: Some(writer), known: opened.known };
        let worker = inner.clone();
        std::thread::Builder::new()
            .name("staff-search".into())
            .spawn(move || worker.work(hand))
            .map_err(|e| StaffError::io(folder, &e))?;
        Ok(Self(inner))
    }

    /// Something was said in `conv`.
    pub(super) fn touch(&self, conv: ConvId) {
        self.0.lock().changed.insert(conv);
        self.0.bell.notify_one();
    }

    /// `conv` was erased.
    pub(super) fn forget(&self, conv: ConvId) {
        let mut waiting = self.0.lock();
        waiting.changed.remove(&conv);
        waiting.gone.insert(conv);
        drop(waiting);
        self.0.bell.notify_one();
    }

    pub(super) fn stop(&self) {
        self.0.lock().stop = true;
        self.0.bell.notify_one();
    }

    /// Conversations that wait for the index.
    pub fn behind(&self) -> usize {
        let waiting = self.0.lock();
        waiting.changed.len() + waiting.gone.len() + waiting.working
    }

    /// Finds `asked`, the newest first. Blocks for some milliseconds.
    pub fn find(&self, asked: &Asked) -> Result<Hits, StaffError> {
        let inner = &*self.0;
        let parts = query::parts(&asked.text)?;
        let limit = asked.limit.clamp(1, MAX_HITS);
        let offset = asked.after.min(MAX_DEPTH);
        let searcher = inner.reader.searcher();
        let top = TopDocs::with_limit(limit).and_offset(offset).order_by_fast_field::<u64>("at", Order::Desc);
        let (total, found) =
            searcher.search(&query::query(asked, &parts, &inner.fields), &(Count, top)).map_err(fault)?;
        let count = found.len();
        let mut hits = Vec::with_capacity(count);
        for (_, address) in found {
            let doc: TantivyDocument = searcher.doc(address).map_err(fault)?;
            let number = |field| doc.get_first(field).and_then(|value| value.as_u64()).unwrap_or_default();
            let f = &inner.fields;
            let (conv, seq) = (index::join(number(f.high), number(f.low)), number(f.seq));
            // Erased since: what the store no longer has is not shown.
            let event = inner.store.events(conv, seq.saturating_sub(1), 1)?.pop();
            let Some((by, text)) = event.as_ref().filter(|event| event.seq == seq).and_then(index::text_of)
            else {
                continue;
            };
            let at = number(f.at);
            hits.push(Hit { conv, seq, at, by, text: String::new(), marks: Vec::new() }.shown(text, &parts));
        }
        let end = offset + count;
        let next = (end < total && end < MAX_DEPTH && count > 0).then_some(end);
        Ok(Hits { hits, next, total, behind: self.behind() })
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to be done next; none when it is time to stop.
    fn next(&self) -> Option<(Vec<ConvId>, Vec<ConvId>)> {
        let mut waiting = self.lock();
        waiting.working = 0;
        while waiting.changed.is_empty() && waiting.gone.is_empty() && !waiting.stop {
            waiting = self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.stop {
            return None;
        }
        drop(waiting);
        // A burst is one commit.
        std::thread::sleep(GATHER);
        let mut waiting = self.lock();
        let changed: HashSet<ConvId> = waiting.changed.iter().take(BATCH).copied().collect();
        waiting.changed.retain(|conv| !changed.contains(conv));
        let gone: Vec<ConvId> = waiting.gone.drain().collect();
        waiting.working = changed.len() + gone.len();
        Some((changed.into_iter().collect(), gone))
    }

    fn work(&self, mut hand: Hand) {
        // A stop between an erasure and its end.
        self.purge(&mut hand);
        while let Some((changed, gone)) = self.next() {
            match self.write(&mut hand, (&changed, &gone)) {
                Ok(()) => {
                    self.lock().failed = 0;
                    if !gone.is_empty() {
                        self.purge(&mut hand);
                    }
                }
                Err(fault) => {
                    tracing::error!(code = fault.code(), %fault, "the search index cannot be written, and is tried again");
                    self.put_back(changed, gone);
                }
            }
        }
    }

    /// What could not be written waits again, and for a while so does the thread.
    fn put_back(&self, changed: Vec<ConvId>, gone: Vec<ConvId>) {
        let mut waiting = self.lock();
        let waiting_now = &mut *waiting;
        waiting_now.gone.extend(gone);
        let erased = &waiting_now.gone;
        waiting_now.changed.extend(changed.into_iter().filter(|conv| !erased.contains(conv)));
        waiting.working = 0;
        waiting.failed = waiting.failed.saturating_add(1);
        let wait = RETRY * waiting.failed.min(LONGEST);
        drop(self.bell.wait_timeout_while(waiting, wait, |waiting| !waiting.stop));
    }

    /// Words of what was erased leave the index's files: until then they are only marked.
    fn purge(&self, hand: &mut Hand) {
        let Some(writer) = &mut hand.writer else { return };
        if let Err(fault) = index::purge(writer).and_then(|()| self.reader.reload().map_err(fault)) {
            tracing::error!(code = fault.code(), %fault, "erased words stay in the search index's files until the next start");
        }
    }

    /// All of it is committed, or nothing.
    fn write(&self, hand: &mut Hand, (changed, gone): (&[ConvId], &[ConvId])) -> Result<(), StaffError> {
        let mut writer = hand.take()?;
        for conv in gone {
            writer.delete_term(index::all_of(*conv, &self.fields));
            hand.known.remove(conv);
        }
        let mut fresh = HashMap::new();
        for conv in changed {
            let known = hand.known.get(conv).copied().unwrap_or(0);
            fresh.insert(*conv, self.add(&writer, *conv, known)?);
        }
        writer.commit().map_err(fault)?;
        hand.known.extend(fresh);
        hand.writer = Some(writer);
        self.reader.reload().map_err(fault)
    }

    /// Adds what was said in `conv` after the event `after`; returns the newest event that was added.
    fn add(&self, writer: &IndexWriter, conv: ConvId, mut after: Seq) -> Result<Seq, StaffError> {
        loop {
            let events = match self.store.events(conv, after, CHUNK) {
                Ok(events) => events,
                // One that cannot be read must not keep the others out.
                Err(fault) => {
                    let fault = StaffError::from(fault);
                    tracing::error!(code = fault.code(), %conv, %fault, "the search misses the rest of a conversation until it changes");
                    return Ok(after);
                }
            };
            for document in events.iter().filter_map(|event| index::document(event, &self.fields)) {
                writer.add_document(document).map_err(fault)?;
            }
            after = events.last().map_or(after, |event| event.seq);
            if events.len() < CHUNK {
                return Ok(after);
            }
        }
    }
}

#[cfg(test)]
#[path = "../search_tests.rs"]
mod tests;
