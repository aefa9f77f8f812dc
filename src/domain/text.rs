//! Text from outside, made harmless once, at the door.

use serde::{Deserialize, Serialize};

/// The longest message, in characters.
pub const MAX_CHARS: usize = 4_000;
/// The longest message, in bytes of UTF-8: every stored value stays under sled's blob threshold.
pub const MAX_BYTES: usize = 8_192;

/// Characters of a text that an error repeats.
const QUOTED: usize = 40;

/// A message that may be stored and shown: not empty, bounded, without invisible or control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Said(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("the message is empty")]
    Empty,
    #[error("the message is longer than {MAX_CHARS} characters or {MAX_BYTES} bytes")]
    TooLong,
}

impl Said {
    /// Drops control characters (but line breaks and tabs) and invisible ones, trims, and checks the length.
    pub fn parse(raw: &str) -> Result<Self, TextError> {
        if raw.len() > 4 * MAX_BYTES {
            return Err(TextError::TooLong);
        }
        let clean = clean(raw);
        let text = clean.trim();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() > MAX_BYTES || text.chars().count() > MAX_CHARS {
            return Err(TextError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// `raw` without the characters that can hide instructions or break a terminal, a log or a layout.
pub fn clean(raw: &str) -> String {
    raw.replace("\r\n", "\n").chars().filter(|c| !is_hidden(*c)).collect()
}

/// Control characters, Unicode tags, zero-width and bidirectional-override characters. Joiners (U+200C, U+200D) and
/// variation selectors stay: Persian, Indic scripts and emoji need them.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200B}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' => true,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
        '\u{E0000}'..='\u{E007F}' => true,
        c => c.is_control(),
    }
}

/// The beginning of `text`, for an error: what somebody wrote is not repeated whole where it was not expected.
pub fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let begin: String = letters.by_ref().take(QUOTED).collect();
    if letters.next().is_some() { format!("\"{}...\"", begin.escape_debug()) } else { format!("{begin:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_dropped_and_joiners_stay() {
        let said =
            Said::parse("  he\u{200B}llo\u{1b}[31m\r\n\u{202E}x\u{E0041} 👩\u{200D}💻 ").expect("valid");
        assert_eq!(said.as_str(), "hello[31m\nx 👩\u{200D}💻");
    }

    #[test]
    fn empty_and_oversized_texts_are_refused() {
        assert_eq!(Said::parse(" \u{200B}\n "), Err(TextError::Empty));
        assert!(Said::parse(&"a".repeat(MAX_CHARS)).is_ok());
        assert_eq!(Said::parse(&"a".repeat(MAX_CHARS + 1)), Err(TextError::TooLong));
        assert_eq!(Said::parse(&"界".repeat(2_731)), Err(TextError::TooLong));
    }
}
