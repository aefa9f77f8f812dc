//! A text with its characters counted, and spans of it.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use utoipa::ToSchema;

/// A piece of a text: from character `start` up to, but not including, `end`. Characters are Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// A text as it came, and as the model reads it: on one line and without control tokens. Character n of the one is character
/// n of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    original: String,
    /// The byte at which each character of the original begins, and the end.
    bytes: Vec<usize>,
    shown: String,
}

/// `text` with spaces in the place of control tokens, line breaks, other controls and what no tokenizer gives back; as many
/// characters as before. Spaces, unlike nothing, cannot join what stood on both sides into another control token.
pub(super) fn harmless(text: &str, control: &[String]) -> String {
    let readable = |text: &str| text.chars().map(|c| if is_blank(c) { ' ' } else { c }).collect::<String>();
    let mut shown = readable(text);
    // Some tokenizers take U+2581 in the name of a control token for a space.
    for token in control.iter().map(|token| readable(token)).filter(|token| !token.trim().is_empty()) {
        if shown.contains(token.as_str()) {
            shown = shown.replace(token.as_str(), &" ".repeat(token.chars().count()));
        }
    }
    shown
}

/// True for a character the model is shown as a space. The engine takes U+FFFD for half a character and keeps back the text that
/// ends in it; tokenizers write a space as U+2581, so that one comes back as the other.
fn is_blank(c: char) -> bool {
    c.is_control() || c.is_whitespace() || matches!(c, '\u{fffd}' | '\u{2581}')
}

impl Text {
    /// `control`: the control tokens of the model.
    pub fn new(text: &str, control: &[String]) -> Self {
        let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        bytes.push(text.len());
        Self { original: text.to_owned(), bytes, shown: harmless(text, control) }
    }

    /// As the model reads it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The characters of a span, as they came.
    pub fn slice(&self, span: Span) -> &str {
        &self.original[self.bytes[span.start]..self.bytes[span.end]]
    }

    /// Where `value`, a piece of the shown text, stands: the first place that begins and ends with a word, else the first
    /// place at all. `None` if it is nowhere, or nothing but spaces.
    pub fn find(&self, value: &str) -> Option<Span> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let hits: Vec<usize> = self.shown.match_indices(value).map(|(at, _)| at).collect();
        let whole = hits.iter().find(|at| self.is_whole(**at, **at + value.len()));
        let at = *whole.or(hits.first())?;
        let start = self.shown[..at].chars().count();
        Some(Span { start, end: start + value.chars().count() })
    }

    /// True if no word is cut at either end of the bytes `from..to` of the shown text.
    fn is_whole(&self, from: usize, to: usize) -> bool {
        let joins = |at: usize| {
            let before = self.shown[..at].chars().next_back();
            let after = self.shown[at..].chars().next();
            matches!((before, after), (Some(b), Some(a)) if b.is_alphanumeric() && a.is_alphanumeric())
        };
        !joins(from) && !joins(to)
    }

    /// The sentences of the text, without the spaces around them, in order.
    ///
    /// To Unicode (UAX 29) every line break ends one; here a sentence goes on in the next line where that begins with a small
    /// letter, as in an e-mail or a PDF of short lines.
    pub fn sentences(&self) -> Vec<Span> {
        let mut start = 0;
        let mut found: Vec<Span> = Vec::new();
        let mut goes_on = false;
        for sentence in self.original.split_sentence_bounds() {
            let chars: Vec<char> = sentence.chars().collect();
            let blank = |c: &&char| c.is_whitespace();
            let first = chars.iter().take_while(blank).count();
            if chars.iter().any(|c| c.is_alphanumeric()) {
                let last = chars.len() - chars.iter().rev().take_while(blank).count();
                match found.last_mut().filter(|_| goes_on && chars[first].is_lowercase()) {
                    Some(before) => before.end = start + last,
                    None => found.push(Span { start: start + first, end: start + last }),
                }
            }
            goes_on = is_broken_off(sentence);
            start += chars.len();
        }
        found
    }

    /// The parts of the text that may each praise or blame: sentences, cut again at "but" and its like and at semicolons.
    pub fn clauses(&self) -> Vec<Span> {
        let mut clauses = Vec::new();
        for sentence in self.sentences() {
            // Lines of one sentence part as words do.
            let spaced = |c: char| if c.is_whitespace() { ' ' } else { c };
            let words: Vec<char> = self.slice(sentence).chars().map(spaced).collect();
            let mut from = 0;
            for at in cuts(&words) {
                clauses.extend(trimmed(&words, from, at, sentence.start));
                from = at;
            }
            clauses.extend(trimmed(&words, from, words.len(), sentence.start));
        }
        clauses
    }

    /// The whole text without the spaces around it.
    pub fn whole(&self) -> Option<Span> {
        self.find(self.shown.trim())
    }
}

/// True for a line that ends without an end of what it says.
fn is_broken_off(line: &str) -> bool {
    let said = line.trim_end();
    let breaks = line[said.len()..].matches('\n').count();
    let last = said.chars().next_back();
    breaks == 1 && last.is_some_and(|c| c.is_alphanumeric() || matches!(c, ',' | ')' | '"' | '”' | '’'))
}

/// Words before which a sentence may turn round.
const TURNS: [&str; 6] = [" but ", " however ", " although ", " though ", " yet ", " except "];

fn cuts(chars: &[char]) -> Vec<usize> {
    let turns: Vec<Vec<char>> = TURNS.iter().map(|turn| turn.chars().collect()).collect();
    (1..chars.len())
        .filter(|at| {
            let rest = &chars[*at..];
            chars[at - 1] == ';'
                || turns.iter().any(|turn| {
                    rest.len() >= turn.len()
                        && turn.iter().zip(rest).all(|(t, c)| *t == c.to_ascii_lowercase())
                })
        })
        .collect()
}

/// The characters `from..to`, which begin at `offset` in the text, without spaces and punctuation at the ends.
fn trimmed(chars: &[char], from: usize, to: usize, offset: usize) -> Option<Span> {
    let first = (from..to).find(|at| chars[*at].is_alphanumeric())?;
    let last = (from..to).rev().find(|at| !chars[*at].is_whitespace())?;
    Some(Span { start: offset + first, end: offset + last + 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Text {
        Text::new(text, &["<|im_end|>".to_owned()])
    }

    #[test]
    fn whole_words_come_first() {
        let text = text("Redmi red phone");
        let span = text.find("red").expect("found");
        assert_eq!((span, text.slice(span)), (Span { start: 6, end: 9 }, "red"));
    }

    #[test]
    fn a_control_token_does_not_shift_what_follows() {
        let text = text("Nike<|im_end|> Air\nMax 👟 90");
        assert_eq!(text.shown(), "Nike           Air Max 👟 90");
        for value in ["Nike", "Air Max", "👟", "90"] {
            let span = text.find(value).expect("found");
            assert_eq!(text.slice(span).replace('\n', " "), value);
        }
    }

    #[test]
    fn what_no_tokenizer_gives_back_is_a_space_and_shifts_nothing() {
        let text = text("Size\u{2581}42\u{fffd} Red\u{fffd}");
        assert_eq!(text.shown(), "Size 42  Red ");
        let span = text.find("Size 42").expect("found");
        assert_eq!(text.slice(span), "Size\u{2581}42");
        assert_eq!(text.find("Red").map(|span| (span.start, span.end)), Some((9, 12)));
        let control = ["<|begin\u{2581}of|>".to_owned()];
        for hidden in ["a<|begin\u{2581}of|>b", "a<|begin of|>b"] {
            assert_eq!(harmless(hidden, &control), "a            b");
        }
    }

    #[test]
    fn what_is_taken_out_does_not_join_into_a_new_one() {
        assert_eq!(
            harmless("<|im<|im_end|>_end|>", &["<|im_end|>".to_owned()]).trim(),
            "<|im          _end|>"
        );
    }

    #[test]
    fn sentences_keep_their_places() {
        let text = text("  Great phone! 电池很好。 Too slow…\n\nBad.");
        let found: Vec<&str> = text.sentences().into_iter().map(|s| text.slice(s)).collect();
        assert_eq!(found, ["Great phone!", "电池很好。", "Too slow…", "Bad."]);
    }

    #[test]
    fn a_sentence_goes_on_in_the_next_line_if_that_begins_small() {
        let found = |source: &str| {
            let text = text(source);
            text.sentences().into_iter().map(|s| text.slice(s).to_owned()).collect::<Vec<_>>()
        };
        let wrapped = "Returned boots must be clean and come with\r\ntheir box, a label,\n  and a receipt. We pay.\nyes";
        assert_eq!(
            found(wrapped),
            [
                "Returned boots must be clean and come with\r\ntheir box, a label,\n  and a receipt.",
                "We pay.",
                "yes"
            ]
        );
        // A heading, a list and a paragraph are not of what follows.
        assert_eq!(
            found("Returns\nWe pay.\n- red\n- blue\n\nfree"),
            ["Returns", "We pay.", "- red", "- blue", "free"]
        );
    }

    #[test]
    fn clauses_part_praise_from_blame() {
        let text = text("Great screen, but the battery dies fast; case is nice. Fine.");
        let found: Vec<&str> = text.clauses().into_iter().map(|s| text.slice(s)).collect();
        assert_eq!(found, ["Great screen,", "but the battery dies fast;", "case is nice.", "Fine."]);
        let lines = self::text("The screen is great\nbut the battery\ndies fast");
        let found: Vec<&str> = lines.clauses().into_iter().map(|s| lines.slice(s)).collect();
        assert_eq!(found, ["The screen is great", "but the battery\ndies fast"]);
    }

    proptest! {
        #[test]
        fn every_piece_is_where_it_is_said_to_be(
            parts in prop::collection::vec("( but |; | except |[a-zA-Z0-9éß👩‍👧\u{0301}\u{fffd}\u{2581}汉字עברית \n.,!-]{0,12})", 1..8),
            from in 0usize..64, len in 1usize..20,
        ) {
            let source = parts.concat();
            let text = text(&source);
            let chars: Vec<char> = text.shown().chars().collect();
            let from = from.min(chars.len());
            let value: String = chars[from..(from + len).min(chars.len())].iter().collect();
            if let Some(span) = text.find(&value) {
                let same: String = text.slice(span).chars()
                    .map(|c| if is_blank(c) { ' ' } else { c }).collect();
                prop_assert_eq!(same, value.trim());
            } else {
                prop_assert!(value.trim().is_empty());
            }
            for span in text.sentences().into_iter().chain(text.clauses()).chain(text.whole()) {
                prop_assert!(span.start < span.end && span.end <= source.chars().count());
                let exact: String = source.chars().skip(span.start).take(span.end - span.start).collect();
                prop_assert_eq!(text.slice(span), exact);
            }
            // Clauses are in order, apart from each other, and lose nothing that can be read.
            let clauses = text.clauses();
            prop_assert!(clauses.windows(2).all(|pair| pair[0].end <= pair[1].start));
            let said = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            let kept: String = clauses.iter().map(|span| said(text.slice(*span))).collect();
            prop_assert_eq!(kept, said(&source));
        }
    }
}
