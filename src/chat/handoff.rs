//! From the model to a person: by the shop's rules, or because the model chose to. What the shopper says decides, never what the
//! model writes; only what was said since the conversation was last settled counts.

use std::sync::{Arc, PoisonError};

use super::ask::HISTORY;
use super::desk::{Desk, Inner};
use super::error::DeskError;
use crate::domain::handoff::{Rules, Schedule, asks_the_same, says_one_of};
use crate::domain::prompt::Prompt;
use crate::domain::{
    Cmid, Command, ConvId, Cut, Event, EventKind, HandOff, Head, Owner, Reason, Said, Speaker,
};
use crate::model::ModelError;
use crate::model::adapters::Lease;
use crate::store::{Committed, StoreError};

/// When the model gives way besides being told to.
#[derive(Clone, Debug, PartialEq)]
pub struct HandOffs {
    pub rules: Rules,
    /// In small letters.
    pub words: Vec<String>,
    /// When people are there; none for always.
    pub schedule: Option<Schedule>,
}

impl Default for HandOffs {
    /// Until somebody sets rules there are none.
    fn default() -> Self {
        Self { rules: Rules::OFF, words: Vec::new(), schedule: None }
    }
}

/// The words between which the model chooses; a person is the second.
const CHOICE: [&str; 2] = ["assistant", "person"];
/// A message without content: what the model says of it is its bent.
const EMPTY: &str = "N/A";

impl Desk {
    /// From now on these count.
    pub fn hand_off_by(&self, handoffs: HandOffs) {
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(handoffs);
    }

    /// Why `text`, said next, brings a person; `None` if the model may answer it.
    pub(super) fn rule(&self, head: &Head, conv: ConvId, text: &Said) -> Result<Option<HandOff>, DeskError> {
        if head.owner != Owner::Ai {
            return Ok(None);
        }
        let handoffs = self.0.handoffs();
        let reason = match by_text(&handoffs, self.0.is_away(), text.as_str()) {
            Some(reason) => Some(reason),
            None => self.by_history(&handoffs.rules, head, conv, text)?,
        };
        Ok(reason.map(|reason| HandOff { reason, away: self.0.is_away() }))
    }

    /// What needs the questions before.
    fn by_history(
        &self,
        rules: &Rules,
        head: &Head,
        conv: ConvId,
        text: &Said,
    ) -> Result<Option<Reason>, DeskError> {
        if rules.repeated.is_none() && rules.unsure.is_none() {
            return Ok(None);
        }
        let from = head.since.max(head.seq.saturating_sub(HISTORY as u64));
        let mut events = self.0.store.events(conv, from, HISTORY)?;
        // As the store will have it.
        let kind = EventKind::Said {
            cmid: Cmid(uuid::Uuid::nil()),
            by: Speaker::Shopper,
            text: text.as_str().to_owned(),
        };
        events.push(Event { conv, seq: head.seq + 1, at: self.0.clock.now(), kind });
        let questions = questions(&events);
        let Some((_, newest)) = questions.last() else { return Ok(None) };
        let same = questions.iter().filter(|(_, before)| asks_the_same(before, newest)).count();
        if rules.repeated.is_some_and(|times| same >= times as usize) {
            return Ok(Some(Reason::Repeated));
        }
        let playbook = self.0.playbook();
        let unknown = |end: &usize| playbook.unknown(&events[..=*end]).is_some();
        let run = questions.iter().rev().take_while(|(end, _)| unknown(end)).count();
        Ok(rules.unsure.is_some_and(|times| run >= times as usize).then_some(Reason::Unsure))
    }

    /// A mood that was read calls a person, if it makes a run of bad ones. Called by the store's writer: it must not wait.
    pub(super) fn hear_mood(&self, committed: &Committed) {
        let Some(Event { conv, kind: EventKind::Tool { .. }, .. }) = committed.events.last() else { return };
        if !self.0.is_fed_up(&committed.head) {
            return;
        }
        let (desk, conv) = (self.clone(), *conv);
        self.0.runtime.spawn(async move {
            match desk.hand_off(conv, Reason::Mood).await {
                Ok(()) | Err(DeskError::Refused(_)) => {}
                Err(fault) => {
                    tracing::warn!(%conv, code = fault.code(), %fault, "a person could not be called")
                }
            }
        });
    }

    /// A person is wanted from now on; the model falls silent.
    pub(super) async fn hand_off(&self, conv: ConvId, reason: Reason) -> Result<(), DeskError> {
        let why = HandOff { reason, away: self.0.is_away() };
        self.silencing(conv, |cut| Command::Person { why, cut }).await?;
        Ok(())
    }
}

impl Inner {
    fn handoffs(&self) -> Arc<HandOffs> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody is there now.
    pub(super) fn is_away(&self) -> bool {
        self.handoffs().schedule.as_ref().is_some_and(|schedule| !schedule.is_open(self.clock.now()))
    }

    /// True if the mood of `head` calls for a person.
    pub(super) fn is_fed_up(&self, head: &Head) -> bool {
        let limit = self.handoffs().rules.mood;
        head.owner == Owner::Ai && !head.resolved && limit.is_some_and(|limit| head.unhappy >= limit)
    }

    /// True if the model, asked for a choice of two, surely wants a person to answer `text`. Its choice is read from the
    /// probabilities of the two, against those for a message without content.
    pub(super) async fn chooses_person(&self, text: &str, lease: &Lease) -> Result<bool, ModelError> {
        let Some(percent) = self.handoffs().rules.model else { return Ok(false) };
        let labels = CHOICE.map(str::to_owned);
        let score = async |text: &str| {
            let prompt =
                Prompt { messages: self.playbook().choice(text), adapter: lease.name(), ..Prompt::default() };
            let scores = self.model.score(prompt, &labels).await?;
            Ok::<f32, ModelError>(
                scores.get(1).copied().unwrap_or(0.0) - scores.first().copied().unwrap_or(0.0),
            )
        };
        let odds = score(text).await? - score(EMPTY).await?;
        let probability = 1.0 / (1.0 + (-odds).exp());
        Ok(probability * 100.0 >= percent as f32)
    }

    /// The model wants a person for the newest of what was asked: it says nothing itself.
    pub(super) async fn hands_off(
        &self,
        conv: ConvId,
        head: &Head,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        let event = self.store.events(conv, head.asked.saturating_sub(1), 1)?.pop();
        let Some(EventKind::Said { text, .. }) = event.map(|event| event.kind) else { return Ok(false) };
        match self.chooses_person(&text, lease).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(fault) => {
                tracing::warn!(%conv, code = fault.code(), %fault, "the model could not choose who answers");
                return Ok(false);
            }
        }
        self.give_over(conv, None).await?;
        Ok(true)
    }

    /// The model gives the conversation to a person; `cut` is what was shown of its reply.
    pub(super) async fn give_over(&self, conv: ConvId, cut: Option<Cut>) -> Result<(), StoreError> {
        let why = HandOff { reason: Reason::Model, away: self.is_away() };
        match self.store.commit(conv, Command::Person { why, cut }).await {
            // Taken over meanwhile: a person has it in any case.
            Ok(_) | Err(StoreError::Refused(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

/// What `text` alone decides.
fn by_text(handoffs: &HandOffs, away: bool, text: &str) -> Option<Reason> {
    if handoffs.rules.words && says_one_of(text, &handoffs.words).is_some() {
        return Some(Reason::Word);
    }
    (handoffs.rules.closed && away).then_some(Reason::Closed)
}

/// What the shopper asked, each with the place of its last event: a burst of messages is one question, and ends with an answer
/// of the model.
fn questions(events: &[Event]) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut answered = true;
    for (place, event) in events.iter().enumerate() {
        match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => {
                match all.last_mut() {
                    Some(last) if !answered => *last = (place, format!("{}\n{text}", last.1)),
                    _ => all.push((place, text.clone())),
                }
                answered = false;
            }
            EventKind::Reply { .. } => answered = true,
            _ => {}
        }
    }
    all
}
