//! Values that the shop knows to the letter: a shopper's address and customer id, the ids of orders.
//!
//! They are compared by their letters and digits alone, so that `B 10412` is `B-10412`. A text is looked up, not searched for
//! each value: a shop may have a million orders.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::links::pattern;
use super::view::View;
use super::{Find, Kind};

/// Stretches of a text that one value may be written in.
const PIECES: usize = 12;
/// From this length on a value may be written in other pieces than its own: `10 02` is rather a date than order 1002.
const REGROUPED: usize = 6;

/// A run of letters and digits; Chinese is written without blanks, so each of its characters is one.
static PIECE: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{N}&&[^\p{Han}]]+|\p{Han}"));

/// Known values, by their letters and digits.
#[derive(Default)]
pub(super) struct Exact {
    values: HashMap<String, (Kind, usize)>,
    /// Bytes of the longest.
    longest: usize,
}

impl Exact {
    /// Takes `value` for a value of `kind` wherever it stands, if it has at least `least` letters and digits: a shorter one says
    /// nothing.
    pub(super) fn learn(&mut self, kind: Kind, value: &str, least: usize) {
        let view = View::of(value);
        let pieces = PIECE.find_iter(&view.text).count();
        let plain = Find::new(kind, 0..view.text.len(), &view.text).value;
        if plain.chars().count() >= least {
            self.longest = self.longest.max(plain.len());
            self.values.entry(plain).or_insert((kind, pieces));
        }
    }

    pub(super) fn find(&self, text: &str, into: &mut Vec<Find>) {
        if self.values.is_empty() {
            return;
        }
        let pieces: Vec<Range<usize>> = PIECE.find_iter(text).map(|piece| piece.range()).collect();
        let mut from = 0;
        while from < pieces.len() {
            let found = self.longest_at(text, &pieces[from..]);
            from += found.as_ref().map_or(1, |(taken, _)| *taken);
            into.extend(found.map(|(_, find)| find));
        }
    }

    /// The longest value that begins with the first of `pieces`, and how many of them it takes.
    fn longest_at(&self, text: &str, pieces: &[Range<usize>]) -> Option<(usize, Find)> {
        let (mut value, mut best) = (String::new(), None);
        for (n, piece) in pieces.iter().take(PIECES).enumerate() {
            if n > 0 && !joins(&text[pieces[n - 1].end..piece.start]) {
                break;
            }
            value.extend(text[piece.clone()].chars().flat_map(char::to_lowercase));
            if value.len() > self.longest {
                break;
            }
            if let Some((kind, own)) = self.values.get(&value)
                && (n < *own || value.len() >= REGROUPED)
            {
                let range = pieces[0].start..piece.end;
                best = Some((n + 1, Find { range, kind: *kind, value: value.clone() }));
            }
        }
        best
    }
}

/// What may stand between two pieces of one value.
fn joins(gap: &str) -> bool {
    gap.chars().count() <= 3
        && gap.chars().all(|c| matches!(c, ' ' | '\'' | '’') || "-_./@+#()*&~=%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(known: &[&str], text: &str) -> Vec<String> {
        let mut exact = Exact::default();
        known.iter().for_each(|value| exact.learn(Kind::Order, value, 4));
        let mut finds = Vec::new();
        exact.find(text, &mut finds);
        finds.into_iter().map(|find| text[find.range].to_owned()).collect()
    }

    #[test]
    fn a_value_is_found_however_it_is_spelt_and_never_within_another() {
        let known = ["B-10412", "100023", "o'brien@example.org"];
        assert_eq!(found(&known, "b10412, B 10412 or B-10412?"), ["b10412", "B 10412", "B-10412"]);
        assert_eq!(found(&known, "订单100023在哪? 100 023"), ["100023", "100 023"]);
        assert_eq!(found(&known, "to O'Brien@example.org."), ["O'Brien@example.org"]);
        assert_eq!(found(&known, "AB-104125, 1000234, x100023"), [""; 0]);
    }

    #[test]
    fn a_short_value_is_found_only_as_it_is_written_and_a_shorter_one_never() {
        assert_eq!(found(&["1002", "42"], "1002 on 10.02. for 42"), ["1002"]);
    }
}
