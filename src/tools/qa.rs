//! Question-answer pairs a shopper might ask, from a product text, a policy or a resolved chat.
//!
//! The answer comes first: it is a sentence of the source, so that it cannot be made up. The model writes the question to
//! it, and a question that does not lead back to its answer is thrown away.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use utoipa::ToSchema;

use super::{Span, Text, Tool, ToolError, Toolbox, grammar, harmless};
use crate::domain::prompt::{Grammar, Prompt};

/// One source of pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QaItem {
    pub text: String,
    /// How many pairs are wanted; fewer come if the text has no more to say.
    #[serde(default = "three")]
    pub count: usize,
    /// What the text is about, e.g. the product's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

fn three() -> usize {
    3
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct QaPairs {
    pub pairs: Vec<Pair>,
}

/// A question and its answer, which is exactly the characters `start..end` of the source.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Pair {
    pub question: String,
    pub answer: String,
    #[serde(flatten)]
    pub span: Span,
}

/// Answers have at least this many words, at most this many characters.
const WORDS: usize = 4;
const CHARS: usize = 400;
/// Two questions with this share of words in common (Jaccard) are one.
const ALIKE: f64 = 0.7;
/// Tokens of a question.
const TOKENS: usize = 48;

impl Toolbox {
    /// Pairs from a text, in the order of their answers.
    ///
    /// # Errors
    /// [`ToolError::Item`] for an empty or too long text or a bad count.
    pub async fn qa(&self, item: &QaItem) -> Result<QaPairs, ToolError> {
        let most = self.0.settings.max_pairs;
        if !(1..=most).contains(&item.count) {
            return Err(ToolError::item("count", format!("{}: use 1 to {most}", item.count)));
        }
        let text = self.clean(&item.text)?;
        let title = item.title.as_deref().map(|title| harmless(title, &self.0.control));
        let answers = answers(&text);
        let mut pairs: Vec<Pair> = Vec::new();
        for span in &answers {
            if pairs.len() == item.count {
                break;
            }
            let answer = text.slice(*span);
            let question = self.question(&harmless(answer, &self.0.control), title.as_deref()).await?;
            let known = pairs.iter().any(|pair| overlap(&words(&pair.question), &words(&question)) >= ALIKE);
            if !known && leads_back(&question, *span, &answers, &text) {
                pairs.push(Pair { question, answer: answer.to_owned(), span: *span });
            }
        }
        Ok(QaPairs { pairs })
    }

    async fn question(&self, answer: &str, title: Option<&str>) -> Result<String, ToolError> {
        let worker = self.worker(Tool::Qa).await;
        let prompt = Prompt {
            messages: self.0.prompts.question(answer, title)?,
            max_tokens: TOKENS,
            grammar: Grammar::Lark(grammar::question()),
            adapter: worker.name(),
            ..Prompt::default()
        };
        let said = self.run(&prompt).await?;
        Ok(said.iter().map(|s| s.text.as_str()).collect::<String>().trim().to_owned())
    }
}

/// The sentences that say enough to be an answer.
fn answers(text: &Text) -> Vec<Span> {
    text.sentences()
        .into_iter()
        .filter(|span| {
            let sentence = text.slice(*span);
            let enough = sentence.unicode_words().count() >= WORDS;
            enough && sentence.chars().count() <= CHARS && !sentence.trim_end().ends_with(['?', '？', '؟'])
        })
        .collect()
}

/// True if the question is one, and shares more words with its own answer than with any other: whoever looks it up finds
/// that answer. A question without any word of its answer is not about it.
fn leads_back(question: &str, own: Span, answers: &[Span], text: &Text) -> bool {
    if !question.ends_with(['?', '？', '؟']) {
        return false;
    }
    let asked = words(question);
    let shared = |span: &Span| words(text.slice(*span)).intersection(&asked).count();
    let mine = shared(&own);
    mine > 0 && answers.iter().filter(|span| **span != own).all(|span| shared(span) <= mine)
}

/// Words of three letters and more, lower-case; single characters where a script writes no spaces.
fn words(text: &str) -> HashSet<String> {
    text.unicode_words()
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= 3 || !word.is_ascii())
        .filter(|word| !STOP.contains(&word.as_str()))
        .collect()
}

/// Words that say nothing about the subject.
const STOP: [&str; 32] = [
    "the", "and", "for", "are", "you", "your", "can", "what", "how", "does", "with", "this", "that", "not",
    "its", "will", "have", "has", "from", "our", "was", "but", "all", "any", "when", "who", "why", "which",
    "there", "they", "was", "were",
];

fn overlap(a: &HashSet<String>, b: &HashSet<String>) -> f64 {
    let both = a.intersection(b).count() as f64;
    let either = a.union(b).count() as f64;
    if either == 0.0 { 1.0 } else { both / either }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_must_lead_back_to_its_answer() {
        let text = Text::new(
            "Returns are free within 30 days. Shipping takes two to four days. Ok. Do you agree with all of it?",
            &[],
        );
        let answers = answers(&text);
        assert_eq!(answers.len(), 2, "too short, and a question, are no answers");
        assert!(leads_back("Are returns free?", answers[0], &answers, &text));
        assert!(!leads_back("How long does shipping take?", answers[0], &answers, &text));
        assert!(!leads_back("What is your name?", answers[0], &answers, &text));
        assert!(!leads_back("Returns are free", answers[0], &answers, &text));
    }
}
