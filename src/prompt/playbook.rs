//! The shop's instructions to the model, and a conversation as a prompt.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::facts::{self, Facts};
use super::history::{self, Turn};
use super::source::{Source, Stamp};
use super::template::Template;
use super::{Orders, Settings, Shop, language};
use crate::domain::prompt::{Message, Role};
use crate::domain::{Event, ShopWords};

/// Turns are dropped in steps of this many, so that the prompt's beginning stays the same, and in the model's cache, for
/// several turns.
const STEP: usize = 6;
/// Facts given along with a question.
const FACTS: usize = 2;

/// Sentences a grounded answer may be chosen from.
const SENTENCES: usize = 6;

/// How long a prompt may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tokens of the whole prompt.
    pub tokens: usize,
    /// Earlier exchanges that may be in it.
    pub exchanges: usize,
}

/// A template or the shop's own files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct PromptError {
    place: String,
    fault: String,
}

impl PromptError {
    pub(super) fn new(place: impl ToString, fault: impl ToString) -> Self {
        Self { place: place.to_string(), fault: fault.to_string() }
    }
}

/// Everything that is needed to turn a conversation into a prompt.
pub struct Playbook {
    shop: Shop,
    words: ShopWords,
    source: Arc<Source>,
    facts: Arc<Facts>,
    system: String,
    fingerprint: String,
    not_understood: String,
    unknown: String,
    small_talk: Vec<String>,
    choice: String,
    tools: String,
}

impl Playbook {
    /// Loads the shop and the templates, and renders what all prompts share. `strip` takes the model's control tokens out
    /// of a text.
    pub fn load(settings: &Settings, strip: &dyn Fn(&str) -> String) -> Result<Self, PromptError> {
        Self::of(Arc::new(Source::load(settings)?), &ShopWords::default(), strip)
    }

    /// The same files with the owner's words over the shop's own.
    pub fn worded(&self, words: &ShopWords, strip: &dyn Fn(&str) -> String) -> Result<Self, PromptError> {
        Self::of(self.source.clone(), words, strip)
    }

    /// The same words over the products and policies as their files say now. What all prompts begin with stays as it is.
    pub fn restocked(&self, strip: &dyn Fn(&str) -> String) -> Result<Self, PromptError> {
        Self::of(Arc::new(self.source.again()?), &self.words, strip)
    }

    /// The files of the products and policies as they are now, if they are other than those that were read.
    pub fn changed(&self) -> Option<Stamp> {
        self.source.changed()
    }

    /// False for the demo shop, which is in the program.
    pub fn may_change(&self) -> bool {
        self.source.may_change()
    }

    fn of(
        source: Arc<Source>,
        words: &ShopWords,
        strip: &dyn Fn(&str) -> String,
    ) -> Result<Self, PromptError> {
        let shop = source.shop.worded(words);
        let templates = &source.templates;
        let mut hash = Sha256::new();
        let all = serde_json::to_string(&shop).unwrap_or_default();
        for part in [templates.system.source(), templates.turn.source(), &all] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let values = serde_json::json!({ "shop": shop.profile });
        let render = |template: &Template| Ok::<_, PromptError>(strip(&template.render(&values)?));
        let language = shop.profile.language.as_str();
        let facts = if language == source.shop.profile.language {
            source.facts.clone()
        } else {
            Arc::new(Facts::of(&shop, &templates.product)?)
        };
        let playbook = Self {
            system: render(&templates.system)?,
            not_understood: render(templates.not_understood.in_language(language))?,
            unknown: render(templates.unknown.in_language(language))?,
            small_talk: lines(&render(templates.small_talk.in_language(language))?),
            choice: render(&templates.choice)?,
            tools: render(&templates.tools)?,
            fingerprint: hex::encode(hash.finalize())[..16].to_owned(),
            words: words.clone(),
            facts,
            source,
            shop,
        };
        playbook.ask("Hello", &[])?;
        playbook.sum_up(&[])?;
        Ok(playbook)
    }

    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    pub fn orders(&self) -> &Orders {
        &self.source.orders
    }

    /// The shop as its files say, whatever the owner's words are.
    pub fn files(&self) -> &Shop {
        &self.source.shop
    }

    /// What every prompt begins with.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The first 16 hex digits of the SHA-256 of the templates and the shop's words.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What is said to a message that is not worth the model's time.
    pub fn not_understood(&self) -> &str {
        &self.not_understood
    }

    /// What is said where the model finds no answer.
    pub fn at_a_loss(&self) -> &str {
        &self.unknown
    }

    /// What is said to a question the shop's facts say nothing about; `None` if the newest message is no question, or they
    /// do.
    pub fn unknown(&self, events: &[Event]) -> Option<&str> {
        let turns = history::turns(events);
        let newest = turns.last()?;
        let question = newest.text.chars().any(|c| matches!(c, '?' | '？' | '؟'));
        (question && self.facts_for(&turns).is_empty()).then_some(self.unknown.as_str())
    }

    /// A regular expression of the answers that consist of one or two of the shop's own sentences on the newest question:
    /// a small model that may only choose among them cannot get them wrong. If the shop says nothing about it, one of the
    /// answers to small talk; `None` if there are none.
    pub fn grounded(&self, events: &[Event]) -> Option<String> {
        self.grounded_in_facts(events)
            .or_else(|| (!self.small_talk.is_empty()).then(|| format!("({})", self.small_talk.join("|"))))
    }

    /// As [`Playbook::grounded`], without the small talk: `None` if the shop says nothing about the newest question.
    pub fn grounded_in_facts(&self, events: &[Event]) -> Option<String> {
        let turns = history::turns(events);
        let facts = self.facts_for(&turns);
        let sentences: Vec<String> =
            facts.iter().flat_map(|fact| facts::sentences(fact)).take(SENTENCES).map(escape).collect();
        let pairs = sentences.iter().enumerate().map(|(n, first)| {
            let others: Vec<&str> =
                sentences.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, s)| s.as_str()).collect();
            if others.is_empty() { first.clone() } else { format!("{first}( ({}))?", others.join("|")) }
        });
        let answers: Vec<String> = pairs.collect();
        (!answers.is_empty()).then(|| format!("({})", answers.join("|")))
    }

    /// The facts the newest turn is about. A question that says too little by itself ("And without a receipt?") is read
    /// together with the one before.
    fn facts_for(&self, turns: &[Turn]) -> Vec<&str> {
        let mut asked =
            turns.iter().rev().filter(|turn| turn.role == Role::User).map(|turn| turn.text.as_str());
        let Some(newest) = asked.next() else { return Vec::new() };
        let facts = self.facts.about(newest, FACTS);
        match asked.next() {
            Some(before) if facts.is_empty() && newest.contains(['?', '？', '؟']) => {
                self.facts.about(&format!("{before}\n{newest}"), 1)
            }
            _ => facts,
        }
    }

    /// Asks who should answer `text`, the assistant or a person.
    pub fn choice(&self, text: &str) -> Vec<Message> {
        vec![Message::new(Role::System, self.choice.as_str()), Message::new(Role::User, text)]
    }

    /// Asks for a summary of the conversation, within `room` tokens: the oldest turns are left out first. `None` if nothing
    /// was said.
    pub fn summary(
        &self,
        events: &[Event],
        room: usize,
        count: &dyn Fn(&str) -> usize,
    ) -> Option<Vec<Message>> {
        let turns = history::turns(events);
        (0..turns.len())
            .filter_map(|skip| self.sum_up(&turns[skip..]).ok())
            .find(|asked| count(asked) + 8 <= room)
            .map(|asked| vec![Message::new(Role::User, asked)])
    }

    fn sum_up(&self, turns: &[Turn]) -> Result<String, PromptError> {
        let who = |turn: &Turn| if turn.role == Role::User { "Customer" } else { "Shop" };
        let turns: Vec<_> =
            turns.iter().map(|turn| serde_json::json!({ "who": who(turn), "text": turn.text })).collect();
        let language = language::name(&self.shop.profile.language);
        self.source
            .templates
            .summary
            .render(serde_json::json!({ "shop": self.shop.profile, "turns": turns, "language": language }))
    }

    /// A prompt that begins as all others do.
    pub fn prefix(&self) -> Vec<Message> {
        vec![Message::new(Role::System, self.system.as_str()), Message::new(Role::User, "Hello")]
    }

    /// Says in the system text of `messages`, before anything that changes, that there are tools.
    pub fn tell_of_tools(&self, messages: &mut [Message]) {
        if let Some(system) = messages.first_mut().filter(|message| message.role == Role::System) {
            system.content.push('\n');
            system.content.push_str(&self.tools);
        }
    }

    /// The conversation as a prompt within `budget`. The newest message of the shopper is always kept, cut if it alone is
    /// too long; older turns are left out first, oldest first.
    pub fn render(&self, events: &[Event], budget: Budget, count: &dyn Fn(&str) -> usize) -> Vec<Message> {
        let turns = history::turns(events);
        let mut messages: Vec<Message> = (0..turns.len()).map(|n| self.message(&turns[..=n])).collect();
        // A few tokens more for each message's frame in the model's own template.
        let cost = |message: &Message| count(&message.content) + 8;
        let system = Message::new(Role::System, self.system.as_str());
        let room = budget.tokens.saturating_sub(cost(&system));
        let costs: Vec<usize> = messages.iter().map(cost).collect();
        let forgotten = (costs.len().saturating_sub(1) / 2).saturating_sub(budget.exchanges) * 2;
        let skip = too_old(&costs, room).max(forgotten);
        messages.drain(..skip);
        if let [only] = messages.as_mut_slice() {
            shorten(only, room, &cost);
        }
        messages.insert(0, system);
        messages
    }

    /// The last of `turns` as the model reads it.
    fn message(&self, turns: &[Turn]) -> Message {
        let turn = &turns[turns.len() - 1];
        match turn.role {
            Role::User => {
                // A template that could fail was refused at the start.
                let text = self.ask(&turn.text, &self.facts_for(turns)).unwrap_or_else(|_| turn.text.clone());
                Message::new(Role::User, text)
            }
            role => Message::new(role, turn.text.as_str()),
        }
    }

    /// A question with the facts it is about. It reads the same in every later turn, or the cache would not help.
    fn ask(&self, text: &str, facts: &[&str]) -> Result<String, PromptError> {
        let language = language::foreign(text, &self.shop.profile.language);
        self.source
            .templates
            .turn
            .render(serde_json::json!({ "text": text, "facts": facts, "language": language }))
    }
}

/// The lines of `text`, each as [`escape`] has it.
fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.trim().is_empty()).map(escape).collect()
}

/// `text` as a regular expression that matches nothing else.
fn escape(text: &str) -> String {
    text.chars().flat_map(|c| c.is_ascii_punctuation().then_some('\\').into_iter().chain([c])).collect()
}

/// How many of the oldest messages to leave out so that the rest fits into `room`.
fn too_old(costs: &[usize], room: usize) -> usize {
    let mut total: usize = costs.iter().sum();
    let mut skip = 0;
    while total > room && skip + 1 < costs.len() {
        total -= costs[skip];
        skip += 1;
    }
    if skip == 0 {
        return 0;
    }
    // Always an even number of messages, so that the first one left is the shopper's; never the newest.
    let newest = (costs.len() - 1) / 2 * 2;
    skip.next_multiple_of(STEP).min(newest)
}

/// Cuts a message that alone is longer than `room` tokens. Its end stays: that is what was said last.
fn shorten(message: &mut Message, room: usize, cost: &dyn Fn(&Message) -> usize) {
    while cost(message) > room && message.content.chars().count() > 16 {
        let keep = message.content.chars().count() * 3 / 4;
        let drop = message.content.chars().count() - keep;
        message.content = message.content.chars().skip(drop).collect();
    }
}

#[cfg(test)]
#[path = "playbook_tests.rs"]
mod tests;
