//! Conversations on disk. The only room that knows sled.
//!
//! One writer thread takes commands from a bounded channel, decides each with the domain's state machine against the
//! current head, appends the group to a journal and fsyncs it, updates the index (sled), and only then answers: what a
//! caller hears of is on the disk. The journal is the truth, the index can always be made again from it. Does not know
//! models, prompts, sockets or who may do what.
//!
//! Damage is never silent and never a panic. A broken index is moved aside (`index.broken-...`) and made again. A damaged
//! entry of the journal becomes a hole: [`Store::events`] shows a private note by [`HOLE`] in its place, so that numbers
//! have no gap; the log and `shopclerk data verify` name the file and the byte. Who owns a conversation, and which
//! messages were answered, survives a hole: each entry carries the head after it.

mod ask;
mod checkpoint;
mod disk;
mod erase;
mod error;
mod export;
mod frame;
mod group;
mod import;
mod index;
mod journal;
mod keys;
mod open;
mod reader;
mod record;
mod settings;
mod verify;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::domain::{Cmid, Command, ConvId, Event, Head, Job, Seq, Shopper, ShopperId};

pub use ask::Committed;
use ask::{Answer, Ask};
use checkpoint::Checkpoints;
pub use erase::{Erasure, Whose};
pub use error::{StoreError, StoreHealth};
pub use export::{Manifest, Sum, Table};
pub use open::Recovery;
pub use reader::HOLE;
use reader::Reader;
pub use settings::Settings;
pub use verify::{Fault, Verified};

/// Told of what is being done, how much of it is done and how much there is.
pub type Progress<'a> = &'a dyn Fn(&str, u64, u64);

/// The shop's conversations. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// Hears of each commit once it is on the disk.
pub type Ear = Box<dyn Fn(&Committed) + Send + Sync>;

/// All that hear, in the order in which they began to.
type Ears = Arc<RwLock<Vec<Ear>>>;

struct Inner {
    ears: Ears,
    dir: PathBuf,
    settings: Settings,
    queue: mpsc::Sender<Ask>,
    reader: Reader,
    epoch: String,
    recovery: Recovery,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("epoch", &self.0.epoch).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, or makes a new one. Blocks; replays what a stop in the middle left to do.
    pub fn open(dir: &Path, settings: &Settings, clock: Clock) -> Result<Self, StoreError> {
        let opened = open::open(dir, settings, &clock)?;
        let reader = Reader { index: opened.index, files: opened.files };
        let ears = Ears::default();
        let checkpoints = Checkpoints::start(reader.index.clone()).map_err(|e| StoreError::io(dir, &e))?;
        let writer = writer::Writer {
            ears: ears.clone(),
            dir: dir.to_owned(),
            settings: settings.clone(),
            clock,
            reader: reader.clone(),
            tail: opened.tail,
            mark: opened.mark,
            lock: opened.lock,
            known: HashMap::new(),
            checkpoints,
        };
        let (queue, asks) = mpsc::channel(settings.queue.max(1));
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(asks))
            .map_err(|e| StoreError::io(dir, &e))?;
        Ok(Self(Arc::new(Inner {
            ears,
            dir: dir.to_owned(),
            settings: settings.clone(),
            queue,
            reader,
            epoch: opened.epoch,
            recovery: opened.recovery,
        })))
    }

    /// From now on `ear` hears of every commit, on the writer's thread and in order, after it is on the disk and before
    /// whoever asked for it. It must not block. Several ears hear in the order of these calls.
    pub fn listen(&self, ear: Ear) {
        self.0.ears.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(ear);
    }

    /// A random name, new whenever the index is made: at creation, at import, after damage. A client that knows another
    /// one must read again.
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.0.recovery
    }

    /// What the store can do right now; looks at the disk's free space.
    pub fn health(&self) -> StoreHealth {
        match self.0.reader.index.health() {
            StoreHealth::Failed(why) => StoreHealth::Failed(why),
            StoreHealth::Writable | StoreHealth::ReadOnly(_) => {
                match disk::room(&self.0.dir, &self.0.settings) {
                    Ok(()) => StoreHealth::Writable,
                    Err(error) => StoreHealth::ReadOnly(error.to_string()),
                }
            }
        }
    }

    /// Decides `command` against the conversation's head, makes what follows durable, and returns it. A message whose
    /// client id was seen before changes nothing and returns the first event, with `duplicate` set.
    ///
    /// Errors: `Refused` by the state machine; `Busy` if too many commands wait; `DiskFull`; `Failed` if the outcome is
    /// unknown: after a restart, sending a message again is safe.
    pub async fn commit(&self, conv: ConvId, command: Command) -> Result<Committed, StoreError> {
        let command = Box::new(command);
        self.ask(|answer| Ask::Commit { conv, command, arrived: Instant::now(), answer }).await
    }

    /// Keeps what is known of a shopper, in place of what was known before.
    pub async fn remember_shopper(&self, shopper: Shopper) -> Result<(), StoreError> {
        self.ask(|answer| Ask::Remember { shopper: Box::new(shopper), answer }).await
    }

    /// Erases conversations for good, from the journal and the index; everything else stays as it is. Replies in the making of
    /// these conversations are refused when they end. The index's own files hold traces of what was in it (never a
    /// message) until the next opening makes it again.
    ///
    /// # Errors
    /// `DiskFull` without room for a copy of the journal's largest file: nothing is erased then. `Failed` if the disk did
    /// not do as told: the next opening finishes it.
    pub async fn erase(&self, whose: Whose) -> Result<Erasure, StoreError> {
        self.ask(|answer| Ask::Erase { whose, answer }).await
    }

    /// The shoppers of whom this is the name in the shop's books, the e-mail address, or the id.
    pub fn find_shoppers(&self, word: &str) -> Result<Vec<Shopper>, StoreError> {
        let is = |own: &Option<String>| own.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(word));
        let named = |shopper: &Shopper| {
            is(&shopper.email)
                || is(&shopper.contact)
                || is(&shopper.external)
                || shopper.id.to_string() == word
        };
        let mut found = Vec::new();
        self.each_shopper(|shopper| {
            if named(shopper) {
                found.push(shopper.clone());
            }
        })?;
        Ok(found)
    }

    /// Shows every shopper who is known to `look`, in order of their ids.
    pub fn each_shopper(&self, mut look: impl FnMut(&Shopper)) -> Result<(), StoreError> {
        let all = self.0.reader.index.scan::<Shopper>(keys::SHOPPERS, keys::SHOPPERS, usize::MAX)?;
        all.iter().for_each(|(_, shopper)| look(shopper));
        Ok(())
    }

    /// Refuses what comes from now on, finishes what was asked, flushes, and lets go of the files.
    pub async fn close(&self) {
        let (answer, told) = oneshot::channel();
        if self.0.queue.send(Ask::Close { answer }).await.is_ok() {
            let _ = told.await;
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, StoreError> {
        let (answer, told) = oneshot::channel();
        self.0.queue.try_send(ask(answer)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        told.await.unwrap_or_else(|_| match self.health() {
            StoreHealth::Failed(why) => Err(StoreError::Failed(why)),
            _ => Err(StoreError::Closed),
        })
    }

    /// `None` if there is no such conversation.
    pub fn head(&self, conv: ConvId) -> Result<Option<Head>, StoreError> {
        self.0.reader.head(conv)
    }

    /// The reply in the making, if there is one.
    pub fn job(&self, conv: ConvId) -> Result<Option<Job>, StoreError> {
        self.0.reader.job(conv)
    }

    /// The number of the message that a client sent under this id, if it is on the disk.
    pub fn said(&self, conv: ConvId, cmid: Cmid) -> Result<Option<Seq>, StoreError> {
        self.0.reader.index.get(&keys::cmid(conv, cmid))
    }

    /// At most `limit` events with numbers above `after`, in order and without gaps. Where one is damaged on the disk
    /// stands a private note by [`HOLE`].
    pub fn events(&self, conv: ConvId, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.0.reader.events(conv, after, limit)
    }

    /// Conversations with a reply in the making, or whose shopper waits for the model: what a start has to look after.
    pub fn open_jobs_and_waiting(&self) -> Result<Vec<ConvId>, StoreError> {
        let rows = self.0.reader.index.scan::<()>(keys::OWED, keys::OWED, usize::MAX)?;
        Ok(rows.iter().filter_map(|(key, ())| keys::conv_at_end(key)).collect())
    }

    /// `None` if nothing was ever remembered of this shopper.
    pub fn shopper(&self, id: ShopperId) -> Result<Option<Shopper>, StoreError> {
        self.0.reader.index.get(&keys::shopper(id))
    }

    /// A shopper's conversations, newest last.
    pub fn conversations_of(&self, shopper: ShopperId) -> Result<Vec<ConvId>, StoreError> {
        let prefix = keys::opened_by(shopper);
        let rows = self.0.reader.index.scan::<()>(&prefix, &prefix, usize::MAX)?;
        Ok(rows.iter().filter_map(|(key, ())| keys::conv_at_end(key)).collect())
    }

    /// At most `limit` conversations with ids above `after`, in order of their ids: the next page begins after the last
    /// id of this one.
    pub fn conversations(
        &self,
        after: Option<ConvId>,
        limit: usize,
    ) -> Result<Vec<(ConvId, Head)>, StoreError> {
        // The smallest key above that of `after`.
        let from = after.map_or_else(|| keys::HEADS.to_vec(), |conv| [keys::head(conv), vec![0]].concat());
        let rows = self.0.reader.index.scan::<Head>(keys::HEADS, &from, limit)?;
        Ok(rows.into_iter().filter_map(|(key, head)| Some((keys::conv_at_end(&key)?, head))).collect())
    }
}
