//! Looking at everything: is each byte of the journal as written, and does the index say what the journal says?

use std::collections::HashMap;

use serde::Serialize;

use super::error::StoreError;
use super::journal::{Item, items};
use super::keys;
use super::record::{Commit, Location, Lsn, Record};
use super::{Progress, Store};
use crate::domain::{ConvId, Event, EventKind, Head, Job, Seq, Shopper, ShopperId};

/// Conversations looked at in one go.
const PAGE: usize = 256;

/// One thing that is not as it should be. Names ids and places, never what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A file and a byte, or a conversation.
    pub place: String,
    pub what: String,
}

/// What [`Store::verify`] saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub conversations: u64,
    pub events: u64,
    pub shoppers: u64,
    pub journal_entries: u64,
    pub journal_bytes: u64,
    /// Entries whose contents were erased.
    pub erased: u64,
    pub faults: Vec<Fault>,
}

impl Store {
    /// Reads everything and compares. The store must not be written to meanwhile. Damage is not an error: it is listed.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verified, StoreError> {
        let mut check = Check { store: self, told: Told::default(), report: Verified::default() };
        check.journal(progress)?;
        check.conversations(progress)?;
        check.totals()?;
        Ok(check.report)
    }
}

/// What the journal says in the end.
#[derive(Default)]
struct Told {
    states: HashMap<ConvId, (Head, Option<Job>)>,
    shoppers: HashMap<ShopperId, Shopper>,
    last: Lsn,
}

struct Check<'a> {
    store: &'a Store,
    told: Told,
    report: Verified,
}

impl Check<'_> {
    fn fault(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.report.faults.push(Fault { place: place.into(), what: what.into() });
    }

    fn conv_fault(&mut self, conv: ConvId, what: impl Into<String>) {
        self.fault(format!("conversation {conv}"), what);
    }

    /// Every frame of every file, and whether the index knows where it is.
    fn journal(&mut self, progress: Progress<'_>) -> Result<(), StoreError> {
        let files = self.store.0.reader.files.clone();
        let segments = files.segments()?;
        for (n, &segment) in segments.iter().enumerate() {
            progress("journal", n as u64, segments.len() as u64);
            let (_, bytes) = files.read_from(segment, 0)?;
            self.report.journal_bytes += bytes.len() as u64;
            let file = files.path(segment).display().to_string();
            for item in items::<Event>(segment, 0, &bytes) {
                match item {
                    Item::Record(place, record) => self.record(&file, place, *record)?,
                    Item::Damage { at, len } => {
                        self.fault(format!("{file}, byte {at}"), format!("{len} bytes are damaged"));
                    }
                    Item::Torn { at, len } => {
                        self.fault(
                            format!("{file}, byte {at}"),
                            format!("the last {len} bytes are half an entry"),
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, file: &str, place: Location, record: Record) -> Result<(), StoreError> {
        if let Some(lsn) = record.lsn() {
            if lsn != self.told.last + 1 {
                let what = format!("entry {lsn} follows entry {}: those between are missing", self.told.last);
                self.fault(format!("{file}, byte {}", place.1), what);
            }
            self.told.last = lsn;
            self.report.journal_entries += 1;
        }
        match record {
            Record::Start(_) => Ok(()),
            Record::Erased(_) => {
                self.report.erased += 1;
                Ok(())
            }
            Record::Shopper(remember) => {
                self.told.shoppers.insert(remember.shopper.id, remember.shopper);
                Ok(())
            }
            Record::Commit(commit) => self.commit(place, commit),
        }
    }

    fn commit(&mut self, place: Location, commit: Commit) -> Result<(), StoreError> {
        let index = self.store.0.reader.index.clone();
        for event in &commit.events {
            if index.get::<Location>(&keys::event(commit.conv, event.seq))? != Some(place) {
                self.conv_fault(commit.conv, format!("the index does not know where event {} is", event.seq));
            }
        }
        self.told.states.insert(commit.conv, (commit.head, commit.job));
        Ok(())
    }

    /// Every conversation of the index: its events, its head, its messages' ids, its marks.
    fn conversations(&mut self, progress: Progress<'_>) -> Result<(), StoreError> {
        let total = self.told.states.len() as u64;
        let mut after = None;
        loop {
            let page = self.store.conversations(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (conv, head) in page {
                progress("conversations", self.report.conversations, total);
                self.report.conversations += 1;
                self.conversation(conv, &head)?;
            }
        }
        let gone: Vec<ConvId> = self.told.states.keys().copied().collect();
        for conv in gone {
            self.conv_fault(conv, "the journal has it, the index does not");
        }
        Ok(())
    }

    fn conversation(&mut self, conv: ConvId, head: &Head) -> Result<(), StoreError> {
        let reader = self.store.0.reader.clone();
        let job = reader.job(conv)?;
        match self.told.states.remove(&conv) {
            None => self.conv_fault(conv, "the index has it, the journal does not"),
            Some(told) if told != (head.clone(), job) => {
                self.conv_fault(conv, "its head in the index is not what its newest journal entry says");
            }
            Some(_) => {}
        }
        let mut folded = Head::default();
        let (mut holes, mut said) = (0, 0);
        for (seq, place) in reader.places(conv, 1, head.seq)? {
            self.report.events += 1;
            match reader.event_at(conv, seq, place)? {
                Some(event) => {
                    folded.evolve(seq, event.at, &event.kind);
                    said += self.event(&event)?;
                }
                None => {
                    holes += 1;
                    self.conv_fault(conv, format!("event {seq} cannot be read"));
                }
            }
        }
        if holes == 0 {
            if folded != *head && !self.has_imported_hole(conv)? {
                self.conv_fault(conv, "its head is not the sum of its events");
            }
            let prefix = keys::cmids_of(conv);
            let rows = reader.index.scan::<Seq>(&prefix, &prefix, usize::MAX)?.len();
            if rows != said {
                self.conv_fault(conv, format!("{rows} client ids are noted for {said} messages"));
            }
        }
        if let Some(shopper) = head.shopper
            && reader.index.get::<()>(&keys::opened(shopper, head.created_at, conv))?.is_none()
        {
            self.conv_fault(conv, "it is not listed under its shopper");
        }
        let owed = reader.index.get::<()>(&keys::owed(conv))?.is_some();
        if owed != (job.is_some() || head.awaits_model()) {
            self.conv_fault(conv, "the mark for unfinished work is wrong");
        }
        Ok(())
    }

    /// Checks the rows that belong to one event. Returns 1 for a message.
    fn event(&mut self, event: &Event) -> Result<usize, StoreError> {
        let index = self.store.0.reader.index.clone();
        let EventKind::Said { cmid, .. } = &event.kind else { return Ok(0) };
        if index.get::<Seq>(&keys::cmid(event.conv, *cmid))? != Some(event.seq) {
            let what = format!("event {}: a repeat of this message would not be noticed", event.seq);
            self.conv_fault(event.conv, what);
        }
        Ok(1)
    }

    /// A conversation imported from an export with a hole has a head that its events do not add up to.
    fn has_imported_hole(&self, conv: ConvId) -> Result<bool, StoreError> {
        let events = self.store.events(conv, 0, usize::MAX)?;
        Ok(events.iter().any(super::reader::is_hole))
    }

    /// Rows too many, and shoppers.
    fn totals(&mut self) -> Result<(), StoreError> {
        let index = self.store.0.reader.index.clone();
        let rows = index.count_of(keys::EVENTS)?;
        if rows != self.report.events {
            let what = format!("it lists {rows} events, the conversations have {}", self.report.events);
            self.fault("the index", what);
        }
        for (_, shopper) in index.scan::<Shopper>(keys::SHOPPERS, keys::SHOPPERS, usize::MAX)? {
            self.report.shoppers += 1;
            if self.told.shoppers.remove(&shopper.id).as_ref() != Some(&shopper) {
                let what = "what the index knows is not what the journal says last";
                self.fault(format!("shopper {}", shopper.id), what);
            }
        }
        let gone: Vec<ShopperId> = self.told.shoppers.keys().copied().collect();
        for id in gone {
            self.fault(format!("shopper {id}"), "the journal knows this shopper, the index does not");
        }
        Ok(())
    }
}
