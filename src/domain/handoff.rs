//! When a conversation goes from the model to a person, and when people are there.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::clock::{self, Millis};

/// Why a conversation went to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The shopper asked for one.
    Asked,
    /// The shopper used one of the shop's words.
    Word,
    /// A run of messages that were read as negative.
    Mood,
    /// The same question again, after an answer.
    Repeated,
    /// The shop's facts say nothing about what is asked.
    Unsure,
    /// Nobody is there, and the shop wants what comes then to wait for its people.
    Closed,
    /// The model chose a person.
    Model,
}

/// A conversation goes to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOff {
    pub reason: Reason,
    /// Nobody is there now: an e-mail address is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
}

/// What brings a person besides being asked for one. A number is how often in a row; none means that the rule is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whether the shop's words count.
    pub words: bool,
    /// Messages read as negative.
    pub mood: Option<u32>,
    /// Times the same was asked.
    pub repeated: Option<u32>,
    /// Questions the shop's facts say nothing about.
    pub unsure: Option<u32>,
    /// Everything that comes while nobody is there.
    pub closed: bool,
    /// How sure the model has to be that a person is wanted, in percent; one forward pass a message.
    pub model: Option<u32>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { words: true, mood: Some(3), repeated: Some(3), unsure: None, closed: false, model: None }
    }
}

impl Rules {
    /// Only who asks for a person gets one.
    pub const OFF: Self =
        Self { words: false, mood: None, repeated: None, unsure: None, closed: false, model: None };

    /// False for a number that would never or always be reached.
    pub fn fits(&self) -> bool {
        let within = |number: Option<u32>, low, high| number.is_none_or(|n| (low..=high).contains(&n));
        within(self.mood, 1, 20)
            && within(self.repeated, 2, 20)
            && within(self.unsure, 1, 20)
            && within(self.model, 50, 99)
    }
}

/// The hours in which people are there, by a clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// An IANA name like `Europe/Berlin`.
    pub zone: String,
    /// Monday first: minutes since midnight from which and up to which people are there; none on a day off.
    pub week: [Option<(u16, u16)>; 7],
}

impl Schedule {
    /// True if the zone is known to this machine and every span lies within its day.
    pub fn fits(&self) -> bool {
        clock::local(&self.zone, 0).is_some()
            && self.week.iter().flatten().all(|(from, to)| from < to && *to <= 24 * 60)
    }

    /// Whether people are there. A zone that this machine has lost counts as open: nobody is sent away by mistake.
    pub fn is_open(&self, at: Millis) -> bool {
        let Some((day, minute)) = clock::local(&self.zone, at) else { return true };
        self.week.get(day).is_some_and(|span| span.is_some_and(|(from, to)| (from..to).contains(&minute)))
    }
}

/// The first of `words` (in small letters) that `text` says as a word of its own. Scripts without blanks need none around it.
pub fn says_one_of<'a>(text: &str, words: &'a [String]) -> Option<&'a str> {
    let text = text.to_lowercase();
    words.iter().map(String::as_str).find(|word| {
        text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !joined(before, word.chars().next()) && !joined(word.chars().next_back(), after)
        })
    })
}

/// True if there is no border of a word between the two.
fn joined(left: Option<char>, right: Option<char>) -> bool {
    let in_word = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    left.is_some_and(in_word) && right.is_some_and(in_word)
}

/// Chinese, Japanese, Korean and Thai, which put no blanks between words, or endings right behind them.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{e7f}' | '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Questions with this share of words in common (Jaccard) are the same.
const ALIKE: f64 = 0.8;
/// Fewer words than this are no question: "hello" may be said often.
const WORDS: usize = 3;

/// True if both ask the same, give or take a word.
pub fn asks_the_same(one: &str, other: &str) -> bool {
    let (one, other) = (words_of(one), words_of(other));
    if one.len() < WORDS || other.len() < WORDS {
        return false;
    }
    let common = one.intersection(&other).count() as f64;
    common / ((one.len() + other.len()) as f64 - common) >= ALIKE
}

/// Words in small letters; of scripts without blanks, pairs of characters.
fn words_of(text: &str) -> HashSet<String> {
    let text = text.to_lowercase();
    let mut words = HashSet::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let chars: Vec<char> = run.chars().collect();
        if chars.iter().any(|c| is_unspaced(*c)) {
            words.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else {
            words.insert(run.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_as_a_word_in_any_script() {
        let words = ["refund", "my lawyer", "退款", "beschwerde"].map(str::to_owned);
        let found = |text| says_one_of(text, &words);
        assert_eq!(found("I want a REFUND!"), Some("refund"));
        assert_eq!(found("Is it refundable?"), None);
        assert_eq!(found("prerefund refunds x-refund-y"), Some("refund"));
        assert_eq!(found("I will tell my lawyer."), Some("my lawyer"));
        assert_eq!(found("我要退款，谢谢"), Some("退款"));
        assert_eq!(found("Das ist eine Beschwerde"), Some("beschwerde"));
        assert_eq!(found("Hello"), None);
    }

    #[test]
    fn the_same_question_is_the_same_whatever_its_case_and_marks() {
        assert!(asks_the_same("Where is my parcel?", "where is MY parcel"));
        assert!(asks_the_same("So where is my parcel now?", "Where is my parcel now?"));
        assert!(!asks_the_same("Where is my parcel?", "Where is my refund?"));
        assert!(!asks_the_same("Thank you", "Thank you"), "too short to be a question");
        assert!(asks_the_same("我的包裹在哪里？", "我的包裹在哪里"));
        assert!(!asks_the_same("我的包裹在哪里？", "怎么退货呢"));
    }

    #[test]
    fn people_are_there_by_the_clock_on_their_wall() {
        let mut week = [Some((540, 1020)); 7];
        week[5] = None;
        week[6] = None;
        let schedule = Schedule { zone: "Europe/Berlin".to_owned(), week };
        assert!(schedule.fits());
        // 2026-11-23 is a Monday; Berlin is one hour ahead of UTC then, two in summer.
        let monday = 1_795_392_000_000;
        let hour = 3_600_000;
        assert!(!schedule.is_open(monday + 8 * hour - 60_000));
        assert!(schedule.is_open(monday + 8 * hour));
        assert!(schedule.is_open(monday + 16 * hour - 60_000));
        assert!(!schedule.is_open(monday + 16 * hour));
        assert!(!schedule.is_open(monday + 5 * 24 * hour + 10 * hour), "a Saturday");
        let summer = 1_783_296_000_000;
        assert!(schedule.is_open(summer + 7 * hour) && !schedule.is_open(summer + 15 * hour));
        assert!(!Schedule { zone: "Mars/Olympus".to_owned(), week }.fits());
        assert!(Schedule { zone: "Mars/Olympus".to_owned(), week }.is_open(monday));
        let wrong = |span| Schedule { zone: "UTC".to_owned(), week: [Some(span); 7] };
        assert!(!wrong((540, 540)).fits() && !wrong((0, 1441)).fits() && wrong((0, 1440)).fits());
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        assert!(Rules::default().fits() && Rules::OFF.fits());
        assert!(!Rules { repeated: Some(1), ..Rules::OFF }.fits());
        assert!(!Rules { mood: Some(0), ..Rules::OFF }.fits());
        assert!(!Rules { model: Some(100), ..Rules::OFF }.fits());
    }
}
