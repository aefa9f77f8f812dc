//! What somebody typed, as a query, and where its words are in a text.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    BooleanQuery, FuzzyTermQuery, PhrasePrefixQuery, PhraseQuery, Query, RangeQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::index::Fields;
use super::{Asked, Hit, words::words};
use crate::staff::StaffError;

/// The longest query, in characters.
const MAX_QUERY: usize = 200;
/// Characters of a passage before its first find, and in all.
const BEFORE: usize = 60;
const PASSAGE: usize = 240;

/// One part of a query: words that stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) words: Vec<String>,
    /// Its last word may be a beginning.
    pub(super) open: bool,
}

/// `"red shoes" siz` is a phrase and the beginning of a word.
pub(super) fn parts(typed: &str) -> Result<Vec<Part>, StaffError> {
    if typed.chars().count() > MAX_QUERY {
        return Err(StaffError::BadQuery);
    }
    let mut parts = Vec::new();
    for (n, piece) in typed.split('"').enumerate() {
        let quoted = n % 2 == 1;
        let pieces: Vec<&str> = if quoted { vec![piece] } else { piece.split_whitespace().collect() };
        for piece in pieces {
            let words: Vec<String> = words(piece).into_iter().map(|token| token.text).collect();
            if !words.is_empty() {
                parts.push(Part { words, open: false });
            }
        }
    }
    let ends_open = !typed.ends_with(['"', ' ']);
    parts.last_mut().ok_or(StaffError::BadQuery)?.open = ends_open;
    Ok(parts)
}

/// Everything has to fit.
pub(super) fn query(asked: &Asked, parts: &[Part], fields: &Fields) -> BooleanQuery {
    let mut all: Vec<Box<dyn Query>> = parts.iter().map(|part| part.query(fields)).collect();
    if let Some(by) = asked.by {
        let term = Term::from_field_u64(fields.by, by as u64);
        all.push(Box::new(TermQuery::new(term, IndexRecordOption::Basic)));
    }
    if asked.from.is_some() || asked.to.is_some() {
        let bound = |at: Option<u64>| {
            at.map_or(Bound::Unbounded, |at| Bound::Included(Term::from_field_u64(fields.at, at)))
        };
        all.push(Box::new(RangeQuery::new(bound(asked.from), bound(asked.to))));
    }
    BooleanQuery::intersection(all)
}

impl Part {
    fn query(&self, fields: &Fields) -> Box<dyn Query> {
        let mut terms: Vec<Term> =
            self.words.iter().map(|word| Term::from_field_text(fields.text, word)).collect();
        match (terms.len(), self.open) {
            (1, true) => Box::new(FuzzyTermQuery::new_prefix(terms.remove(0), 0, false)),
            (1, false) => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::Basic)),
            (_, true) => Box::new(PhrasePrefixQuery::new(terms)),
            (_, false) => Box::new(PhraseQuery::new(terms)),
        }
    }

    fn fits(&self, word: &str) -> bool {
        let last = self.words.len() - 1;
        self.words.iter().enumerate().any(|(n, wanted)| {
            if n == last && self.open { word.starts_with(wanted.as_str()) } else { word == wanted }
        })
    }
}

/// A passage of `text` around the finds, and the finds in it, in UTF-16 units.
pub(super) fn passage(text: &str, parts: &[Part]) -> (String, Vec<[usize; 2]>) {
    let finds: Vec<(usize, usize)> = words(text)
        .into_iter()
        .filter(|word| parts.iter().any(|part| part.fits(&word.text)))
        .map(|word| (word.offset_from, word.offset_to))
        .collect();
    let first = finds.first().map_or(0, |(from, _)| *from);
    let start = text[..first].char_indices().rev().nth(BEFORE).map_or(0, |(at, _)| at);
    let end = text[start..].char_indices().nth(PASSAGE).map_or(text.len(), |(at, _)| start + at);
    let lead = if start > 0 { "…" } else { "" };
    let tail = if end < text.len() { "…" } else { "" };
    let units = |part: &str| part.chars().map(char::len_utf16).sum::<usize>();
    let marks = finds
        .into_iter()
        .filter(|(from, to)| *from >= start && *to <= end)
        .map(|(from, to)| {
            let begin = units(lead) + units(&text[start..from]);
            [begin, begin + units(&text[from..to])]
        })
        .collect();
    (format!("{lead}{}{tail}", &text[start..end]), marks)
}

impl Hit {
    pub(super) fn shown(mut self, text: &str, parts: &[Part]) -> Self {
        (self.text, self.marks) = passage(text, parts);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_words_and_a_beginning() {
        let read = |typed: &str| {
            let parts = parts(typed).unwrap();
            parts
                .into_iter()
                .map(|p| format!("{}{}", p.words.join("+"), if p.open { "*" } else { "" }))
                .collect::<Vec<_>>()
        };
        assert_eq!(read("\"red shoes\" Siz"), ["red+shoes", "siz*"]);
        assert_eq!(read("parcel \"in Wien\""), ["parcel", "in+wien"]);
        assert_eq!(read("包裹"), ["包+裹*"]);
        assert_eq!(parts(" ?! "), Err(StaffError::BadQuery));
        assert_eq!(parts(&"x".repeat(201)), Err(StaffError::BadQuery));
    }

    #[test]
    fn marks_are_in_units_of_javascript() {
        let parts = parts("größe").unwrap();
        let (text, marks) = passage("👟 Welche Größe?", &parts);
        let units: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(String::from_utf16(&units[marks[0][0]..marks[0][1]]).unwrap(), "Größe");
        let long = format!("{} größe {}", "wort ".repeat(100), "wort ".repeat(100));
        let (text, marks) = passage(&long, &parts);
        let units: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(String::from_utf16(&units[marks[0][0]..marks[0][1]]).unwrap(), "größe");
        assert!(text.starts_with('…') && text.ends_with('…') && text.chars().count() == PASSAGE + 2);
    }
}
