//! The state machine of one conversation.
//!
//! [`Head`] is the fold of its events. [`Head::decide`] turns a command into events or a refusal and changes nothing;
//! [`Head::evolve`] applies an event. The store runs both on its one writer thread, so that two agents who take the
//! same conversation, or a reply and a take-over, are decided once.

use serde::{Deserialize, Serialize};

use super::command::{Command, Cut, Decision, Job, JobChange, Opening, Replied};
use super::event::{Ended, EventKind, Owner, Provenance, Speaker, Status};
use super::handoff::HandOff;
use super::ids::{Cmid, MessageId, Seq, ShopperId, StaffId};
use super::refusal::Refusal;
use super::tags::Tags;
use super::text::Said;

/// The tool whose findings tell a shopper's mood.
pub const SENTIMENT: &str = "sentiment";

/// What is known about a conversation without reading its events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the newest event; 0 means that the conversation does not exist yet.
    pub seq: Seq,
    pub shopper: Option<ShopperId>,
    pub owner: Owner,
    pub staff: Option<StaffId>,
    /// Grows each time somebody else becomes the owner. A model's piece of an older epoch is never shown.
    pub epoch: u64,
    pub resolved: bool,
    /// The newest message of the shopper.
    pub asked: Seq,
    /// The newest message of the shopper that got an answer, from whomever.
    pub answered: Seq,
    /// How the newest reply of the model ended, and its number.
    pub last_reply: Option<(Seq, Ended)>,
    pub created_at: u64,
    pub updated_at: u64,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The shopper's newest messages that were read as negative, without one between that was not.
    #[serde(default)]
    pub unhappy: u32,
    /// The number of the event from which on the rules for a hand-off count: what was said before is settled.
    #[serde(default)]
    pub since: Seq,
}

impl Head {
    pub fn exists(&self) -> bool {
        self.seq > 0
    }

    /// True if the model owes the shopper an answer.
    pub fn awaits_model(&self) -> bool {
        self.owner == Owner::Ai && self.asked > self.answered
    }

    /// What `command` leads to, or why it cannot happen. `job` is the reply in the making, if there is one.
    pub fn decide(&self, command: &Command, job: Option<&Job>) -> Result<Decision, Refusal> {
        if let Command::Open(opening) = command {
            return if self.exists() { Err(Refusal::Exists) } else { Ok(open(opening)) };
        }
        if !self.exists() {
            return Err(Refusal::Unknown);
        }
        match command {
            Command::Open(_) => Err(Refusal::Exists),
            Command::Say { cmid, by, text } => self.say(*cmid, by, text),
            Command::SayDrafted { cmid, by, text, draft } => {
                let mut decision = self.say(*cmid, &Speaker::Staff(by.clone()), text)?;
                let of = self.seq + decision.events.len() as Seq;
                let text = draft.as_str().to_owned();
                decision.events.push(EventKind::Draft { of, by: by.clone(), text });
                Ok(decision)
            }
            Command::Begin { mid, epoch } => self.begin(*mid, *epoch, job),
            Command::Finish { job: done, text, ended, provenance } => {
                self.finish(done, job, text, *ended, provenance.as_ref())
            }
            Command::Retry => self.retry(job),
            Command::SayAndHandOff { cmid, text, why, cut } => {
                let mut decision = self.say(*cmid, &Speaker::Shopper, text)?;
                if self.owner == Owner::Ai {
                    let handed = self.hand_off(*why, cut.as_ref(), job);
                    decision.events.extend(handed.events);
                    decision.job = handed.job;
                }
                Ok(decision)
            }
            Command::Person { why, cut } if self.owner == Owner::Ai => {
                let mut decision = self.hand_off(*why, cut.as_ref(), job);
                if self.resolved {
                    decision.events.insert(0, EventKind::Status { status: Status::Open, shopper: None });
                }
                Ok(decision)
            }
            Command::Assistant if self.owner == Owner::Queue => Ok(self.hand_to(Owner::Ai, None, None, job)),
            Command::Person { .. } | Command::Assistant => Err(Refusal::NothingToDo),
            Command::Take { by, cut } => match (self.owner, &self.staff) {
                (Owner::Staff, Some(holder)) if holder == by => Err(Refusal::NothingToDo),
                (Owner::Staff, _) => Err(Refusal::NotOwner),
                _ => Ok(self.hand_to(Owner::Staff, Some(by.clone()), cut.as_ref(), job)),
            },
            Command::Assign { to, from, by, cut } => self.assign((to, from.as_ref(), by), cut.as_ref(), job),
            Command::Release(by) if self.owner == Owner::Staff && self.staff.as_ref() == Some(by) => {
                Ok(self.hand_to(Owner::Ai, None, None, job))
            }
            Command::Release(_) => Err(Refusal::NotOwner),
            Command::Rate { of: Replied(of), value, comment } if (1..=self.seq).contains(of) => {
                Ok(event(EventKind::Rating { of: *of, value: *value, comment: comment.clone() }))
            }
            Command::Rate { .. } => Err(Refusal::NoSuchMessage),
            Command::Note { by, text } => {
                Ok(event(EventKind::Note { by: by.clone(), text: text.as_str().to_owned() }))
            }
            Command::Tool { name, outcome } => {
                Ok(event(EventKind::Tool { name: name.clone(), outcome: outcome.clone() }))
            }
            Command::Call { job: done, name, outcome } => {
                self.still(done, job)?;
                Ok(event(EventKind::Tool { name: name.clone(), outcome: outcome.clone() }))
            }
            Command::Correct { of: Replied(of), by, text } if (1..=self.seq).contains(of) => {
                Ok(event(EventKind::Correction { of: *of, by: by.clone(), text: text.as_str().to_owned() }))
            }
            Command::Correct { .. } => Err(Refusal::NoSuchMessage),
            Command::Summarize(summary) => Ok(event(EventKind::Summary(summary.clone()))),
            Command::Tag { tags, .. } if *tags == self.tags => Err(Refusal::NothingToDo),
            Command::Tag { by, tags } => Ok(event(EventKind::Tags { by: by.clone(), tags: tags.clone() })),
            Command::Resolve { .. } if self.resolved => Err(Refusal::NothingToDo),
            Command::Resolve { cut } => Ok(self.resolve(cut.as_ref(), job)),
            Command::Reopen if self.resolved => Ok(status(Status::Open)),
            Command::Reopen => Err(Refusal::NothingToDo),
        }
    }

    fn say(&self, cmid: Cmid, by: &Speaker, text: &Said) -> Result<Decision, Refusal> {
        if let Speaker::Staff(id) = by
            && (self.owner != Owner::Staff || self.staff.as_ref() != Some(id))
        {
            return Err(Refusal::NotOwner);
        }
        let mut decision = Decision::default();
        if self.resolved {
            decision.events.push(EventKind::Status { status: Status::Open, shopper: None });
        }
        decision.events.push(EventKind::Said { cmid, by: by.clone(), text: text.as_str().to_owned() });
        Ok(decision)
    }

    fn begin(&self, mid: MessageId, epoch: u64, job: Option<&Job>) -> Result<Decision, Refusal> {
        if epoch != self.epoch || self.owner != Owner::Ai {
            return Err(Refusal::NotOwner);
        }
        if !self.awaits_model() {
            return Err(Refusal::NothingToDo);
        }
        let attempt = match job {
            Some(old) if old.upto == self.asked && old.epoch == epoch => old.attempt + 1,
            _ => 1,
        };
        let job = Job { upto: self.asked, mid, epoch, attempt };
        Ok(Decision { events: Vec::new(), job: JobChange::Set(job) })
    }

    fn finish(
        &self,
        done: &Job,
        open: Option<&Job>,
        text: &str,
        ended: Ended,
        provenance: Option<&Provenance>,
    ) -> Result<Decision, Refusal> {
        self.still(done, open)?;
        Ok(Decision { events: vec![reply(done, text, ended, provenance)], job: JobChange::Clear })
    }

    /// Refuses what comes of a reply that is not to be given any more.
    fn still(&self, done: &Job, open: Option<&Job>) -> Result<(), Refusal> {
        if open.is_none_or(|job| job.mid != done.mid) {
            return Err(Refusal::NothingToDo);
        }
        if done.epoch != self.epoch || self.owner != Owner::Ai {
            return Err(Refusal::NotOwner);
        }
        Ok(())
    }

    /// The answer is made again, also in a conversation that was resolved in the middle of it: that one is open again.
    fn retry(&self, open: Option<&Job>) -> Result<Decision, Refusal> {
        match self.last_reply {
            Some((_, ended)) if ended.can_retry() && self.owner == Owner::Ai && open.is_none() => {}
            _ => return Err(Refusal::NothingToDo),
        }
        let mut decision = status(Status::Retry);
        if self.resolved {
            decision.events.insert(0, EventKind::Status { status: Status::Open, shopper: None });
        }
        Ok(decision)
    }

    /// Nothing more is owed. What the shopper had already read of a reply is kept, before the end.
    fn resolve(&self, cut: Option<&Cut>, open: Option<&Job>) -> Decision {
        let mut events = Vec::from_iter(cut_short(cut, open));
        events.push(EventKind::Status { status: Status::Resolved, shopper: None });
        if self.owner != Owner::Ai {
            events.extend(self.hand_to(Owner::Ai, None, None, open).events);
        }
        Decision { events, job: JobChange::Clear }
    }

    /// Somebody else answers. What the shopper had already read of a reply is kept, before the change of owner, and
    /// nothing of that reply comes after it.
    fn hand_to(
        &self,
        owner: Owner,
        staff: Option<StaffId>,
        cut: Option<&Cut>,
        open: Option<&Job>,
    ) -> Decision {
        let mut events = Vec::from_iter(cut_short(cut, open));
        events.push(EventKind::Owner { owner, epoch: self.epoch + 1, staff, why: None, by: None });
        Decision { events, job: JobChange::Clear }
    }

    /// `to` gets it by the hand of `by`, if `from` still holds it. Work that was finished begins anew.
    fn assign(
        &self,
        (to, from, by): (&StaffId, Option<&StaffId>, &StaffId),
        cut: Option<&Cut>,
        open: Option<&Job>,
    ) -> Result<Decision, Refusal> {
        if self.staff.as_ref() == Some(to) {
            return Err(Refusal::NothingToDo);
        }
        if self.staff.as_ref() != from {
            return Err(Refusal::NotOwner);
        }
        let mut decision = self.hand_to(Owner::Staff, Some(to.clone()), cut, open);
        if let Some(EventKind::Owner { by: said, .. }) = decision.events.last_mut() {
            *said = (by != to).then(|| by.clone());
        }
        if self.resolved {
            decision.events.insert(0, EventKind::Status { status: Status::Open, shopper: None });
        }
        Ok(decision)
    }

    /// The model falls silent, and a person is wanted.
    fn hand_off(&self, why: HandOff, cut: Option<&Cut>, open: Option<&Job>) -> Decision {
        let mut decision = self.hand_to(Owner::Queue, None, cut, open);
        if let Some(EventKind::Owner { why: said, .. }) = decision.events.last_mut() {
            *said = Some(why);
        }
        decision
    }

    /// Applies the next event. The events of a conversation, folded in order, give its head.
    pub fn evolve(&mut self, seq: Seq, at: u64, kind: &EventKind) {
        self.seq = seq;
        self.updated_at = at;
        match kind {
            EventKind::Said { by: Speaker::Shopper, .. } => self.asked = seq,
            EventKind::Said { by: Speaker::Staff(_), .. } => self.answered = self.asked,
            EventKind::Reply { upto, ended, .. } => {
                self.answered = self.answered.max(*upto);
                self.last_reply = Some((seq, *ended));
            }
            EventKind::Status { status: Status::Open, shopper } => {
                self.settle(seq);
                self.resolved = false;
                if let Some(shopper) = shopper {
                    self.shopper = Some(*shopper);
                    self.created_at = at;
                }
            }
            EventKind::Status { status: Status::Resolved, .. } => {
                self.settle(seq);
                self.resolved = true;
                self.answered = self.asked;
            }
            EventKind::Status { status: Status::Retry, .. } => {
                self.answered = self.asked.saturating_sub(1);
                self.last_reply = None;
            }
            EventKind::Owner { owner, epoch, staff, .. } => {
                self.settle(seq);
                self.owner = *owner;
                self.epoch = *epoch;
                self.staff = staff.clone();
            }
            EventKind::Tags { tags, .. } => self.tags = tags.clone(),
            EventKind::Tool { name, outcome } if tells_mood(name, outcome) && self.counts(outcome) => {
                let negative = outcome.get("label").and_then(|label| label.as_str()) == Some("negative");
                self.unhappy = if negative { self.unhappy + 1 } else { 0 };
            }
            EventKind::Tool { .. }
            | EventKind::Rating { .. }
            | EventKind::Note { .. }
            | EventKind::Summary(_)
            | EventKind::Correction { .. }
            | EventKind::Draft { .. } => {}
        }
    }
}

impl Head {
    /// What was said up to `seq` brings nobody any more.
    fn settle(&mut self, seq: Seq) {
        self.since = seq;
        self.unhappy = 0;
    }

    /// False for the mood of a message that is settled.
    fn counts(&self, outcome: &serde_json::Value) -> bool {
        let of = outcome.get("of").and_then(serde_json::Value::as_u64);
        of.is_none_or(|of| of > self.since)
    }
}

/// True for the finding of a tool that says how the shopper feels now. A mood that somebody of the staff asked for may be an older
/// message's, and one that was read late is older than a later message's.
pub fn tells_mood(tool: &str, outcome: &serde_json::Value) -> bool {
    tool == SENTIMENT && ["by", "late"].iter().all(|key| outcome.get(key).is_none())
}

fn open(opening: &Opening) -> Decision {
    event(EventKind::Status { status: Status::Open, shopper: Some(opening.shopper) })
}

/// What was shown of a reply that is not to be given any more; `None` if it was nothing, or the reply ended meanwhile.
fn cut_short(cut: Option<&Cut>, open: Option<&Job>) -> Option<EventKind> {
    let cut = cut.filter(|cut| !cut.text.is_empty())?;
    open.filter(|job| job.mid == cut.job.mid || job.begins_again(&cut.job))?;
    Some(reply(&cut.job, &cut.text, Ended::Interrupted, cut.provenance.as_ref()))
}

fn reply(job: &Job, text: &str, ended: Ended, provenance: Option<&Provenance>) -> EventKind {
    EventKind::Reply {
        mid: job.mid,
        upto: job.upto,
        text: text.to_owned(),
        ended,
        provenance: provenance.cloned(),
    }
}

fn status(status: Status) -> Decision {
    event(EventKind::Status { status, shopper: None })
}

fn event(kind: EventKind) -> Decision {
    Decision { events: vec![kind], job: JobChange::Keep }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
