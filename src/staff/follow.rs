//! Follows the store: everything that was said before, then every commit, in one thread of its own, so that the store's
//! writer never waits for the staff's side.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::board::Board;
use super::{Numbers, Search, StaffError};
use crate::domain::{ConvId, Event};
use crate::store::{Committed, Store};

/// Conversations, and events of one, that are read at once.
const CHUNK: usize = 1_000;

/// What the thread is told.
enum Told {
    Commit(Vec<Event>),
    /// The store has erased it.
    Gone(ConvId),
    Stop,
}

/// Ends the thread when dropped.
#[derive(Debug)]
pub(super) struct Following(Sender<Told>);

impl Following {
    /// Behind everything that was committed before, so that nothing of `conv` comes back.
    pub(super) fn gone(&self, conv: ConvId) {
        let _ = self.0.send(Told::Gone(conv));
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.send(Told::Stop);
    }
}

/// What is kept right.
pub(super) struct Followers {
    pub(super) board: Board,
    pub(super) search: Search,
    pub(super) numbers: Numbers,
}

impl Followers {
    /// Takes in `events` of one conversation, which come next or were seen before.
    fn take(&self, store: &Store, conv: ConvId, events: &[Event]) -> Result<(), StaffError> {
        if !self.board.apply(conv, events, None) {
            return self.read(store, conv);
        }
        self.numbers.apply(conv, events);
        self.search.touch(conv);
        Ok(())
    }

    fn forget(&self, conv: ConvId) {
        self.board.forget(conv);
        self.search.forget(conv);
        self.numbers.forget(conv);
    }

    /// Reads what is missing of a conversation.
    fn read(&self, store: &Store, conv: ConvId) -> Result<(), StaffError> {
        let Some(head) = store.head(conv)? else { return Ok(()) };
        loop {
            let from = self.board.seq(conv);
            let events = store.events(conv, from, CHUNK)?;
            let whole = events.len() < CHUNK;
            self.board.apply(conv, &events, whole.then_some(&head));
            self.numbers.apply(conv, &events);
            if whole {
                self.search.touch(conv);
                return Ok(());
            }
        }
    }

    fn read_all(&self, store: &Store) -> Result<usize, StaffError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = store.conversations(after, CHUNK)?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = Some(*last);
            count += page.len();
            for (conv, _) in &page {
                self.read(store, *conv)?;
            }
        }
    }
}

/// Begins to follow `store`. Listens first, then reads: what comes twice has a number.
pub(super) fn start(store: &Store, followers: Followers) -> std::io::Result<Following> {
    let (tell, told) = channel();
    let ear = tell.clone();
    store.listen(Box::new(move |committed: &Committed| {
        if !committed.events.is_empty() {
            // The thread is gone only when the staff's side is.
            let _ = ear.send(Told::Commit(committed.events.clone()));
        }
    }));
    let store = store.clone();
    std::thread::Builder::new().name("staff-follow".into()).spawn(move || run(&store, &followers, &told))?;
    Ok(Following(tell))
}

fn run(store: &Store, followers: &Followers, told: &Receiver<Told>) {
    let started = std::time::Instant::now();
    match followers.read_all(store) {
        Ok(count) => {
            tracing::info!(
                conversations = count,
                seconds = started.elapsed().as_secs_f64(),
                "the list is made"
            );
            followers.board.set_ready();
            followers.numbers.set_ready();
        }
        Err(fault) => {
            tracing::error!(code = fault.code(), %fault, "the list of conversations could not be made");
        }
    }
    loop {
        let events = match told.recv() {
            Ok(Told::Commit(events)) => events,
            Ok(Told::Gone(conv)) => {
                followers.forget(conv);
                continue;
            }
            Ok(Told::Stop) | Err(_) => break,
        };
        let Some(conv) = events.first().map(|event| event.conv) else { continue };
        if let Err(fault) = followers.take(store, conv, &events) {
            tracing::error!(code = fault.code(), %conv, %fault, "the list misses something");
        }
    }
    followers.search.stop();
}
