//! Listening to a conversation: what was missed, then what happens.

use std::collections::HashSet;

use super::DeskError;
use super::desk::Desk;
use super::hub::{Delta, Notice, Outlet, Who};
use crate::domain::{ConvId, Event, Seq, Shopper, ShopperId, StaffId};

/// How many events are replayed to a listener; who is further behind reads the history.
const REPLAY: usize = 1_000;
/// How many of them at a time. A listener may have a thousand long ones to catch up with, and may stop reading after the first.
const PAGE: usize = 8;

/// What a listener missed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    pub head: Seq,
    /// The next of them, or the first page of the newest.
    pub events: Vec<Event>,
    /// More were missed: ask again after the last of `events`. What follows is set only where there are no more.
    pub more: bool,
    /// The reply in the making, from its first character.
    pub partial: Option<Delta>,
    /// The place in the line for the model.
    pub queued: Option<usize>,
    /// The listener's number cannot be continued from: `events` are the newest, not the next.
    pub reset: bool,
}

impl Desk {
    /// Tells the others in the conversation that somebody types; `by` names a member of staff.
    pub fn typing(&self, conv: ConvId, by: Option<StaffId>) {
        let who = if by.is_some() { Who::Staff } else { Who::Shopper };
        self.0.hub.publish(conv, Notice::Typing { conv, who, by });
    }

    /// The conversation was erased: an answer in the making ends, and whoever listens is told.
    pub fn gone(&self, conv: ConvId) {
        self.stop(conv);
        self.0.model.forget();
        self.0.hub.publish(conv, Notice::Gone(conv));
    }

    /// What the shop knows of a shopper; none of most.
    pub fn shopper(&self, id: ShopperId) -> Result<Option<Shopper>, DeskError> {
        Ok(self.0.store.shopper(id)?)
    }

    /// Messages of these shoppers, and of no others, are refused from now on.
    pub fn block(&self, shoppers: HashSet<ShopperId>) {
        self.0.limits.block(shoppers);
    }

    /// Whether this shopper is refused.
    pub fn is_blocked(&self, shopper: ShopperId) -> bool {
        self.0.limits.is_blocked(shopper)
    }

    /// From now on `outlet` hears of `conv`; the number of its newest event, 0 for a conversation that is not there.
    pub fn attach(&self, conv: ConvId, outlet: &Outlet) -> Result<Seq, DeskError> {
        self.0.hub.attach(conv, outlet);
        Ok(self.0.store.head(conv)?.unwrap_or_default().seq)
    }

    /// From now on `outlet` hears of `conv`; returns what it missed since `after`. Listening starts before reading, so
    /// that nothing falls between; what comes twice has a number, or an offset, to tell it by.
    pub fn subscribe(&self, conv: ConvId, after: Seq, outlet: &Outlet) -> Result<Replay, DeskError> {
        let head = self.attach(conv, outlet)?;
        let reset = after > head || head - after > REPLAY as u64;
        let from = if reset { head.saturating_sub(REPLAY as u64) } else { after };
        let events = self.0.store.events(conv, from, PAGE)?;
        if events.last().is_some_and(|last| last.seq < head) {
            return Ok(Replay { head, events, more: true, partial: None, queued: None, reset });
        }
        let (partial, queued) = match self.0.lives.get(conv) {
            Some(live) => live.so_far(conv),
            None => (None, None),
        };
        Ok(Replay { head, events, more: false, partial, queued, reset })
    }

    /// `outlet` hears of `conv` no more.
    pub fn leave(&self, conv: ConvId, outlet: &Outlet) {
        self.0.hub.detach_from(conv, outlet);
    }

    pub fn unsubscribe(&self, outlet: &Outlet) {
        self.0.hub.detach(outlet);
    }

    /// At most `limit` events with numbers above `after`.
    pub fn history(&self, conv: ConvId, after: Seq, limit: usize) -> Result<Vec<Event>, DeskError> {
        Ok(self.0.store.events(conv, after, limit)?)
    }

    /// The store's epoch: a client that knows another one must read again.
    pub fn epoch(&self) -> &str {
        self.0.store.epoch()
    }
}
