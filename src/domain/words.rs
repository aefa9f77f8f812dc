//! What the owner says of the shop in place of its file: plain words that are part of every prompt.

use serde::{Deserialize, Serialize};

use super::text::clean;

const NAME: usize = 60;
const ABOUT: usize = 300;
const TONE: usize = 120;
/// Facts, and characters of one: all of them are in every prompt.
pub const MAX_FACTS: usize = 20;
const FACT: usize = 240;

/// The shop in its owner's words; what is empty is as the shop's file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShopWords {
    pub name: String,
    /// What the assistant is called.
    pub assistant: String,
    /// One sentence: what the shop sells.
    pub about: String,
    /// How the assistant sounds.
    pub tone: String,
    /// The code of the shop's own language.
    pub language: String,
    /// Where shoppers can write to.
    pub email: String,
    /// Facts that every answer may need; none leaves the file's, an empty list has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Vec<String>>,
}

impl ShopWords {
    /// The words as they are kept: one clean line each.
    ///
    /// # Errors
    /// What is too long or no code, in a sentence for its author.
    pub fn checked(&self) -> Result<Self, String> {
        let facts = self.facts.as_ref().map(|facts| {
            let lines = facts.iter().map(|fact| line(fact));
            lines.filter(|fact| !fact.is_empty()).collect::<Vec<_>>()
        });
        let words = Self {
            name: line(&self.name),
            assistant: line(&self.assistant),
            about: line(&self.about),
            tone: line(&self.tone),
            language: line(&self.language).to_ascii_lowercase(),
            email: line(&self.email),
            facts,
        };
        match words.fault() {
            Some(fault) => Err(fault),
            None => Ok(words),
        }
    }

    fn fault(&self) -> Option<String> {
        let long = |text: &str, most: usize| text.chars().count() > most;
        let facts = self.facts.as_deref().unwrap_or_default();
        let is_code =
            matches!(self.language.len(), 2 | 3) && self.language.chars().all(|c| c.is_ascii_lowercase());
        let is_address = super::Email::parse(&self.email).is_ok();
        let faults = [
            (long(&self.name, NAME), format!("the shop's name has at most {NAME} characters")),
            (long(&self.assistant, NAME), format!("the assistant's name has at most {NAME} characters")),
            (long(&self.about, ABOUT), format!("what the shop sells is said in at most {ABOUT} characters")),
            (long(&self.tone, TONE), format!("the tone is said in at most {TONE} characters")),
            (
                !self.language.is_empty() && !is_code,
                "a language is a code of two or three letters, e.g. `en`".to_owned(),
            ),
            (!self.email.is_empty() && !is_address, format!("`{}` is not an e-mail address", self.email)),
            (facts.len() > MAX_FACTS, format!("at most {MAX_FACTS} facts: all of them are in every prompt")),
            (facts.iter().any(|fact| long(fact, FACT)), format!("a fact has at most {FACT} characters")),
        ];
        faults.into_iter().find(|(wrong, _)| *wrong).map(|(_, fault)| fault)
    }
}

/// One line of clean text.
fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_clean_line_each() {
        let words = ShopWords {
            name: "  Fern\u{202e} &\n Co ".into(),
            language: "DE".into(),
            facts: Some(vec![" ".into(), "We  ship\non Fridays.".into()]),
            ..ShopWords::default()
        };
        let kept = words.checked().unwrap();
        assert_eq!((kept.name.as_str(), kept.language.as_str()), ("Fern & Co", "de"));
        assert_eq!(kept.facts.as_deref(), Some(["We ship on Fridays.".to_owned()].as_slice()));
        assert_eq!(kept.checked().unwrap(), kept);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let fault = |change: fn(&mut ShopWords)| {
            let mut words = ShopWords::default();
            change(&mut words);
            words.checked().unwrap_err()
        };
        assert_eq!(fault(|w| w.name = "x".repeat(61)), "the shop's name has at most 60 characters");
        assert_eq!(
            fault(|w| w.language = "deutsch".into()),
            "a language is a code of two or three letters, e.g. `en`"
        );
        assert_eq!(fault(|w| w.email = "help".into()), "`help` is not an e-mail address");
        assert!(fault(|w| w.facts = Some(vec!["x".into(); 21])).starts_with("at most 20 facts"));
        assert!(fault(|w| w.facts = Some(vec!["x".repeat(241)])).starts_with("a fact has"));
        assert_eq!(ShopWords::default().checked(), Ok(ShopWords::default()));
    }
}
