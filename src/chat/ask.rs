//! What is asked of the model about a conversation: for a reply to the shopper, or for a draft that a person edits.

use super::desk::Inner;
use super::guard::Guard;
use super::settings::{Tools, Unknown};
use crate::domain::prompt::{Grammar, Message, Prompt, ToolSpec};
use crate::domain::{ConvId, Event, EventKind, Head, MessageId, Provenance, Speaker};
use crate::model::adapters::Lease;
use crate::prompt::{Budget, Playbook};
use crate::store::StoreError;
use crate::tools::lookup::Lookup;

/// Tokens that a round of calls may find.
const FOUND: usize = 350;
/// Tokens of what the system text says about tools, about.
const HINT: usize = 64;
/// Tokens around a message in the model's own template, about.
const FRAME: usize = 8;

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
        Self::offering(desk, events, by, offered(desk, by))
    }

    /// The same where nobody could run what the model calls.
    pub(super) fn without_tools(desk: &Inner, events: &[Event], by: &Provenance) -> Self {
        Self::offering(desk, events, by, Vec::new())
    }

    fn offering(desk: &Inner, events: &[Event], by: &Provenance, tools: Vec<ToolSpec>) -> Self {
        let playbook = desk.playbook();
        if asked(events).is_some_and(|(_, text)| Guard::is_noise(text)) {
            return Self::Nobody(playbook.not_understood().to_owned());
        }
        if leaves_unknown(desk, by)
            && let Some(text) = playbook.unknown(events)
        {
            return Self::Nobody(text.to_owned());
        }
        let manner = match is_grounded(desk, by).then(|| playbook.grounded(events)).flatten() {
            _ if !tools.is_empty() => Manner::Calling(tools),
            Some(sentences) => Manner::Grounded(sentences),
            None => Manner::Free,
        };
        Self::Model(Box::new(prompt(desk, (&playbook, events), by, manner)))
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
    let manner = match is_grounded(desk, by) {
        true => Manner::Grounded(playbook.grounded_in_facts(&events)?),
        false => Manner::Free,
    };
    Some(prompt(desk, (&playbook, &events), by, manner))
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
    let left_alone = is_untaught(desk, by) && offered(desk, by).is_empty();
    let by_size = if left_alone { Unknown::Person } else { Unknown::Model };
    desk.settings.unknown.unwrap_or(by_size) == Unknown::Person
}

fn is_grounded(desk: &Inner, by: &Provenance) -> bool {
    desk.settings.grounded.unwrap_or_else(|| is_untaught(desk, by))
}

/// What the model may call for a shopper.
fn offered(desk: &Inner, by: &Provenance) -> Vec<ToolSpec> {
    let wanted = match desk.settings.tools {
        Tools::Off => false,
        Tools::On => true,
        Tools::Auto => !is_grounded(desk, by),
    };
    if wanted && desk.model.facts().tools { Lookup::offered(desk.playbook().orders()) } else { Vec::new() }
}

/// A prompt that begins as all replies do.
pub(super) fn prefix(desk: &Inner) -> Prompt {
    let by = provenance(desk, MessageId(uuid::Uuid::nil()), &desk.adapters.current());
    let tools = offered(desk, &by);
    let playbook = desk.playbook();
    let mut messages = playbook.prefix();
    if !tools.is_empty() {
        playbook.tell_of_tools(&mut messages);
    }
    Prompt { messages, tools, max_tokens: 1, ..Prompt::default() }
}

/// How an answer is to be given.
enum Manner {
    Free,
    /// Only in the words that this regular expression matches.
    Grounded(String),
    /// After looking things up with these.
    Calling(Vec<ToolSpec>),
}

fn prompt(
    desk: &Inner,
    (playbook, events): (&Playbook, &[Event]),
    by: &Provenance,
    manner: Manner,
) -> Prompt {
    let settings = &desk.settings;
    let facts = desk.model.facts();
    let mut prompt = Prompt {
        sampling: settings.sampling.clone(),
        max_tokens: settings.max_reply_tokens,
        seed: by.seed,
        adapter: by.adapter.clone(),
        ..Prompt::default()
    };
    match manner {
        Manner::Free => {}
        Manner::Grounded(sentences) => prompt.grammar = Grammar::Regex(sentences),
        Manner::Calling(tools) => prompt.tools = tools,
    }
    // What tools find has to fit as well.
    let found = if prompt.tools.is_empty() { 0 } else { FOUND * settings.tool_rounds as usize };
    let room = facts.context.saturating_sub(settings.max_reply_tokens + taken(desk, &prompt));
    let exchanges = settings.remember.unwrap_or(if facts.small { 0 } else { usize::MAX });
    let budget = Budget { tokens: settings.prompt_tokens.min(room - found.min(room / 2)), exchanges };
    prompt.messages = playbook.render(events, budget, &|text| desk.model.count_tokens(text));
    if !prompt.tools.is_empty() {
        playbook.tell_of_tools(&mut prompt.messages);
    }
    prompt
}

/// The tokens of a prompt so far, about.
pub(super) fn taken(desk: &Inner, prompt: &Prompt) -> usize {
    let count = |text: &str| desk.model.count_tokens(text);
    let said = |message: &Message| {
        let calls = message.calls.iter().map(|call| count(&call.name) + count(&call.arguments) + FRAME);
        count(&message.content) + calls.sum::<usize>() + FRAME
    };
    let told = match prompt.tools.is_empty() {
        true => 0,
        // The hint in the system text is about as long as a message.
        false => count(&serde_json::to_string(&prompt.tools).unwrap_or_default()) + HINT,
    };
    told + prompt.messages.iter().map(said).sum::<usize>()
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
        rounds: 0,
        first_ms: 0,
        total_ms: 0,
    }
}
