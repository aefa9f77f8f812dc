//! How the desk does: what was asked, who answered, how long it took, what nobody could answer.
//!
//! [`cases`] folds the events of each conversation into [`tally`], quarters of an hour of plain numbers; [`report`] adds them up
//! for days; [`questions`] groups what stayed unanswered; [`table`] writes files. The tally is kept in `numbers.json`, with how
//! far each conversation was counted: a start folds every conversation again and counts only what is new. So the figures of
//! past days stay when their conversations are erased, and a lost file is made again from what the store still has.
//! Questions are in memory only, and leave with their conversation.

mod cases;
mod kept;
mod questions;
mod report;
pub mod table;
mod tally;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use questions::Unanswered;
pub use report::{Day, Figures, MAX_DAYS, ModelFigures, Report, Span, Times, Wanted};
pub use tally::{Moods, Sums};

use self::cases::{Chat, Pen};
use self::kept::Kept;
use self::questions::Questions;
use self::tally::Tally;
use super::{StaffError, file};
use crate::clock::{Clock, Millis};
use crate::domain::{ConvId, Event};
use crate::store::Store;

/// The file is written so often: what it lacks is counted again at the next start.
const SAVE: Millis = 60 * 60 * 1000;

/// Clones are one.
#[derive(Clone, Debug)]
pub struct Numbers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    store: Store,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    questions: Questions,
    chats: HashMap<ConvId, Chat>,
    /// When which conversation is solved by silence.
    due: BTreeSet<(Millis, ConvId)>,
    /// How far the file had counted conversations that were not read yet.
    marks: BTreeMap<ConvId, u64>,
    ready: bool,
    /// Something changed since the file was written.
    unsaved: Option<Unsaved>,
    saved_at: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsaved {
    /// Can wait.
    Counted,
    /// A conversation that is still named there was erased.
    Erased,
}

impl Numbers {
    pub(super) fn open(folder: &Path, store: Store, clock: Clock) -> Result<Self, StaffError> {
        let path = folder.join("numbers.json");
        let Kept { tally, marks, .. } = kept::read(&path)?;
        let state = State { tally: tally.into_owned(), marks, saved_at: clock.now(), ..State::default() };
        Ok(Self(Arc::new(Inner { path, store, clock, state: Mutex::new(state) })))
    }

    /// Takes in the next events of a conversation; those it has are skipped, those behind a gap are not taken.
    pub(super) fn apply(&self, conv: ConvId, events: &[Event]) {
        let mut state = self.lock();
        let State { tally, questions, chats, due, marks, unsaved, .. } = &mut *state;
        let known = chats.get(&conv).map_or(0, Chat::seq);
        let unknown = events.iter().skip_while(|event| event.seq <= known);
        let fresh: Vec<&Event> = unknown
            .zip(known + 1..)
            .take_while(|(event, seq)| event.seq == *seq)
            .map(|(event, _)| event)
            .collect();
        if fresh.is_empty() {
            return;
        }
        let chat = chats.entry(conv).or_insert_with(|| Chat::new(marks.remove(&conv).unwrap_or(0)));
        if let Some(at) = chat.due() {
            due.remove(&(at, conv));
        }
        let mut pen = Pen { tally, questions };
        fresh.into_iter().for_each(|event| chat.take(event, &mut pen));
        due.extend(chat.due().map(|at| (at, conv)));
        unsaved.get_or_insert(Unsaved::Counted);
    }

    /// Everything that was there at the start has been read. What the file knows besides was erased.
    pub(super) fn set_ready(&self) {
        let mut state = self.lock();
        state.ready = true;
        if !std::mem::take(&mut state.marks).is_empty() {
            state.unsaved = Some(Unsaved::Erased);
        }
    }

    /// A conversation that was erased leaves the questions; what was counted stays.
    pub(super) fn forget(&self, conv: ConvId) {
        let mut state = self.lock();
        if let Some(at) = state.chats.remove(&conv).and_then(|chat| chat.due()) {
            state.due.remove(&(at, conv));
        }
        state.marks.remove(&conv);
        state.questions.forget(conv);
        state.unsaved = Some(Unsaved::Erased);
    }

    /// The numbers of `span`.
    pub fn report(&self, span: &Span) -> Result<Report, StaffError> {
        let (report, asked) = {
            let mut state = self.lock();
            state.settle(self.0.clock.now());
            let (from, to) = span.bounds();
            let report = report::report(&state.tally, span);
            (Report { ready: state.ready, ..report }, state.questions.between(from, to))
        };
        let mut there = HashMap::<ConvId, bool>::new();
        let mut open = Vec::with_capacity(asked.len());
        for question in asked {
            let known = match there.get(&question.conv) {
                Some(known) => *known,
                // Erased since: what the store no longer has is not shown.
                None => self.0.store.head(question.conv)?.is_some(),
            };
            there.insert(question.conv, known);
            open.extend(known.then_some(question));
        }
        Ok(Report { unanswered: questions::groups(&open), ..report })
    }

    /// The time that [`Span::of`] counts back from.
    pub fn now(&self) -> Millis {
        self.0.clock.now()
    }

    /// Writes the file if it is time to. Blocks.
    pub fn tidy(&self) -> Result<(), StaffError> {
        let now = self.0.clock.now();
        let due = {
            let mut state = self.lock();
            state.settle(now);
            match state.unsaved {
                None => false,
                Some(Unsaved::Counted) => now.saturating_sub(state.saved_at) >= SAVE,
                Some(Unsaved::Erased) => true,
            }
        };
        if due { self.save() } else { Ok(()) }
    }

    /// Writes the file if anything changed. Blocks.
    pub fn save(&self) -> Result<(), StaffError> {
        let (text, why) = {
            let mut state = self.lock();
            // While old conversations are read it would forget how far they were counted.
            if !state.ready {
                return Ok(());
            }
            let Some(why) = state.unsaved.take() else { return Ok(()) };
            state.saved_at = self.0.clock.now();
            let marks = state.chats.iter().map(|(conv, chat)| (*conv, chat.mark())).collect();
            (kept::text(&state.tally, marks), why)
        };
        file::replace(&self.0.path, &text).inspect_err(|_| self.lock().unsaved = Some(why))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Solves the cases whose shoppers did not come back.
    fn settle(&mut self, now: Millis) {
        let Self { tally, questions, chats, due, unsaved, .. } = self;
        while let Some((at, conv)) = due.first().copied().filter(|(at, _)| *at <= now) {
            due.remove(&(at, conv));
            if let Some(chat) = chats.get_mut(&conv) {
                chat.settle(&mut Pen { tally, questions });
                unsaved.get_or_insert(Unsaved::Counted);
            }
        }
    }
}

#[cfg(test)]
#[path = "../numbers_tests.rs"]
mod tests;
