//! The one writer thread: takes what is waiting, decides it, journals it, indexes it, and only then answers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Ears;
use super::ask::{Answer, Ask};
use super::checkpoint::Checkpoints;
use super::disk::{self, Lock};
use super::erase::{self, Erasure, Order, Whose};
use super::error::{StoreError, StoreHealth};
use super::group::{Group, State};
use super::journal::{AppendError, Tail};
use super::keys;
use super::reader::Reader;
use super::record::Mark;
use super::settings::Settings;
use crate::clock::Clock;
use crate::domain::ConvId;

/// At most so many commands share one fsync ...
const GROUP: usize = 256;
/// ... and taking them in lasts at most so long.
const GATHER: Duration = Duration::from_millis(2);
/// A write that took longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);
/// Conversations whose heads are kept in memory.
const REMEMBERED: usize = 8_192;
const MIB: u64 = 1024 * 1024;

pub(super) struct Writer {
    pub(super) ears: Ears,
    pub(super) dir: PathBuf,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) reader: Reader,
    pub(super) tail: Tail,
    /// The end of what is durable.
    pub(super) mark: Mark,
    pub(super) lock: Lock,
    /// Heads on the disk; never ahead of it.
    pub(super) known: HashMap<ConvId, State>,
    pub(super) checkpoints: Checkpoints,
}

impl Writer {
    /// Works until everybody who could ask is gone, or until asked to close.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Ask>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = queue.blocking_recv() else { break };
            // sled may panic on a damaged page. Whoever waits then hears that the store stopped.
            let worked = catch_unwind(AssertUnwindSafe(|| self.group(first, &mut queue)));
            match worked {
                Ok(close) => closing = close,
                Err(_) => drop(self.reader.index.fail("its writer broke off. This is a bug".to_owned())),
            }
        }
        queue.close();
        while let Ok(ask) = queue.try_recv() {
            refuse(ask, &StoreError::Closed);
        }
        drop(self.checkpoints);
        if !matches!(self.reader.index.health(), StoreHealth::Failed(_)) {
            let _ = self.reader.index.checkpoint(self.mark);
        }
        self.reader.index.close();
        drop(self.lock);
        if let Some(answer) = closing {
            let _ = answer.send(Ok(()));
        }
    }

    /// Takes what is waiting, brings it to the disk, answers. Returns the answer owed to whoever asked to close.
    fn group(&mut self, first: Ask, queue: &mut mpsc::Receiver<Ask>) -> Option<Answer<()>> {
        match self.take_group(first, queue) {
            Some(Ask::Close { answer }) => Some(answer),
            Some(Ask::Erase { whose, answer }) => {
                let _ = answer.send(self.erase(whose));
                None
            }
            _ => None,
        }
    }

    /// Does what [`Writer::group`] says, up to what must stand alone, which it returns.
    fn take_group(&mut self, first: Ask, queue: &mut mpsc::Receiver<Ask>) -> Option<Ask> {
        if let StoreHealth::Failed(why) = self.reader.index.health() {
            return match first {
                Ask::Close { answer } => Some(Ask::Close { answer }),
                ask => {
                    refuse(ask, &StoreError::Failed(why));
                    None
                }
            };
        }
        let mut alone = None;
        let mut group = Group::new(&self.reader, &self.clock, &self.known, self.mark);
        let started = Instant::now();
        let mut next = Some(first);
        for taken in 1..=GROUP {
            match next {
                Some(ask @ (Ask::Close { .. } | Ask::Erase { .. })) => {
                    alone = Some(ask);
                    break;
                }
                Some(ask) => group.take(ask),
                None => break,
            }
            // What is taken out of the queue is answered: nobody is taken after the last of a group.
            let more = taken < GROUP && started.elapsed() < GATHER;
            next = if more { queue.try_recv().ok() } else { None };
        }
        let Group { bytes, rows, states, replies, mark, .. } = group;
        if bytes.is_empty() {
            return alone;
        }
        let writing = Instant::now();
        let outcome = self.write(&bytes).and_then(|()| {
            let journaled = writing.elapsed();
            let mut rows = rows;
            rows.put(keys::APPLIED.to_vec(), &mark);
            let indexed = self.reader.index.apply(rows);
            if writing.elapsed() > SLOW {
                let (journal, index) = (journaled.as_millis(), (writing.elapsed() - journaled).as_millis());
                tracing::warn!(journal, index, "the disk is slow: milliseconds that one write took");
            }
            indexed
        });
        if outcome.is_ok() {
            self.mark = mark;
            self.remember(states);
        }
        let ears = self.ears.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for reply in replies {
            reply.give(outcome.clone(), &ears);
        }
        drop(ears);
        if outcome.is_ok() {
            self.keep_house();
        }
        alone
    }

    /// Erases while nothing else is written. Nobody sees it from the moment its rows leave the index.
    fn erase(&mut self, whose: Whose) -> Result<Erasure, StoreError> {
        let (order, mut erasure) = Order::plan(&self.reader, whose, self.mark.lsn)?;
        if erasure == Erasure::default() {
            return Ok(erasure);
        }
        erase::room(&self.dir, &self.reader.files)?;
        let order = order.write(&self.dir)?;
        for conv in &erasure.conversations {
            self.known.remove(conv);
        }
        let done = order.erase_index(&self.reader).and_then(|()| order.erase_journal(&self.reader.files));
        // The file that is appended to may be another one now.
        let tail = Tail::resume(&self.reader.files, self.tail.segment, self.tail.end);
        match (done, tail) {
            (Ok(entries), Ok(tail)) => {
                self.tail = tail;
                erasure.entries = entries;
                Ok(erasure)
            }
            (Err(fault), _) | (_, Err(fault)) => Err(self
                .reader
                .index
                .fail(format!("erasing broke off and is finished by a restart: {fault}"))),
        }
    }

    /// Appends to the journal and fsyncs, unless the disk is nearly full.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let outcome = disk::room(&self.dir, &self.settings).and_then(|()| {
            self.tail.append(bytes).map_err(|fault| match fault {
                AppendError::Full => {
                    let (dir, floor_mib) = (self.dir.clone(), self.settings.min_free_mib.max(1));
                    StoreError::DiskFull { dir, free_mib: 0, floor_mib }
                }
                AppendError::Fatal(why) => self.reader.index.fail(why),
            })
        });
        self.reader.index.set_read_only(outcome.as_ref().err().map(ToString::to_string));
        outcome
    }

    fn remember(&mut self, states: HashMap<ConvId, State>) {
        if self.known.len() + states.len() > REMEMBERED {
            self.known.clear();
        }
        self.known.extend(states);
    }

    /// What is due after a write: a checkpoint of the index, the next file of the journal. A failure here stops the store
    /// by way of the index's health, for the next command.
    fn keep_house(&mut self) {
        if self.tail.end >= self.settings.segment_mib * MIB {
            match Tail::begin(&self.reader.files, self.tail.segment + 1, self.clock.now()) {
                Ok(tail) => {
                    self.mark.segment = tail.segment;
                    self.mark.end = tail.end;
                    self.tail = tail;
                }
                // The file grows on until there is room for the next.
                Err(error) => tracing::warn!(%error, "the next file of the journal could not be begun"),
            }
        }
        self.checkpoints.reached(self.mark);
    }
}

fn refuse(ask: Ask, error: &StoreError) {
    match ask {
        Ask::Commit { answer, .. } => drop(answer.send(Err(error.clone()))),
        Ask::Remember { answer, .. } | Ask::Import { answer, .. } => drop(answer.send(Err(error.clone()))),
        Ask::Erase { answer, .. } => drop(answer.send(Err(error.clone()))),
        Ask::Close { answer } => drop(answer.send(Ok(()))),
    }
}
