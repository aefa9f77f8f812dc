//! The list of conversations, in memory: made from the store at the start, kept right by every commit.
//!
//! [`row`] folds events into a row, [`tabs`] keeps the orders, [`watch`] tells lookers which rows changed. A row is about 500 bytes,
//! so that 100,000 conversations take some 50 MB.

mod find;
mod row;
mod tabs;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

pub use find::People;
pub use row::{Gathered, Preview, PreviewBy, Row, RowShopper, Standing};
pub use tabs::{Counts, Tab};
pub use watch::{Changed, Watcher};

use super::file::Durable;
use super::{StaffError, Team};
use crate::clock::Millis;
use crate::domain::{ConvId, Event, Head, Owner, Seq, ShopperId, StaffId, Thumb};
use crate::store::Store;
use row::Card;
use tabs::{Place, Tabs};
use watch::Watchers;

/// Rows of one page, at most.
pub const MAX_PAGE: usize = 200;

/// What somebody wants to see of the list; everything that is set has to fit.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub tab: Option<Tab>,
    pub owner: Option<Owner>,
    pub status: Option<Standing>,
    pub staff: Option<String>,
    pub tag: Option<String>,
    pub rating: Option<Thumb>,
    /// `positive`, `neutral` or `negative`.
    pub mood: Option<String>,
    /// Only those with messages that no colleague has seen.
    pub unread: bool,
    /// Of the last change, both inclusive.
    pub from: Option<Millis>,
    pub to: Option<Millis>,
    /// The last page's `next`.
    pub after: Option<String>,
    pub limit: usize,
}

/// One page of the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowPage {
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

/// Clones are one.
#[derive(Clone, Debug)]
pub struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    team: Team,
    state: Mutex<State>,
    watchers: Watchers,
    marks: Durable<Marks>,
    unsaved: AtomicBool,
    ready: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    cards: HashMap<ConvId, Card>,
    tabs: Tabs,
    /// Who has what open, once for each socket.
    viewers: HashMap<ConvId, Vec<StaffId>>,
    marks: BTreeMap<ConvId, Seq>,
}

/// How far each conversation was read by a person: `seen.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Marks {
    marks: BTreeMap<ConvId, Seq>,
}

impl Board {
    pub(super) fn open(folder: &Path, store: Store, team: Team) -> Result<Self, StaffError> {
        let marks = Durable::<Marks>::open(folder.join("seen.json"))?;
        let state = State { marks: marks.get().marks.clone(), ..State::default() };
        Ok(Self(Arc::new(Inner {
            store,
            team,
            state: Mutex::new(state),
            watchers: Watchers::default(),
            marks,
            unsaved: AtomicBool::new(false),
            ready: AtomicBool::new(false),
        })))
    }

    /// False while the list is still being made.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire)
    }

    pub(super) fn set_ready(&self) {
        self.0.ready.store(true, Ordering::Release);
    }

    /// From now on the returned looker is told of every change.
    pub fn watch(&self) -> Arc<Watcher> {
        self.0.watchers.add()
    }

    /// Takes in the next events of a conversation. Those it has are skipped; false if some before them are missing.
    pub(super) fn apply(&self, conv: ConvId, events: &[Event], head: Option<&Head>) -> bool {
        let mut state = self.lock();
        let State { cards, tabs, marks, .. } = &mut *state;
        let card = cards.entry(conv).or_insert_with(|| Card::new(conv));
        let fresh: Vec<&Event> = events.iter().filter(|event| event.seq > card.row.seq).collect();
        if fresh.first().is_some_and(|first| first.seq > card.row.seq + 1) {
            return false;
        }
        tabs.remove(card);
        fresh.iter().for_each(|event| card.fold(event));
        if let Some(head) = head {
            card.settle(head);
        }
        if let Some(mark) = marks.get(&conv) {
            card.seen(*mark);
        }
        tabs.add(card);
        let tell = card.spoken && !fresh.is_empty();
        drop(state);
        if tell {
            self.0.watchers.changed(conv);
        }
        true
    }

    /// The newest number taken in.
    pub(super) fn seq(&self, conv: ConvId) -> Seq {
        self.lock().cards.get(&conv).map_or(0, |card| card.row.seq)
    }

    /// A conversation that was erased leaves the list.
    pub(super) fn forget(&self, conv: ConvId) {
        let mut state = self.lock();
        if let Some(card) = state.cards.remove(&conv) {
            state.tabs.remove(&card);
        }
        let marked = state.marks.remove(&conv).is_some();
        state.viewers.remove(&conv);
        drop(state);
        if marked {
            self.0.unsaved.store(true, Ordering::Release);
        }
        self.0.watchers.gone(conv);
    }

    /// Everything up to `seq` was read by a person.
    pub fn seen(&self, conv: ConvId, seq: Seq) {
        let mut state = self.lock();
        let Some(card) = state.cards.get_mut(&conv) else { return };
        let seq = seq.min(card.row.seq);
        let changed = card.seen(seq);
        let mark = state.marks.entry(conv).or_default();
        if *mark < seq {
            *mark = seq;
            self.0.unsaved.store(true, Ordering::Release);
        }
        drop(state);
        if changed {
            self.0.watchers.changed(conv);
        }
    }

    /// Writes down how far conversations were read, if that changed. Blocks.
    pub fn save(&self) -> Result<(), StaffError> {
        if !self.0.unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let marks = self.lock().marks.clone();
        self.0.marks.change(|kept| {
            kept.marks = marks;
            Ok(())
        })
    }

    /// A socket of `staff` has opened `conv`; [`Board::leave`] undoes it.
    pub fn enter(&self, conv: ConvId, staff: &StaffId) {
        self.lock().viewers.entry(conv).or_default().push(staff.clone());
        self.0.watchers.changed(conv);
    }

    pub fn leave(&self, conv: ConvId, staff: &StaffId) {
        let mut state = self.lock();
        if let Some(viewers) = state.viewers.get_mut(&conv) {
            if let Some(at) = viewers.iter().position(|viewer| viewer == staff) {
                viewers.swap_remove(at);
            }
            if viewers.is_empty() {
                state.viewers.remove(&conv);
            }
        }
        drop(state);
        self.0.watchers.changed(conv);
    }

    /// Something outside the conversation changed what its row shows.
    pub fn touch(&self, conv: ConvId) {
        self.0.watchers.changed(conv);
    }

    /// The row of a conversation in which something was said.
    pub fn row(&self, conv: ConvId) -> Option<Row> {
        let row = self.lock().row(conv)?;
        Some(self.dress(row))
    }

    /// The row of a conversation, even if nothing was said in it yet.
    pub fn any_row(&self, conv: ConvId) -> Option<Row> {
        let row = {
            let state = self.lock();
            state.row(conv).or_else(|| state.cards.get(&conv).map(|card| card.row.clone()))
        }?;
        Some(self.dress(row))
    }

    /// The rows of those conversations that have one.
    pub fn rows(&self, convs: impl IntoIterator<Item = ConvId>) -> Vec<Row> {
        let rows: Vec<Row> = {
            let state = self.lock();
            convs.into_iter().filter_map(|conv| state.row(conv)).collect()
        };
        rows.into_iter().map(|row| self.dress(row)).collect()
    }

    /// A shopper's conversations in which something was said, the newest last.
    pub fn of_shopper(&self, shopper: ShopperId) -> Result<Vec<Row>, StaffError> {
        Ok(self.rows(self.0.store.conversations_of(shopper)?))
    }

    /// A page of the list as `me` sees it.
    pub fn page(&self, query: &Query, me: &StaffId) -> RowPage {
        let limit = query.limit.clamp(1, MAX_PAGE);
        let after = query.after.as_deref().and_then(place);
        let mut rows = Vec::with_capacity(limit);
        let mut next = None;
        {
            let state = self.lock();
            let mut last = None;
            for at in state.tabs.walk(query.tab, me, after) {
                let Some(row) = state.cards.get(&at.2).map(|card| &card.row) else { continue };
                if !query.fits(row) {
                    continue;
                }
                if rows.len() == limit {
                    next = last;
                    break;
                }
                last = Some(at);
                rows.extend(state.row(at.2));
            }
        }
        let rows = rows.into_iter().map(|row| self.dress(row)).collect();
        RowPage { rows, next: next.map(|(rank, at, conv): Place| format!("{rank}.{at}.{conv}")) }
    }

    pub fn counts(&self, me: &StaffId) -> Counts {
        let state = self.lock();
        state.tabs.counts(me, |conv| state.cards.get(conv).is_some_and(|card| card.row.unread > 0))
    }

    /// What there is to learn from in all conversations.
    pub fn gathered(&self) -> Gathered {
        let mut gathered = Gathered::default();
        self.lock().cards.values().for_each(|card| card.gather(&mut gathered));
        gathered
    }

    /// Adds what is known of the shopper.
    fn dress(&self, mut row: Row) -> Row {
        if let Some(id) = row.shopper.id {
            row.shopper.blocked = self.0.team.is_blocked(id);
            if let Ok(Some(known)) = self.0.store.shopper(id) {
                row.shopper.name = known.name;
                row.shopper.email = known.email;
                row.shopper.contact = known.contact;
                row.shopper.verified = known.verified;
            }
        }
        row
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn row(&self, conv: ConvId) -> Option<Row> {
        let card = self.cards.get(&conv).filter(|card| card.spoken)?;
        let mut viewers: Vec<String> =
            self.viewers.get(&conv).into_iter().flatten().map(|staff| staff.0.clone()).collect();
        viewers.sort();
        viewers.dedup();
        Some(Row { viewers, ..card.row.clone() })
    }
}

impl Query {
    fn fits(&self, row: &Row) -> bool {
        let is =
            |wanted: &Option<String>, name: Option<&str>| wanted.as_deref().is_none_or(|w| Some(w) == name);
        self.owner.is_none_or(|owner| row.owner == owner)
            && self.status.is_none_or(|status| row.status == status)
            && is(&self.staff, row.staff.as_ref().map(|staff| staff.0.as_str()))
            && self.tag.as_ref().is_none_or(|tag| row.tags.contains(tag))
            && self.rating.is_none_or(|rating| row.rating == Some(rating))
            && is(&self.mood, row.mood.as_deref())
            && (!self.unread || row.unread > 0)
            && self.from.is_none_or(|from| row.updated_at >= from)
            && self.to.is_none_or(|to| row.updated_at <= to)
    }
}

/// A cursor as [`Board::page`] gave it out; none for anything else.
fn place(cursor: &str) -> Option<Place> {
    let (rank, rest) = cursor.split_once('.')?;
    let (at, conv) = rest.split_once('.')?;
    Some((rank.parse().ok()?, at.parse().ok()?, conv.parse().ok()?))
}

#[cfg(test)]
#[path = "../board_tests.rs"]
mod tests;
