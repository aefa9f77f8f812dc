//! The list in its orders: each tab is a sorted set, so that a page costs its own length and not the shop's.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::row::{Card, Standing};
use crate::clock::Millis;
use crate::domain::{ConvId, Owner, StaffId};

/// The part of the list a colleague looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tab {
    /// A person is wanted and nobody has taken it; runs of unhappy messages first, then the longest wait.
    Waiting,
    /// Mine and open; the newest change first.
    Mine,
    /// Everything that is open.
    All,
    Resolved,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Counts {
    pub waiting: usize,
    pub mine: usize,
    pub all: usize,
    pub resolved: usize,
    /// Conversations with unread messages among waiting and mine.
    pub unread: usize,
}

/// A place in an order: what is raised comes first and has a smaller rank, everywhere but in the waiting list all have the same.
pub(super) type Place = (u32, Millis, ConvId);

/// So many unhappy messages are a run; a single one raises nobody.
const RUN: u32 = 2;

/// The more unhappy, the smaller.
fn rank(unhappy: u32) -> u32 {
    if unhappy < RUN { u32::MAX } else { u32::MAX - unhappy }
}

/// The sorted sets.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    waiting: BTreeSet<Place>,
    open: BTreeSet<Place>,
    resolved: BTreeSet<Place>,
    every: BTreeSet<Place>,
    mine: HashMap<StaffId, BTreeSet<Place>>,
}

/// Where a card is.
struct Places {
    waiting: Option<Place>,
    mine: Option<(StaffId, Place)>,
    /// In `every`, and in `open` or `resolved`.
    change: Place,
    standing: Standing,
}

fn places(card: &Card) -> Option<Places> {
    let row = &card.row;
    let change = (0, row.updated_at, row.conv);
    let open = row.status == Standing::Open;
    let waits = open && row.owner == Owner::Queue;
    let since = row.waiting_since.unwrap_or(row.updated_at);
    let waiting = waits.then(|| (rank(row.unhappy), since, row.conv));
    let mine = row.staff.clone().filter(|_| open && row.owner == Owner::Staff).map(|staff| (staff, change));
    card.spoken.then_some(Places { waiting, mine, change, standing: row.status })
}

impl Tabs {
    pub(super) fn add(&mut self, card: &Card) {
        let Some(at) = places(card) else { return };
        self.every.insert(at.change);
        match at.standing {
            Standing::Open => self.open.insert(at.change),
            Standing::Resolved => self.resolved.insert(at.change),
        };
        self.waiting.extend(at.waiting);
        if let Some((staff, place)) = at.mine {
            self.mine.entry(staff).or_default().insert(place);
        }
    }

    /// Has to see the card as it was when it was added.
    pub(super) fn remove(&mut self, card: &Card) {
        let Some(at) = places(card) else { return };
        self.every.remove(&at.change);
        self.open.remove(&at.change);
        self.resolved.remove(&at.change);
        if let Some(place) = at.waiting {
            self.waiting.remove(&place);
        }
        if let Some((staff, place)) = at.mine
            && let Some(set) = self.mine.get_mut(&staff)
        {
            set.remove(&place);
            if set.is_empty() {
                self.mine.remove(&staff);
            }
        }
    }

    /// The places of `tab` (of everything, if none) for `me`, after `after`, in the tab's order.
    pub(super) fn walk<'a>(
        &'a self,
        tab: Option<Tab>,
        me: &StaffId,
        after: Option<Place>,
    ) -> Box<dyn Iterator<Item = Place> + 'a> {
        match tab {
            Some(Tab::Waiting) => match after {
                Some(after) => {
                    let above = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
                    Box::new(self.waiting.range(above).copied())
                }
                None => Box::new(self.waiting.iter().copied()),
            },
            Some(Tab::Mine) => match self.mine.get(me) {
                Some(mine) => newest_first(mine, after),
                None => Box::new(std::iter::empty()),
            },
            Some(Tab::All) => newest_first(&self.open, after),
            Some(Tab::Resolved) => newest_first(&self.resolved, after),
            None => newest_first(&self.every, after),
        }
    }

    pub(super) fn counts(&self, me: &StaffId, unread: impl Fn(&ConvId) -> bool) -> Counts {
        let mine = self.mine.get(me);
        let unread_mine = mine.map_or(0, |set| set.iter().filter(|(_, _, conv)| unread(conv)).count());
        Counts {
            waiting: self.waiting.len(),
            mine: mine.map_or(0, BTreeSet::len),
            all: self.open.len(),
            resolved: self.resolved.len(),
            unread: unread_mine + self.waiting.iter().filter(|(_, _, conv)| unread(conv)).count(),
        }
    }
}

fn newest_first(set: &BTreeSet<Place>, after: Option<Place>) -> Box<dyn Iterator<Item = Place> + '_> {
    match after {
        Some(after) => Box::new(set.range(..after).rev().copied()),
        None => Box::new(set.iter().rev().copied()),
    }
}
