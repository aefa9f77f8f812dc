//! What the assistant could not answer: it said that it does not know, or the conversation went to a person.
//!
//! Two questions are one if the words they share weigh at least half of all their words. A word weighs `ln(1 + N/n)`, where `n`
//! of the `N` questions have it: "the" and "is" hardly count, what a question is about does. Forms of a word are one by its
//! first four letters; Chinese and Japanese characters are words of their own. Each question joins the group it is most like,
//! the newest first, and a group is shown by its newest question.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Millis;
use crate::domain::{ConvId, Event, Seq};
use crate::staff::search::words;

/// Questions that are remembered, the newest.
const MAX: usize = 20_000;
/// Questions that are grouped at once, the newest of the time asked for.
pub(super) const MAX_GROUPED: usize = 2_000;
/// The longest text that is shown, in characters.
const MAX_TEXT: usize = 240;
/// Letters that tell a word.
const LETTERS: usize = 4;
/// The least share of common weight (weighted Jaccard index).
const ALIKE: f64 = 0.5;
/// Groups in a report, and conversations named of each.
const MAX_GROUPS: usize = 20;
const MAX_CONVS: usize = 20;

/// Something a shopper asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) conv: ConvId,
    pub(super) seq: Seq,
    pub(super) at: Millis,
    pub(super) text: String,
}

impl Question {
    pub(super) fn of(event: &Event, text: &str) -> Self {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().take(MAX_TEXT).collect();
        if short.len() < line.len() {
            short.pop();
            short.push('…');
        }
        Self { conv: event.conv, seq: event.seq, at: event.at, text: short }
    }

    /// The same letter over and over asks nothing.
    fn is_noise(&self) -> bool {
        let mut letters: Vec<char> = self.text.chars().filter(|c| c.is_alphanumeric()).collect();
        let long = letters.len() >= 40;
        letters.sort_unstable();
        letters.dedup();
        letters.is_empty() || (long && letters.len() <= 4)
    }
}

/// Questions alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unanswered {
    /// The newest of them.
    pub text: String,
    pub count: usize,
    /// Where they were asked, the newest first; at most 20.
    #[schema(value_type = Vec<String>)]
    pub convs: Vec<ConvId>,
}

/// All that could not be answered, by time.
#[derive(Debug, Default)]
pub(super) struct Questions(BTreeMap<(Millis, ConvId, Seq), String>);

impl Questions {
    /// Does nothing with one that is known.
    pub(super) fn add(&mut self, question: &Question) {
        if question.is_noise() {
            return;
        }
        self.0.insert((question.at, question.conv, question.seq), question.text.clone());
        if self.0.len() > MAX {
            self.0.pop_first();
        }
    }

    pub(super) fn forget(&mut self, conv: ConvId) {
        self.0.retain(|(_, of, _), _| *of != conv);
    }

    /// Those of a span of time, the newest first.
    pub(super) fn between(&self, from: Millis, to: Millis) -> Vec<Question> {
        let least = |at| (at, ConvId::from_bytes([0; 16]), 0);
        self.0
            .range(least(from)..least(to))
            .rev()
            .take(MAX_GROUPED)
            .map(|((at, conv, seq), text)| Question { conv: *conv, seq: *seq, at: *at, text: text.clone() })
            .collect()
    }
}

/// One group in the making.
struct Group {
    weight: f64,
    count: usize,
    text: String,
    convs: Vec<ConvId>,
}

/// `questions`, the newest first, as groups, the largest first.
pub(super) fn groups(questions: &[Question]) -> Vec<Unanswered> {
    let asked: Vec<Vec<u64>> = questions.iter().map(|question| signs(&question.text)).collect();
    let mut known: HashMap<u64, f64> = HashMap::new();
    asked.iter().flatten().for_each(|sign| *known.entry(*sign).or_default() += 1.0);
    let all = questions.len() as f64;
    known.values_mut().for_each(|n| *n = (1.0 + all / *n).ln());

    let mut groups: Vec<Group> = Vec::new();
    let mut with: HashMap<u64, Vec<usize>> = HashMap::new();
    for (question, signs) in questions.iter().zip(&asked) {
        let weight: f64 = signs.iter().map(|sign| known[sign]).sum();
        let mut shared: HashMap<usize, f64> = HashMap::new();
        for sign in signs {
            let groups = with.get(sign).into_iter().flatten();
            groups.for_each(|group| *shared.entry(*group).or_default() += known[sign]);
        }
        let alike = |group: usize, shared: f64| shared / (weight + groups[group].weight - shared);
        let best = shared
            .into_iter()
            .map(|(group, shared)| (alike(group, shared), std::cmp::Reverse(group)))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let at = best.map_or(groups.len(), |(_, group)| group.0);
        if at == groups.len() {
            groups.push(Group { weight, count: 0, text: question.text.clone(), convs: Vec::new() });
            signs.iter().for_each(|sign| with.entry(*sign).or_default().push(at));
        }
        let group = &mut groups[at];
        group.count += 1;
        if !group.convs.contains(&question.conv) && group.convs.len() < MAX_CONVS {
            group.convs.push(question.conv);
        }
    }
    // Stable: of equal ones the newest stays first.
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.truncate(MAX_GROUPS);
    groups.into_iter().map(|Group { count, text, convs, .. }| Unanswered { text, count, convs }).collect()
}

/// What the words of a text are told by, each once.
fn signs(text: &str) -> Vec<u64> {
    let mut signs: Vec<u64> = words(text)
        .into_iter()
        .map(|word| {
            let mut hasher = DefaultHasher::new();
            word.text.chars().take(LETTERS).collect::<String>().hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    signs.sort_unstable();
    signs.dedup();
    signs
}
