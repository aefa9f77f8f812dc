//! Follows the store: what happened while nobody looked, then every commit, in one thread of its own, so that the store's writer
//! never waits for it.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Weak};

use super::Inner;
use super::error::HooksError;
use super::kind::Kind;
use super::queue::Delivery;
use crate::clock::Millis;
use crate::domain::Event;
use crate::store::{Committed, StoreError};

/// Conversations that are read at once.
const PAGE: usize = 1_000;
/// Commits whose deliveries are synced together, at most.
const BATCH: usize = 500;

/// Listens first, then reads what a stop left: what comes twice has an id.
pub(super) fn start(inner: &Arc<Inner>) -> std::io::Result<()> {
    let (tell, told) = channel();
    inner.store.listen(Box::new(move |committed: &Committed| {
        if !committed.events.is_empty() {
            // The thread is gone only when the service is.
            let _ = tell.send(committed.events.clone());
        }
    }));
    let weak = Arc::downgrade(inner);
    std::thread::Builder::new().name("webhooks".into()).spawn(move || run(&weak, &told))?;
    Ok(())
}

fn run(weak: &Weak<Inner>, told: &Receiver<Vec<Event>>) {
    if let Some(inner) = weak.upgrade()
        && let Err(fault) = catch_up(&inner)
    {
        tracing::error!(code = fault.code(), %fault, "webhooks miss what happened before the start");
    }
    while let Ok(first) = told.recv() {
        let Some(inner) = weak.upgrade() else { return };
        let mut events = first;
        for _ in 0..BATCH {
            match told.try_recv() {
                Ok(more) => events.extend(more),
                Err(_) => break,
            }
        }
        if let Err(fault) = inner.take(&events) {
            tracing::error!(code = fault.code(), %fault, "webhooks miss something");
        }
    }
}

/// Events since the mark that a stop left behind.
fn catch_up(inner: &Inner) -> Result<(), HooksError> {
    let Some(mark) = inner.queue().mark() else { return Ok(()) };
    let mut after = None;
    loop {
        let page = inner.store.conversations(after, PAGE).map_err(broken)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        for (conv, head) in page {
            if head.updated_at >= mark {
                let events = inner.store.events(conv, 0, usize::MAX).map_err(broken)?;
                let missed: Vec<Event> = events.into_iter().filter(|event| event.at >= mark).collect();
                inner.take(&missed)?;
            }
        }
    }
}

impl Inner {
    /// Makes the deliveries of `events`.
    fn take(&self, events: &[Event]) -> Result<(), HooksError> {
        if self.endpoints.is_empty() {
            return Ok(());
        }
        let Some(mark) = events.iter().map(|event| event.at).max() else { return Ok(()) };
        let mut deliveries = Vec::new();
        for event in events {
            for kind in Kind::of(event, &self.store).map_err(broken)? {
                let wanting = self.endpoints.wanting(kind, event.at).into_iter();
                deliveries.extend(wanting.map(|hook| delivery(event, kind, hook)));
            }
        }
        let any = !deliveries.is_empty();
        self.queue().add(deliveries, mark)?;
        if any {
            self.wake.notify_one();
        }
        Ok(())
    }
}

fn delivery(event: &Event, kind: Kind, hook: String) -> Delivery {
    let (conv, seq, at): (_, _, Millis) = (event.conv, event.seq, event.at);
    let id = format!("{conv}.{seq}.{}.{hook}", kind.name());
    Delivery { id, hook, kind, conv, seq, at, tries: 0, due: at, error: String::new(), dead: false }
}

fn broken(fault: StoreError) -> HooksError {
    HooksError::Staff(fault.into())
}
