//! Erasing: what somebody said leaves the journal and the index for good, and everything else stays where it is.
//!
//! An entry of the journal is replaced by one of the same length that says only its number, so that no other entry moves and
//! everything can still be verified. A file of the journal is written anew beside its place and renamed. Before the first
//! change the order is on the disk (`erase.json`); a stop in the middle is finished at the next opening. The order stays
//! until then in any case: rows removed from the index still lie in its files, so the next opening makes the index again.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::disk;
use super::error::StoreError;
use super::frame::{Found, OVERHEAD, Scan, push_frame};
use super::index::Batch;
use super::journal::Files;
use super::keys;
use super::reader::Reader;
use super::record::{Erased, Lsn, Record};
use crate::clock::Millis;
use crate::domain::{ConvId, Head, Seq, Shopper, ShopperId};

const FILE: &str = "erase.json";
/// Rows removed from the index in one batch, about.
const BATCH: usize = 4_096;
const MIB: u64 = 1024 * 1024;

/// Whom or what to erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All conversations of a shopper, and what is known of them.
    Shopper(ShopperId),
    /// All conversations that nothing happened in since this moment, and the shoppers who have no other.
    UntouchedSince(Millis),
}

/// What was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erasure {
    pub conversations: Vec<ConvId>,
    pub shoppers: Vec<ShopperId>,
    /// Entries of the journal that were replaced.
    pub entries: u64,
}

/// What is to be erased, as it stands on the disk until it is certain that it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    conversations: HashSet<ConvId>,
    /// What was known of these up to an entry of the journal: the same customer may come back.
    shoppers: Vec<(ShopperId, Lsn)>,
}

impl Order {
    /// The order of an erasure that may not be finished.
    pub(super) fn pending(dir: &Path) -> Result<Option<Self>, StoreError> {
        let place = dir.join(FILE);
        let text = match fs::read(&place) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io(&place, &e)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|fault| StoreError::Corrupt {
            place,
            what: format!("what is to be erased cannot be read ({fault})"),
            fix: "remove the file, and erase again what should be gone".into(),
        })
    }

    /// What `whose` means just now, and what of it is there.
    pub(super) fn plan(reader: &Reader, whose: Whose, upto: Lsn) -> Result<(Self, Erasure), StoreError> {
        let mut erasure = Erasure::default();
        match whose {
            Whose::Shopper(shopper) => {
                erasure.conversations = opened_by(reader, shopper)?;
                if reader.index.get::<Shopper>(&keys::shopper(shopper))?.is_some() {
                    erasure.shoppers.push(shopper);
                }
            }
            Whose::UntouchedSince(moment) => {
                let heads = reader.index.scan::<Head>(keys::HEADS, keys::HEADS, usize::MAX)?;
                let old: Vec<(ConvId, Head)> = heads
                    .into_iter()
                    .filter(|(_, head)| head.updated_at < moment)
                    .filter_map(|(key, head)| Some((keys::conv_at_end(&key)?, head)))
                    .collect();
                let gone: HashSet<ConvId> = old.iter().map(|(conv, _)| *conv).collect();
                let shoppers: HashSet<ShopperId> = old.iter().filter_map(|(_, head)| head.shopper).collect();
                for shopper in shoppers {
                    if opened_by(reader, shopper)?.iter().all(|conv| gone.contains(conv)) {
                        erasure.shoppers.push(shopper);
                    }
                }
                erasure.conversations = old.into_iter().map(|(conv, _)| conv).collect();
                erasure.shoppers.sort_unstable();
            }
        }
        let order = Self {
            conversations: erasure.conversations.iter().copied().collect(),
            shoppers: erasure.shoppers.iter().map(|shopper| (*shopper, upto)).collect(),
        };
        Ok((order, erasure))
    }

    /// Puts the order on the disk, with what is pending already. From here on it will be done, whatever happens.
    pub(super) fn write(mut self, dir: &Path) -> Result<Self, StoreError> {
        if let Some(before) = Self::pending(dir)? {
            self.conversations.extend(before.conversations);
            self.shoppers.extend(before.shoppers);
        }
        let text = serde_json::to_vec(&self).expect("ids become JSON. This is a bug.");
        replace(&dir.join(FILE), &text)?;
        Ok(self)
    }

    /// Replaces what is to be erased in every file of the journal; doing it twice changes nothing. Returns the number of
    /// entries. Needs as much free space as the largest file.
    pub(super) fn erase_journal(&self, files: &Files) -> Result<u64, StoreError> {
        let mut entries = 0;
        for segment in files.segments()? {
            let (_, bytes) = files.read_from(segment, 0)?;
            let (cleared, count) = self.clear(&bytes);
            if let Some(cleared) = cleared {
                replace(&files.path(segment), &cleared)?;
                files.forget(segment);
            }
            entries += count;
        }
        Ok(entries)
    }

    /// `bytes` of a file with everything replaced; `None` if nothing is in it.
    fn clear(&self, bytes: &[u8]) -> (Option<Vec<u8>>, u64) {
        let mut out: Option<Vec<u8>> = None;
        let mut count = 0;
        for found in Scan::new(bytes) {
            let (at, new) = match found {
                Found::Frame { at, payload } => match serde_json::from_slice::<Record<IgnoredAny>>(payload) {
                    Ok(record) => match self.lsn_to_erase(&record) {
                        Some(lsn) => (at, tombstone(lsn, payload.len())),
                        None => continue,
                    },
                    Err(_) if self.is_named_in(payload) => (at, dashes(payload.len() + OVERHEAD)),
                    Err(_) => continue,
                },
                // It cannot be read any more, but words may still be seen in it.
                Found::Damage { at, len } if self.is_named_in(&bytes[at..at + len]) => (at, dashes(len)),
                Found::Damage { .. } | Found::Torn { .. } => continue,
            };
            out.get_or_insert_with(|| bytes.to_vec())[at..at + new.len()].copy_from_slice(&new);
            count += 1;
        }
        (out, count)
    }

    fn lsn_to_erase<E>(&self, record: &Record<E>) -> Option<Lsn> {
        match record {
            Record::Commit(commit) => self.conversations.contains(&commit.conv).then_some(commit.lsn),
            Record::Shopper(known) => {
                let named = |(id, upto): &(ShopperId, Lsn)| *id == known.shopper.id && known.lsn <= *upto;
                self.shoppers.iter().any(named).then_some(known.lsn)
            }
            Record::Start(_) | Record::Erased(_) => None,
        }
    }

    /// True if one of the ids stands in `bytes`, as text.
    fn is_named_in(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        self.conversations.iter().any(|conv| text.contains(&conv.to_string()))
            || self.shoppers.iter().any(|(shopper, _)| text.contains(&shopper.to_string()))
    }

    /// Takes the rows out of the index, so that nobody sees them from now on.
    pub(super) fn erase_index(&self, reader: &Reader) -> Result<(), StoreError> {
        let (mut batch, mut rows) = (Batch::default(), 0);
        for conv in &self.conversations {
            let Some(head) = reader.head(*conv)? else { continue };
            let mut gone = vec![keys::head(*conv), keys::job(*conv), keys::owed(*conv)];
            gone.extend(head.shopper.map(|shopper| keys::opened(shopper, head.created_at, *conv)));
            gone.extend((1..=head.seq).map(|seq| keys::event(*conv, seq)));
            let prefix = keys::cmids_of(*conv);
            let cmids = reader.index.scan::<Seq>(&prefix, &prefix, usize::MAX)?;
            gone.extend(cmids.into_iter().map(|(key, _)| key));
            rows += gone.len();
            gone.into_iter().for_each(|key| batch.drop_row(key));
            if rows >= BATCH {
                rows = 0;
                reader.index.apply(std::mem::take(&mut batch))?;
            }
        }
        for (shopper, _) in &self.shoppers {
            batch.drop_row(keys::shopper(*shopper));
        }
        reader.index.apply(batch)
    }
}

/// Finishes what is pending, before anything is opened: the journal is cleared, and the index and its broken predecessors are
/// removed; they are made again from the journal. The caller holds the store's lock.
pub(super) fn finish(dir: &Path, files: &Files) -> Result<(), StoreError> {
    let Some(order) = Order::pending(dir)? else { return Ok(()) };
    let entries = order.erase_journal(files)?;
    for entry in fs::read_dir(dir).map_err(|e| StoreError::io(dir, &e))?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == "index" || name.starts_with("index.broken-") {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(|e| StoreError::io(&path, &e))?;
        }
    }
    disk::sync_dir(dir)?;
    let place = dir.join(FILE);
    fs::remove_file(&place).map_err(|e| StoreError::io(&place, &e))?;
    disk::sync_dir(dir)?;
    tracing::info!(entries, "what was erased has left the index too: it is made again");
    Ok(())
}

/// Refuses if there is no room to write the largest file of the journal once more.
pub(super) fn room(dir: &Path, files: &Files) -> Result<(), StoreError> {
    let mut largest = 0;
    for segment in files.segments()? {
        let path = files.path(segment);
        largest = largest.max(fs::metadata(&path).map_err(|e| StoreError::io(&path, &e))?.len());
    }
    let floor_mib = largest / MIB + disk::OPENING_MIB;
    let free_mib = disk::free_mib(dir).map_err(|e| StoreError::io(dir, &e))?;
    if free_mib >= floor_mib {
        Ok(())
    } else {
        Err(StoreError::DiskFull { dir: dir.to_owned(), free_mib, floor_mib })
    }
}

fn opened_by(reader: &Reader, shopper: ShopperId) -> Result<Vec<ConvId>, StoreError> {
    let prefix = keys::opened_by(shopper);
    let rows = reader.index.scan::<()>(&prefix, &prefix, usize::MAX)?;
    Ok(rows.iter().filter_map(|(key, ())| keys::conv_at_end(key)).collect())
}

/// A frame with a payload of `len` bytes that says only that entry `lsn` was erased.
fn tombstone(lsn: Lsn, len: usize) -> Vec<u8> {
    let mut payload = serde_json::to_vec(&Record::<()>::Erased(Erased { lsn }))
        .expect("a number becomes JSON. This is a bug.");
    // JSON may end in blanks. Every entry with an id in it is longer than this.
    payload.resize(len.max(payload.len()), b' ');
    let mut frame = Vec::with_capacity(payload.len() + OVERHEAD);
    push_frame(&mut frame, &payload);
    frame
}

/// Damage stays damage, without words in it.
fn dashes(len: usize) -> Vec<u8> {
    vec![b'-'; len]
}

/// Writes `bytes` beside `place`, makes them durable and moves them there.
fn replace(place: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = PathBuf::from(format!("{}.new", place.display()));
    let failed = |e: std::io::Error| StoreError::io(&beside, &e);
    let mut file = fs::File::create(&beside).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(fault) = written {
        let _ = fs::remove_file(&beside);
        return Err(failed(fault));
    }
    fs::rename(&beside, place).map_err(|e| StoreError::io(place, &e))?;
    disk::sync_dir(place.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_is_as_long_as_what_it_stands_for() {
        for len in [60, 61, 5_000] {
            let frame = tombstone(u64::MAX, len);
            assert_eq!(frame.len(), len + OVERHEAD);
            let mut scan = Scan::new(&frame);
            let Some(Found::Frame { payload, .. }) = scan.next() else { panic!("a sound frame") };
            let record: Record<IgnoredAny> = serde_json::from_slice(payload).expect("a record");
            assert_eq!(record.lsn(), Some(u64::MAX));
            assert_eq!(scan.next(), None);
        }
    }
}
