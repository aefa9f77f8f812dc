//! Reading: rows from the index, events from the journal. Sees only what is durable.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::StoreError;
use super::index::Index;
use super::journal::Files;
use super::keys;
use super::record::{Location, Record};
use crate::clock::Millis;
use crate::domain::{ConvId, Event, EventKind, Head, Job, Seq, StaffId};

/// The author of the note that stands where an event was damaged.
pub const HOLE: &str = "shopclerk:store";

#[derive(Clone)]
pub(super) struct Reader {
    pub(super) index: Arc<Index>,
    pub(super) files: Arc<Files>,
}

/// The number of a raw event.
#[derive(Deserialize)]
struct Numbered {
    seq: Seq,
}

impl Reader {
    pub(super) fn head(&self, conv: ConvId) -> Result<Option<Head>, StoreError> {
        self.index.get(&keys::head(conv))
    }

    pub(super) fn job(&self, conv: ConvId) -> Result<Option<Job>, StoreError> {
        self.index.get(&keys::job(conv))
    }

    /// At most `limit` events after number `after`, without gaps: where one is damaged stands a [`hole`].
    pub(super) fn events(&self, conv: ConvId, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let newest = self.head(conv)?.map_or(0, |head| head.seq);
        let from = after.saturating_add(1);
        let upto = newest.min(after.saturating_add(limit as u64));
        if from > upto {
            return Ok(Vec::new());
        }
        let places = self.places(conv, from, upto)?;
        let mut events = Vec::with_capacity(places.len());
        let mut at = 0;
        for (seq, place) in places {
            let event = self.event_at(conv, seq, place)?.unwrap_or_else(|| hole(conv, seq, at));
            at = event.at;
            events.push(event);
        }
        Ok(events)
    }

    /// Where events `from` to `upto` are; `None` for one the index does not know.
    pub(super) fn places(
        &self,
        conv: ConvId,
        from: Seq,
        upto: Seq,
    ) -> Result<Vec<(Seq, Option<Location>)>, StoreError> {
        let prefix = [keys::EVENTS, conv.as_bytes()].concat();
        let limit = usize::try_from(upto - from + 1).unwrap_or(usize::MAX);
        let mut rows =
            self.index.scan::<Location>(&prefix, &keys::event(conv, from), limit)?.into_iter().peekable();
        Ok((from..=upto)
            .map(|seq| (seq, rows.next_if(|(key, _)| *key == keys::event(conv, seq)).map(|(_, place)| place)))
            .collect())
    }

    /// The event `seq` of `conv` if it is sound at `place`.
    pub(super) fn event_at(
        &self,
        conv: ConvId,
        seq: Seq,
        place: Option<Location>,
    ) -> Result<Option<Event>, StoreError> {
        let events: Vec<Event> = self.commit_events(conv, place)?;
        Ok(events.into_iter().find(|event| event.seq == seq && event.conv == conv))
    }

    /// The same as it was written, byte for byte.
    pub(super) fn raw_event_at(
        &self,
        conv: ConvId,
        seq: Seq,
        place: Option<Location>,
    ) -> Result<Option<Box<RawValue>>, StoreError> {
        let events: Vec<Box<RawValue>> = self.commit_events(conv, place)?;
        Ok(events
            .into_iter()
            .find(|raw| serde_json::from_str::<Numbered>(raw.get()).is_ok_and(|n| n.seq == seq)))
    }

    fn commit_events<E: DeserializeOwned>(
        &self,
        conv: ConvId,
        place: Option<Location>,
    ) -> Result<Vec<E>, StoreError> {
        let Some(place) = place else { return Ok(Vec::new()) };
        let payload = self.files.payload(place)?;
        let record = payload.and_then(|payload| serde_json::from_slice::<Record<E>>(&payload).ok());
        match record {
            Some(Record::Commit(commit)) if commit.conv == conv => Ok(commit.events),
            // Erased between the look into the index and the look into the journal.
            Some(Record::Erased(_)) => Ok(Vec::new()),
            _ => {
                tracing::error!(%conv, file = %self.files.path(place.0).display(), byte = place.1, "an entry of the journal is damaged");
                Ok(Vec::new())
            }
        }
    }
}

/// What stands in the place of an event that can no longer be read: a private note, so that numbers have no gap, staff
/// see that something is missing, and neither a shopper nor the model is told anything that was never said.
pub(super) fn hole(conv: ConvId, seq: Seq, at: Millis) -> Event {
    let text = "This entry was damaged on the disk and cannot be shown.".to_owned();
    Event { conv, seq, at, kind: EventKind::Note { by: StaffId(HOLE.to_owned()), text } }
}

pub(super) fn is_hole(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Note { by, .. } if by.0 == HOLE)
}
