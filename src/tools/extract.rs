//! Attributes of a product text.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Said, Span, Text, Tool, ToolError, Toolbox, grammar, harmless};
use crate::domain::prompt::{Grammar, Prompt};
use crate::prompt::Wanted;

/// One text to extract from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtractItem {
    pub text: String,
    /// Names a list of attributes, e.g. `Shoes`; only used if `attributes` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What to look for. Empty, and no category either: whatever there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

/// What was found in one text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Extracted {
    pub attributes: Vec<Attribute>,
}

/// One attribute and where the text says it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Attribute {
    pub name: String,
    /// Exactly the characters `start..end` of the text.
    pub value: String,
    #[serde(flatten)]
    pub span: Span,
    /// Geometric mean of the probabilities of the value's tokens, 0 to 1; absent if the model reports none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// Tokens of an answer: for the frame, and for each attribute.
const TOKENS: usize = 16;
const TOKENS_EACH: usize = 24;
const TOKENS_MOST: usize = 768;
/// The longest name of an attribute, in characters.
const NAME_CHARS: usize = 60;

impl Toolbox {
    /// Attributes of a product text, each a piece of it.
    ///
    /// # Errors
    /// [`ToolError::Item`] for an empty or too long text or a bad list of attributes.
    pub async fn extract(&self, item: &ExtractItem) -> Result<Extracted, ToolError> {
        let text = self.clean(&item.text)?;
        let names = self.wanted(item)?;
        let category = item.category.as_deref().map(|name| harmless(name, &self.0.control));
        let wanted = Wanted { text: text.shown(), category: category.as_deref(), attributes: &names };
        let grammar = if names.is_empty() {
            grammar::open(text.shown())
        } else {
            grammar::listed(&names, text.shown())
        };
        let worker = self.worker(Tool::Extract).await;
        let prompt = Prompt {
            messages: self.0.prompts.extract(&wanted)?,
            max_tokens: (TOKENS + TOKENS_EACH * names.len().max(8)).min(TOKENS_MOST),
            grammar: Grammar::Lark(grammar),
            logprobs: 1,
            adapter: worker.name(),
            ..Prompt::default()
        };
        let said = self.run(&prompt).await?;
        Ok(Extracted { attributes: read(&said, &text, &names) })
    }

    fn wanted(&self, item: &ExtractItem) -> Result<Vec<String>, ToolError> {
        let most = self.0.settings.max_attributes;
        let names = match (&item.category, item.attributes.is_empty()) {
            (Some(category), true) => {
                self.0.prompts.attributes_of(category).map(<[String]>::to_vec).unwrap_or_default()
            }
            _ => item.attributes.clone(),
        };
        if names.len() > most {
            return Err(ToolError::item(
                "attributes",
                format!("{} are asked for; the limit is {most}", names.len()),
            ));
        }
        let mut clean: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            let name = harmless(name.trim(), &self.0.control);
            let bad = name.is_empty()
                || name.chars().count() > NAME_CHARS
                || name.chars().any(|c| c.is_control() || c == ':');
            if bad {
                return Err(ToolError::item(
                    "attributes",
                    format!("{name:?}: use 1 to {NAME_CHARS} characters, no colon and no line break"),
                ));
            }
            if clean.contains(&name) {
                return Err(ToolError::item("attributes", format!("{name:?} is asked for twice")));
            }
            clean.push(name);
        }
        Ok(clean)
    }
}

/// What a model is taught to answer: the lines that are read here.
pub fn answer<'a>(found: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<String> = found.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if lines.is_empty() { grammar::NONE.to_owned() } else { lines.join("\n") }
}

/// The lines of an answer that hold: a name that was asked for, or any if none was, and a value that is in the text.
fn read(said: &[Said], text: &Text, names: &[String]) -> Vec<Attribute> {
    let answer: String = said.iter().map(|s| s.text.as_str()).collect();
    let mut found: Vec<Attribute> = Vec::new();
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let Some((name, value)) = line.trim_end_matches('\n').split_once(": ") else { continue };
        let asked = names.is_empty() || names.iter().any(|n| n == name);
        if !asked || found.iter().any(|a| a.name == name) {
            continue;
        }
        let Some(span) = text.find(value) else { continue };
        let from = start + name.len() + 2;
        found.push(Attribute {
            name: name.to_owned(),
            value: text.slice(span).to_owned(),
            span,
            confidence: confidence(said, from..from + value.len()),
        });
    }
    found
}

/// Geometric mean of the probabilities of the tokens that lie in `bytes` of the answer.
fn confidence(said: &[Said], bytes: Range<usize>) -> Option<f32> {
    let mut at = 0;
    let mut logs = Vec::new();
    for piece in said {
        let end = at + piece.text.len();
        if at < bytes.end && end > bytes.start {
            logs.push(piece.logprob?);
        }
        at = end;
    }
    (!logs.is_empty()).then(|| (logs.iter().sum::<f32>() / logs.len() as f32).exp().clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pieces: &[(&str, f32)]) -> Vec<Said> {
        pieces.iter().map(|(text, p)| Said { text: (*text).to_owned(), logprob: Some(p.ln()) }).collect()
    }

    #[test]
    fn an_answer_becomes_spans_with_confidence() {
        let text = Text::new("Crocs Jayna Flat, Navy", &[]);
        let names = ["Brand".to_owned(), "Color".to_owned()];
        let said = said(&[
            ("Brand", 0.9),
            (":", 1.0),
            (" Crocs", 0.25),
            ("\n", 1.0),
            ("Color: ", 1.0),
            ("Na", 1.0),
            ("vy", 0.25),
        ]);
        let found = read(&said, &text, &names);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].value.as_str(), found[0].span), ("Crocs", Span { start: 0, end: 5 }));
        assert!((found[0].confidence.expect("known") - 0.25).abs() < 1e-6);
        assert!((found[1].confidence.expect("known") - 0.5).abs() < 1e-6);
    }

    #[test]
    fn what_is_not_in_the_text_or_was_not_asked_for_is_left_out() {
        let text = Text::new("Crocs Jayna", &[]);
        let names = ["Brand".to_owned()];
        let said = said(&[("Brand: Nike\nSize: Crocs\nBrand: Crocs\nBrand: Jayna\nnonsense", 1.0)]);
        let values: Vec<String> = read(&said, &text, &names).into_iter().map(|a| a.value).collect();
        assert_eq!(values, ["Crocs"]);
    }
}
