//! Question-answer pairs a shopper might ask, from a product text, a policy or a resolved chat.
//!
//! The answer comes first: it is a sentence of the source, so that it cannot be made up. The model writes the question to
//! it, and a question that does not lead back to its answer is thrown away.

mod seen;
mod words;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use utoipa::ToSchema;

pub use seen::Seen;
use words::words;

use super::{Answer, Item, Span, Text, Tool, ToolError, Toolbox, brief, grammar, harmless};
use crate::domain::prompt::{Grammar, Prompt};

/// One source of pairs: a text, or a chat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QaItem {
    /// A product text or a policy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// A resolved chat, in place of a text: what the shop said answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// How many pairs are wanted; fewer come if the source has no more to say.
    #[serde(default = "three")]
    pub count: usize,
    /// What the source is about, e.g. the product's name, in at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    pub by: Side,
    pub text: String,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Shopper,
    /// Somebody of the shop, or its assistant.
    #[serde(alias = "assistant")]
    Staff,
}

fn three() -> usize {
    3
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QaPairs {
    pub pairs: Vec<Pair>,
    /// What they are about, as it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A question and its answer, which is exactly the characters `start..end` of the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pair {
    pub question: String,
    pub answer: String,
    #[serde(flatten)]
    pub span: Span,
    /// Of a chat: the message that the characters are in, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
}

/// Answers have at least this many words, at most this many characters.
const WORDS: usize = 4;
const CHARS: usize = 400;
/// The longest question of a shopper that is taken over, in characters.
const QUESTION: usize = 160;
/// Tokens of a question.
const TOKENS: usize = 48;
/// Messages of a chat, at most.
const TURNS: usize = 500;
/// Sentences of a source that may answer, and questions that a shopper may have asked before one: the first of those, the newest of
/// these. Each is compared with each, and what a shopper floods a chat with must not cost minutes.
const CANDIDATES: usize = 1000;
const ASKED: usize = 20;
/// Answers that are tried for each pair that is wanted, and some more.
const TRIES: usize = 5;
const MORE_TRIES: usize = 10;

/// A sentence that may answer, where it stands, its words, and what a shopper had asked before it.
struct Candidate<'a> {
    span: Span,
    text: &'a Text,
    turn: Option<usize>,
    asked: Vec<&'a str>,
    words: HashSet<String>,
    wording: Vec<String>,
}

impl<'a> Candidate<'a> {
    fn new(text: &'a Text, span: Span, turn: Option<usize>, asked: &[&'a str]) -> Self {
        let said = text.slice(span);
        let wording = said.unicode_words().map(str::to_lowercase).collect();
        Self { span, text, turn, asked: asked.to_vec(), words: words(said), wording }
    }

    fn answer(&self) -> &'a str {
        self.text.slice(self.span)
    }
}

impl Item for QaItem {
    fn check(&self, tools: &Toolbox) -> Result<(), ToolError> {
        tools.sources(self).map(drop)
    }
}

impl Toolbox {
    /// Pairs from a source, in the order of their answers.
    ///
    /// # Errors
    /// [`ToolError::Item`] for an empty or too long text or a bad count.
    pub async fn qa(&self, item: &QaItem) -> Result<QaPairs, ToolError> {
        self.qa_among(item, &mut Seen::default()).await
    }

    /// As [`Toolbox::qa`], but nothing that was made before; what is made now is `seen` afterwards.
    ///
    /// # Errors
    /// As [`Toolbox::qa`].
    pub async fn qa_among(&self, item: &QaItem, seen: &mut Seen) -> Result<QaPairs, ToolError> {
        let texts = self.sources(item)?;
        let candidates =
            if item.turns.is_empty() { of_text(&texts[0]) } else { of_chat(&item.turns, &texts) };
        let about = item.title.as_deref();
        let title = about.map(|title| harmless(title, &self.0.control));
        let mut pairs: Vec<Pair> = Vec::new();
        for candidate in candidates.iter().take(TRIES * item.count + MORE_TRIES) {
            if pairs.len() == item.count {
                break;
            }
            // Comparing waits for nothing: others have their turn, and a limit of time its effect, between two answers.
            tokio::task::yield_now().await;
            let answer = candidate.answer();
            let own = candidate.asked.iter().find(|question| leads_back(question, candidate, &candidates));
            let question = match own {
                Some(question) => (*question).to_owned(),
                None => self.question(&harmless(answer, &self.0.control), title.as_deref()).await?,
            };
            if leads_back(&question, candidate, &candidates) && seen.is_new(&question, answer, about) {
                let (span, turn) = (candidate.span, candidate.turn);
                pairs.push(Pair { question, answer: answer.to_owned(), span, turn });
            }
        }
        Ok(QaPairs { pairs, title: item.title.clone() })
    }

    /// The texts of an item that is well formed.
    fn sources(&self, item: &QaItem) -> Result<Vec<Text>, ToolError> {
        let most = self.0.settings.max_pairs;
        if !(1..=most).contains(&item.count) {
            return Err(ToolError::item("count", format!("{}: use 1 to {most}", item.count)));
        }
        brief("title", item.title.as_deref())?;
        self.texts(item)
    }

    /// The texts of the item: one, or one a turn. A turn may say nothing.
    fn texts(&self, item: &QaItem) -> Result<Vec<Text>, ToolError> {
        match (item.text.is_empty(), item.turns.len()) {
            (_, 0) => Ok(vec![self.clean(&item.text)?]),
            (true, 1..=TURNS) => {
                let clean = |turn: &Turn| match turn.text.trim().is_empty() {
                    true => Ok(Text::new("", &[])),
                    false => self.clean(&turn.text),
                };
                item.turns.iter().map(clean).collect()
            }
            (true, turns) => Err(ToolError::item("turns", format!("{turns} of them; the limit is {TURNS}"))),
            (false, _) => Err(ToolError::item("turns", "send either `text` or `turns`")),
        }
    }

    /// A question to an answer; empty if the model's words broke off.
    async fn question(&self, answer: &str, title: Option<&str>) -> Result<String, ToolError> {
        let worker = self.worker(Tool::Qa).await;
        let prompt = Prompt {
            messages: self.0.prompts.question(answer, title)?,
            max_tokens: TOKENS,
            grammar: Grammar::Lark(grammar::question()),
            adapter: worker.name(),
            ..Prompt::default()
        };
        let said = match self.run(&prompt).await? {
            Answer::Whole(said) | Answer::Cut(said) => said,
            Answer::Broken => Vec::new(),
        };
        Ok(said.iter().map(|s| s.text.as_str()).collect::<String>().trim().to_owned())
    }
}

fn of_text(text: &Text) -> Vec<Candidate<'_>> {
    answers(text).map(|span| Candidate::new(text, span, None, &[])).take(CANDIDATES).collect()
}

/// What the shop said, each sentence with the questions of the shopper's last messages before it.
fn of_chat<'a>(turns: &[Turn], texts: &'a [Text]) -> Vec<Candidate<'a>> {
    let (mut candidates, mut asked, mut answered) = (Vec::new(), Vec::new(), false);
    for (n, (turn, text)) in turns.iter().zip(texts).enumerate() {
        match turn.by {
            Side::Shopper => {
                if std::mem::take(&mut answered) {
                    asked.clear();
                }
                asked.extend(questions(text));
                asked.drain(..asked.len().saturating_sub(ASKED));
            }
            Side::Staff => {
                answered = true;
                let room = CANDIDATES - candidates.len();
                candidates
                    .extend(answers(text).map(|span| Candidate::new(text, span, Some(n), &asked)).take(room));
            }
        }
    }
    candidates
}

/// The sentences of a shopper that ask, each on one line as it came: its last, where it goes over several.
fn questions(text: &Text) -> Vec<&str> {
    let sentences = text.sentences().into_iter().filter_map(|span| text.slice(span).lines().next_back());
    let sentences = sentences.map(str::trim);
    sentences
        .filter(|said| asks(said) && said.chars().count() <= QUESTION && !said.contains(char::is_control))
        .collect()
}

fn asks(text: &str) -> bool {
    text.ends_with(['?', '？', '؟'])
}

/// The sentences that say enough to be an answer.
fn answers(text: &Text) -> impl Iterator<Item = Span> + '_ {
    text.sentences().into_iter().filter(|span| {
        let sentence = text.slice(*span);
        let enough = sentence.unicode_words().count() >= WORDS;
        enough && sentence.chars().count() <= CHARS && !asks(sentence.trim_end())
    })
}

/// True if the question is one, and shares more words with its own answer than with any other: whoever looks it up finds
/// that answer. A question without any word of its answer is not about it.
fn leads_back(question: &str, own: &Candidate<'_>, all: &[Candidate<'_>]) -> bool {
    if !asks(question) {
        return false;
    }
    let asked = words(question);
    let shared = |one: &Candidate<'_>| one.words.intersection(&asked).count();
    let mine = shared(own);
    // A source may say the same thing twice: either place answers.
    let mut others = all.iter().filter(|one| one.wording != own.wording);
    mine > 0 && others.all(|one| shared(one) < mine)
}

#[cfg(test)]
mod tests;
