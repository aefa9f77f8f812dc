//! The index on the disk: tantivy, behind the only code that names its files. It can always be made again from the store.

use std::collections::HashMap;
use std::path::Path;

use fs_err as fs;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{Index, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use super::By;
use super::words::analyzer;
use crate::domain::{ConvId, Event, EventKind, Seq, Speaker, Summary};
use crate::staff::StaffError;

/// Another one means another schema or tokenizer: the index is made again.
const VERSION: &str = "1";
const ANALYZER: &str = "shopclerk";
/// Memory the writer may fill before it writes a segment, in bytes.
const MEMORY: usize = 32 * 1024 * 1024;
/// Tries to be rid of what is marked as deleted.
const PURGES: usize = 100;

#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The id as text, to delete by.
    pub(super) conv: Field,
    /// The id in two halves, to read back quickly.
    pub(super) high: Field,
    pub(super) low: Field,
    pub(super) seq: Field,
    pub(super) at: Field,
    pub(super) by: Field,
    pub(super) text: Field,
}

pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) fields: Fields,
    /// The newest number that is indexed of each conversation.
    pub(super) known: HashMap<ConvId, Seq>,
}

pub(super) fn fault(fault: impl std::fmt::Display) -> StaffError {
    StaffError::Search(fault.to_string())
}

/// Opens the index in `folder`, or makes an empty one if it is missing, broken, of another version or of another store.
pub(super) fn open(folder: &Path, epoch: &str) -> Result<Opened, StaffError> {
    let mark = folder.join("made-for");
    let wanted = format!("{VERSION} {epoch}");
    let (schema, fields) = schema();
    if fs::read_to_string(&mark).is_ok_and(|text| text == wanted)
        && let Ok(opened) = Index::open_in_dir(folder).map_err(fault).and_then(|index| opened(index, fields))
    {
        return Ok(opened);
    }
    let io = |e: std::io::Error| StaffError::io(folder, &e);
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(io)?;
    }
    fs::create_dir_all(folder).map_err(io)?;
    let index = Index::create_in_dir(folder, schema).map_err(fault)?;
    fs::write(&mark, wanted).map_err(io)?;
    opened(index, fields)
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = TextFieldIndexing::default()
        .set_tokenizer(ANALYZER)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let fields = Fields {
        conv: schema.add_text_field("conv", STRING),
        high: schema.add_u64_field("high", FAST | STORED),
        low: schema.add_u64_field("low", FAST | STORED),
        seq: schema.add_u64_field("seq", FAST | STORED),
        at: schema.add_u64_field("at", FAST | STORED | INDEXED),
        by: schema.add_u64_field("by", STORED | INDEXED),
        text: schema.add_text_field("text", TextOptions::default().set_indexing_options(text)),
    };
    (schema.build(), fields)
}

fn opened(index: Index, fields: Fields) -> Result<Opened, StaffError> {
    index.tokenizers().register(ANALYZER, analyzer());
    let known = known(&index)?;
    Ok(Opened { index, fields, known })
}

/// The newest number that is indexed of each conversation, as of the last commit.
pub(super) fn known(index: &Index) -> Result<HashMap<ConvId, Seq>, StaffError> {
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(fault)?;
    let mut known = HashMap::<ConvId, Seq>::new();
    for segment in reader.searcher().segment_readers() {
        let column = |name: &str| segment.fast_fields().u64(name).map_err(fault);
        let (high, low, seq) = (column("high")?, column("low")?, column("seq")?);
        for doc in segment.doc_ids_alive() {
            let (Some(high), Some(low), Some(seq)) = (high.first(doc), low.first(doc), seq.first(doc)) else {
                continue;
            };
            let newest = known.entry(join(high, low)).or_default();
            *newest = (*newest).max(seq);
        }
    }
    Ok(known)
}

pub(super) fn writer(index: &Index) -> Result<IndexWriter, StaffError> {
    index.writer_with_num_threads(1, MEMORY).map_err(fault)
}

/// Writes every file anew in which something is marked as deleted, and removes the old ones.
pub(super) fn purge(writer: &mut IndexWriter) -> Result<(), StaffError> {
    for _ in 0..PURGES {
        let marked = writer.index().searchable_segment_metas().map_err(fault)?;
        let Some(marked) = marked.iter().find(|segment| segment.has_deletes()).map(|segment| segment.id())
        else {
            break;
        };
        // It may be in the middle of another merge: that one ends, and leaves a file to look at again.
        if writer.merge(&[marked]).wait().is_err() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    writer.garbage_collect_files().wait().map_err(fault)?;
    Ok(())
}

fn split(conv: ConvId) -> (u64, u64) {
    conv.0.as_u64_pair()
}

pub(super) fn join(high: u64, low: u64) -> ConvId {
    ConvId(uuid::Uuid::from_u64_pair(high, low))
}

/// What can be found of an event, and who wrote it.
pub(super) fn text_of(event: &Event) -> Option<(By, &str)> {
    match &event.kind {
        EventKind::Said { by: Speaker::Shopper, text, .. } => Some((By::Shopper, text)),
        EventKind::Said { by: Speaker::Staff(_), text, .. } => Some((By::Staff, text)),
        EventKind::Reply { text, .. } => Some((By::Ai, text)),
        EventKind::Note { text, .. } | EventKind::Summary(Summary { text, .. }) => Some((By::Note, text)),
        _ => None,
    }
}

/// The document of an event; none if there is nothing to find.
pub(super) fn document(event: &Event, fields: &Fields) -> Option<TantivyDocument> {
    let (by, text) = text_of(event)?;
    let (high, low) = split(event.conv);
    let mut doc = TantivyDocument::new();
    doc.add_text(fields.conv, event.conv.to_string());
    doc.add_u64(fields.high, high);
    doc.add_u64(fields.low, low);
    doc.add_u64(fields.seq, event.seq);
    doc.add_u64(fields.at, event.at);
    doc.add_u64(fields.by, by as u64);
    doc.add_text(fields.text, text);
    Some(doc)
}

/// Every document of a conversation.
pub(super) fn all_of(conv: ConvId, fields: &Fields) -> Term {
    Term::from_field_text(fields.conv, &conv.to_string())
}
