//! What is asked of the model about a conversation: for a reply to the shopper, or for a draft that a person edits.

use super::desk::Inner;
use super::guard::Guard;
use super::settings::Unknown;
use crate::domain::prompt::{Grammar, Prompt};
use crate::domain::{ConvId, Event, EventKind, Head, MessageId, Provenance, Speaker};
use crate::model::adapters::Lease;
use crate::prompt::{Budget, Playbook};
use crate::store::StoreError;

/// Events the prompt is made from.
pub(super) const HISTORY: usize = 200;

/// What is to be done about a question.
pub(super) enum Ask {
    Model(Box<Prompt>),
    /// This is said without the model.
    Nobody(String),
}

/// The events a prompt is made from.
pub(super) fn newest(desk: &Inner, head: &Head, conv: ConvId) -> Result<Vec<Event>, StoreError> {
    desk.store.events(conv, head.seq.saturating_sub(HISTORY as u64), HISTORY)
}

impl Ask {
    /// A small model alone is held to the shop's own sentences. One with an adapter was taught how to answer, and its gate
    /// has said that it does: a grammar would hide what it has learnt.
    pub(super) fn of(desk: &Inner, events: &[Event], by: &Provenance) -> Self {
        let playbook = desk.playbook();
        if asked(events).is_some_and(|(_, text)| Guard::is_noise(text)) {
            return Self::Nobody(playbook.not_understood().to_owned());
        }
        if leaves_unknown(desk, by)
            && let Some(text) = playbook.unknown(events)
        {
            return Self::Nobody(text.to_owned());
        }
        let grounded = is_grounded(desk, by).then(|| playbook.grounded(events)).flatten();
        Self::Model(Box::new(prompt(desk, (&playbook, events), by, grounded)))
    }
}

/// A draft of an answer to the shopper's newest message, on the same terms as a reply, whoever has answered since. `None`
/// if the model would have nothing to say that helps a person: no question, noise, or nothing of it in the shop's facts.
pub(super) fn draft(desk: &Inner, mut events: Vec<Event>, by: &Provenance) -> Option<Prompt> {
    let (at, text) = asked(&events)?;
    if Guard::is_noise(text) {
        return None;
    }
    events.truncate(at + 1);
    let playbook = desk.playbook();
    if leaves_unknown(desk, by) && playbook.unknown(&events).is_some() {
        return None;
    }
    let grounded = match is_grounded(desk, by) {
        true => Some(playbook.grounded_in_facts(&events)?),
        false => None,
    };
    Some(prompt(desk, (&playbook, &events), by, grounded))
}

/// The newest message of the shopper, and which of `events` it is.
fn asked(events: &[Event]) -> Option<(usize, &str)> {
    events.iter().enumerate().rev().find_map(|(n, event)| match &event.kind {
        EventKind::Said { by: Speaker::Shopper, text, .. } => Some((n, text.as_str())),
        _ => None,
    })
}

fn is_untaught(desk: &Inner, by: &Provenance) -> bool {
    desk.model.facts().small && by.adapter.is_none()
}

/// A question that the shop's facts say nothing about is left to a person.
fn leaves_unknown(desk: &Inner, by: &Provenance) -> bool {
    let by_size = if is_untaught(desk, by) { Unknown::Person } else { Unknown::Model };
    desk.settings.unknown.unwrap_or(by_size) == Unknown::Person
}

fn is_grounded(desk: &Inner, by: &Provenance) -> bool {
    desk.settings.grounded.unwrap_or_else(|| is_untaught(desk, by))
}

fn prompt(
    desk: &Inner,
    (playbook, events): (&Playbook, &[Event]),
    by: &Provenance,
    grounded: Option<String>,
) -> Prompt {
    let settings = &desk.settings;
    let facts = desk.model.facts();
    let exchanges = settings.remember.unwrap_or(if facts.small { 0 } else { usize::MAX });
    let budget = Budget { tokens: desk.prompt_room(), exchanges };
    Prompt {
        messages: playbook.render(events, budget, &|text| desk.model.count_tokens(text)),
        sampling: settings.sampling.clone(),
        max_tokens: settings.max_reply_tokens,
        seed: by.seed,
        adapter: by.adapter.clone(),
        grammar: grounded.map_or(Grammar::Free, Grammar::Regex),
        ..Prompt::default()
    }
}

/// Where an answer with the id `mid` comes from.
pub(super) fn provenance(desk: &Inner, mid: MessageId, lease: &Lease) -> Provenance {
    Provenance {
        model: desk.model.facts().name.clone(),
        adapter: lease.name(),
        prompt: desk.playbook().fingerprint().to_owned(),
        // The random tail of the answer's own id.
        seed: (mid.0.as_u128() & 0xFFFF_FFFF) as u64,
        prompt_tokens: 0,
        completion_tokens: 0,
        first_ms: 0,
        total_ms: 0,
    }
}
