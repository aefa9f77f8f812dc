//! One group of commands on its way to the disk: decided in order, each seeing what those before it led to.

use std::collections::HashMap;

use serde::Serialize;

use super::ask::{Ask, Committed, Import, Reply};
use super::error::StoreError;
use super::index::Batch;
use super::keys;
use super::reader::{Reader, hole};
use super::record::{Commit, Location, Mark, Record, Remember};
use crate::clock::Clock;
use crate::domain::{Cmid, Command, ConvId, Event, EventKind, Head, Job, JobChange, Seq};

/// What the writer knows of a conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) job: Option<Job>,
}

pub(super) struct Group<'a> {
    reader: &'a Reader,
    clock: &'a Clock,
    /// States on the disk, from earlier groups.
    known: &'a HashMap<ConvId, State>,
    /// Where the next entry goes.
    pub(super) mark: Mark,
    pub(super) bytes: Vec<u8>,
    pub(super) rows: Batch,
    pub(super) states: HashMap<ConvId, State>,
    cmids: HashMap<(ConvId, Cmid), Event>,
    pub(super) replies: Vec<Reply>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        reader: &'a Reader,
        clock: &'a Clock,
        known: &'a HashMap<ConvId, State>,
        mark: Mark,
    ) -> Self {
        Self {
            reader,
            clock,
            known,
            mark,
            bytes: Vec::new(),
            rows: Batch::default(),
            states: HashMap::new(),
            cmids: HashMap::new(),
            replies: Vec::new(),
        }
    }

    /// Decides one request. What changes nothing is answered at once; the rest waits in `replies`.
    pub(super) fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Commit { conv, command, arrived, answer } => match self.commit(conv, &command) {
                Ok((committed, true)) => {
                    let committed = Box::new(committed);
                    self.replies.push(Reply::Committed { answer, committed, arrived });
                }
                Ok((committed, false)) => drop(answer.send(Ok(committed))),
                Err(error) => drop(answer.send(Err(error))),
            },
            Ask::Remember { shopper, answer } => {
                let remember = Remember { lsn: self.mark.lsn + 1, shopper: *shopper };
                match self.journal(&Record::<()>::Shopper(remember.clone())) {
                    Ok(_) => {
                        self.rows.stage_shopper(&remember);
                        self.replies.push(Reply::Done(answer));
                    }
                    Err(error) => drop(answer.send(Err(error))),
                }
            }
            Ask::Import { whole, answer } => match self.import(*whole) {
                Ok(()) => self.replies.push(Reply::Done(answer)),
                Err(error) => drop(answer.send(Err(error))),
            },
            // The loop takes these out before.
            Ask::Close { answer } => drop(answer.send(Ok(()))),
            Ask::Erase { answer, .. } => drop(answer.send(Err(StoreError::Busy))),
        }
    }

    /// The outcome, and whether it must wait for the disk.
    fn commit(&mut self, conv: ConvId, command: &Command) -> Result<(Committed, bool), StoreError> {
        let mut state = self.state(conv)?;
        if let Some(cmid) = command.cmid()
            && let Some((event, pending)) = self.said_before(conv, cmid)?
        {
            let duplicate = Some(event.seq);
            let committed = Committed { events: vec![event], head: state.head, job: state.job, duplicate };
            return Ok((committed, pending));
        }
        let decision = state.head.decide(command, state.job.as_ref())?;
        // Times never go backwards in a conversation, whatever the machine's clock does.
        let at = self.clock.now().max(state.head.updated_at);
        let mut events = Vec::with_capacity(decision.events.len());
        for kind in decision.events {
            let seq = state.head.seq + 1;
            state.head.evolve(seq, at, &kind);
            events.push(Event { conv, seq, at, kind });
        }
        match decision.job {
            JobChange::Keep => {}
            JobChange::Set(job) => state.job = Some(job),
            JobChange::Clear => state.job = None,
        }
        let commit =
            Commit { lsn: self.mark.lsn + 1, conv, events, head: state.head.clone(), job: state.job };
        let commit = self.write(commit)?;
        for event in &commit.events {
            if let EventKind::Said { cmid, .. } = &event.kind {
                self.cmids.insert((conv, *cmid), event.clone());
            }
        }
        self.states.insert(conv, state);
        let committed =
            Committed { events: commit.events, head: commit.head, job: commit.job, duplicate: None };
        Ok((committed, true))
    }

    fn state(&self, conv: ConvId) -> Result<State, StoreError> {
        if let Some(state) = self.states.get(&conv).or_else(|| self.known.get(&conv)) {
            return Ok(state.clone());
        }
        let head = self.reader.head(conv)?.unwrap_or_default();
        Ok(State { head, job: self.reader.job(conv)? })
    }

    /// The message a client sent before under the same id, and true if it still waits for the disk.
    fn said_before(&self, conv: ConvId, cmid: Cmid) -> Result<Option<(Event, bool)>, StoreError> {
        if let Some(event) = self.cmids.get(&(conv, cmid)) {
            return Ok(Some((event.clone(), true)));
        }
        let Some(seq) = self.reader.index.get::<Seq>(&keys::cmid(conv, cmid))? else { return Ok(None) };
        let event = self.reader.events(conv, seq.saturating_sub(1), 1)?.pop();
        Ok(Some((event.unwrap_or_else(|| hole(conv, seq, 0)), false)))
    }

    /// Puts a commit into the journal and its rows into the index.
    fn write(&mut self, commit: Commit) -> Result<Commit, StoreError> {
        let record = Record::Commit(commit);
        let place = self.journal(&record)?;
        let Record::Commit(commit) = record else { unreachable!("made three lines above") };
        self.rows.stage(&commit, place);
        Ok(commit)
    }

    /// One entry for each event, so that no entry is larger than it was when it was new.
    fn import(&mut self, whole: Import) -> Result<(), StoreError> {
        let mut head = Head::default();
        let count = whole.events.len();
        for (n, (event, raw)) in whole.events.into_iter().enumerate() {
            head.evolve(event.seq, event.at, &event.kind);
            let job = if n + 1 == count { whole.job } else { None };
            // A damaged event left a hole, so what the export says of the head counts in the end.
            let head = if n + 1 == count { whole.head.clone() } else { head.clone() };
            let commit = Commit { lsn: self.mark.lsn + 1, conv: whole.conv, events: vec![raw], head, job };
            let Commit { lsn, conv, head, job, .. } = commit.clone();
            let place = self.journal(&Record::Commit(commit))?;
            self.rows.stage(&Commit { lsn, conv, events: vec![event], head, job }, place);
        }
        Ok(())
    }

    fn journal<E: Serialize>(&mut self, record: &Record<E>) -> Result<Location, StoreError> {
        let len = record.push(&mut self.bytes)?;
        let place = Location(self.mark.segment, self.mark.end, len);
        self.mark.lsn += 1;
        self.mark.end += u64::from(len);
        Ok(place)
    }
}
