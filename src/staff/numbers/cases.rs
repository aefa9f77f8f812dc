//! One conversation as it is counted: the fold of its events into cases.
//!
//! A case begins with the shopper's first message and ends when a colleague resolves it, or when the assistant's answer was the
//! last word for a day. It was solved by the model if no person was asked for, came or wrote, nothing waits for an answer,
//! the last answer was the model's own and whole, and the newest judgement is not bad. A later message is a new case.
//!
//! The fold is exact, so that a restart can do it again and count only what is not in the file yet: every event, and the
//! silence after it, is a point in order ([`Chat::counted`]).

use std::collections::BTreeMap;

use super::questions::{Question, Questions};
use super::tally::{MakerId, Quarter, Tally};
use crate::clock::Millis;
use crate::domain::conversation::SENTIMENT;
use crate::domain::handoff::Reason;
use crate::domain::{Ended, Event, EventKind, Owner, Provenance, Seq, Speaker, Status, Thumb};

/// So long after the last word the shopper does not come back with the same question.
pub(super) const QUIET: Millis = 24 * 60 * 60 * 1000;

/// Where what happens is written down.
pub(super) struct Pen<'a> {
    pub(super) tally: &'a mut Tally,
    pub(super) questions: &'a mut Questions,
}

/// A conversation, as far as it was taken in.
#[derive(Debug, Default)]
pub(super) struct Chat {
    seq: Seq,
    /// The last point that the file has: `2 * seq` for an event, one more for the silence after it.
    counted: u64,
    /// The last point taken in.
    point: u64,
    owner: Owner,
    spoken: bool,
    /// The shopper's messages that wait for an answer, and since when.
    open: Vec<(Seq, Millis)>,
    newest: Option<Question>,
    /// Since when a person is wanted.
    queued: Option<Millis>,
    made: Vec<(Seq, MakerId)>,
    judged: BTreeMap<Seq, (Thumb, Millis)>,
    case: Option<Case>,
}

#[derive(Debug, Default)]
struct Case {
    handed: bool,
    person: bool,
    /// The last word of the model was an answer.
    answered: bool,
    disliked: bool,
    maker: Option<MakerId>,
    /// When something was said last.
    last: Millis,
}

impl Chat {
    /// `counted` is the last point in the file.
    pub(super) fn new(counted: u64) -> Self {
        Self { counted, ..Self::default() }
    }

    /// The number of the newest event taken in.
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    /// What the file has to say of this conversation.
    pub(super) fn mark(&self) -> u64 {
        self.point.max(self.counted)
    }

    /// When the open case is solved by silence, if it can be.
    pub(super) fn due(&self) -> Option<Millis> {
        let case = self.case.as_ref()?;
        self.solved(case).then_some(case.last + QUIET)
    }

    fn solved(&self, case: &Case) -> bool {
        case.answered && !case.handed && !case.person && !case.disliked && self.open.is_empty()
    }

    /// Takes in the next event.
    pub(super) fn take(&mut self, event: &Event, pen: &mut Pen<'_>) {
        if self.due().is_some_and(|due| due <= event.at) {
            self.settle(pen);
        }
        self.seq = event.seq;
        self.point = 2 * event.seq;
        match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => self.asked(event, text, pen),
            EventKind::Said { by: Speaker::Staff(_), .. } => self.person(event.at, pen),
            EventKind::Reply { upto, text, ended, provenance, .. } => {
                let reply = Reply { upto: *upto, text, ended: *ended, provenance: provenance.as_ref() };
                self.replied(event, &reply, pen);
            }
            EventKind::Status { status: Status::Resolved, .. } => self.resolved(event.at, pen),
            EventKind::Status { status: Status::Retry, .. } => {
                let asked = self.newest.as_ref().map_or(0, |question| question.seq);
                self.open.push((asked, event.at));
            }
            EventKind::Owner { owner, why, .. } => {
                if *owner == Owner::Queue && why.is_none_or(|why| is_unanswered(why.reason)) {
                    self.unanswered(pen);
                }
                self.owned(*owner, event.at, pen);
            }
            EventKind::Rating { of, value, .. } => self.judged(*of, *value, (event.at, pen)),
            // One that staff asked for looks again at a message that was counted.
            EventKind::Tool { name, outcome } if name == SENTIMENT && outcome.get("by").is_none() => {
                self.felt(event.at, outcome, pen);
            }
            _ => {}
        }
    }

    /// The shopper did not come back: the open case is solved.
    pub(super) fn settle(&mut self, pen: &mut Pen<'_>) {
        let Some(due) = self.due() else { return };
        self.point = 2 * self.seq + 1;
        let maker = self.case.as_ref().and_then(|case| case.maker);
        self.count(due, pen, |quarter| {
            quarter.solve(maker);
            quarter.sums.resolved_quietly += 1;
        });
        self.case = None;
        self.newest = None;
    }

    /// Writes down what the file does not have yet.
    fn count(&self, at: Millis, pen: &mut Pen<'_>, change: impl FnOnce(&mut Quarter)) {
        if self.point > self.counted {
            change(pen.tally.quarter(at));
        }
    }

    fn case(&mut self, at: Millis) -> &mut Case {
        let case = self.case.get_or_insert_default();
        case.last = at;
        case
    }

    fn asked(&mut self, event: &Event, text: &str, pen: &mut Pen<'_>) {
        let first = !std::mem::replace(&mut self.spoken, true);
        self.count(event.at, pen, |quarter| {
            quarter.sums.messages += 1;
            quarter.sums.conversations += u64::from(first);
        });
        self.open.push((event.seq, event.at));
        self.newest = Some(Question::of(event, text));
        self.case(event.at);
    }

    fn person(&mut self, at: Millis, pen: &mut Pen<'_>) {
        let wait = self.queued.take().map(|since| millis(at.saturating_sub(since)));
        self.count(at, pen, |quarter| {
            quarter.sums.by_staff += 1;
            quarter.waits.extend(wait);
        });
        self.open.clear();
        self.case(at).person = true;
    }

    fn replied(&mut self, event: &Event, reply: &Reply<'_>, pen: &mut Pen<'_>) {
        let asked = self.open.iter().find(|(seq, _)| *seq == reply.upto).map(|(_, at)| *at);
        self.open.retain(|(seq, _)| *seq > reply.upto);
        let maker = reply.provenance.filter(|_| reply.is_own()).map(|by| pen.tally.maker(by));
        let case = self.case(event.at);
        case.answered = reply.is_whole();
        case.maker = maker.or(case.maker);
        if reply.ended == Ended::Refused {
            self.unanswered(pen);
        }
        if !reply.is_own() {
            return;
        }
        self.made.extend(maker.map(|maker| (event.seq, maker)));
        self.count(event.at, pen, |quarter| {
            quarter.sums.replies += 1;
            let (Some(maker), Some(by)) = (maker, reply.provenance) else { return };
            let made = quarter.made.entry(maker).or_default();
            made.replies += 1;
            // With the time in the line, which the model does not know of.
            let waited = millis(event.at.saturating_sub(asked.unwrap_or(event.at))).max(by.total_ms);
            made.first.push(waited - by.total_ms.saturating_sub(by.first_ms));
            made.total.extend(reply.is_whole().then_some(waited));
        });
    }

    fn resolved(&mut self, at: Millis, pen: &mut Pen<'_>) {
        if let Some(case) = self.case.take() {
            let alone = self.solved(&case);
            self.count(at, pen, |quarter| match alone {
                true => quarter.solve(case.maker),
                false => quarter.sums.resolved_by_staff += 1,
            });
        }
        self.open.clear();
        (self.newest, self.queued) = (None, None);
    }

    fn owned(&mut self, owner: Owner, at: Millis, pen: &mut Pen<'_>) {
        let before = std::mem::replace(&mut self.owner, owner);
        match owner {
            Owner::Ai => self.queued = None,
            Owner::Queue => self.queued = Some(at),
            Owner::Staff => {}
        }
        if before != Owner::Ai || owner == Owner::Ai {
            return;
        }
        let case = self.case(at);
        let maker = case.maker;
        if !std::mem::replace(&mut case.handed, true) {
            self.count(at, pen, |quarter| {
                quarter.sums.handoffs += 1;
                if let Some(maker) = maker {
                    quarter.made.entry(maker).or_default().handoffs += 1;
                }
            });
        }
    }

    fn judged(&mut self, of: Seq, value: Thumb, (at, pen): (Millis, &mut Pen<'_>)) {
        let maker = self.made.iter().find(|(seq, _)| *seq == of).map(|(_, maker)| *maker);
        if let Some(case) = &mut self.case {
            case.disliked = value == Thumb::Down;
        }
        let before = self.judged.get(&of).copied();
        if before.is_some_and(|(was, _)| was == value) {
            return;
        }
        if let Some((was, when)) = before {
            self.count(when, pen, |quarter| quarter.unjudge(was, maker));
        }
        self.count(at, pen, |quarter| quarter.judge(value, maker));
        self.judged.insert(of, (value, at));
    }

    /// How a message sounds says something of the answer before it.
    fn felt(&self, at: Millis, outcome: &serde_json::Value, pen: &mut Pen<'_>) {
        let label = outcome.get("label").and_then(serde_json::Value::as_str).unwrap_or_default();
        let of = outcome.get("of").and_then(serde_json::Value::as_u64).unwrap_or(self.seq);
        let maker = self.made.iter().rfind(|(seq, _)| *seq < of).map(|(_, maker)| *maker);
        self.count(at, pen, |quarter| {
            quarter.sums.mood.count(label);
            if let Some(maker) = maker {
                quarter.made.entry(maker).or_default().mood.count(label);
            }
        });
    }

    /// The assistant could not answer what was asked last.
    fn unanswered(&mut self, pen: &mut Pen<'_>) {
        if let Some(question) = &self.newest {
            pen.questions.add(question);
        }
    }
}

/// What the model said.
struct Reply<'a> {
    upto: Seq,
    text: &'a str,
    ended: Ended,
    provenance: Option<&'a Provenance>,
}

impl Reply<'_> {
    /// True for words of the model, whole or cut short.
    fn is_own(&self) -> bool {
        !self.text.is_empty() && !matches!(self.ended, Ended::Failed | Ended::Refused)
    }

    fn is_whole(&self) -> bool {
        !self.text.is_empty() && matches!(self.ended, Ended::Complete | Ended::Length)
    }
}

/// False where a person was called whatever the question was.
fn is_unanswered(reason: Reason) -> bool {
    match reason {
        Reason::Asked | Reason::Word | Reason::Repeated | Reason::Unsure | Reason::Model => true,
        Reason::Mood | Reason::Closed => false,
    }
}

/// Longer than seven weeks counts as seven weeks.
fn millis(span: Millis) -> u32 {
    u32::try_from(span).unwrap_or(u32::MAX)
}
