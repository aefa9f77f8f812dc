//! No pair is made twice, in one text or over many.
//!
//! Two pairs are the same if their questions are alike and they are about the same subject, or answer alike: "Is it waterproof?" may
//! be asked of two products, but not twice of one.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};

use super::words::words;

/// Two texts with this share of words in common (Jaccard) are alike.
const ALIKE: f64 = 0.7;
/// As many of the newest pairs are compared word by word; all others only as a whole, by two keys of 8 bytes.
const NEAR: usize = 2000;

/// The pairs that were made so far.
#[derive(Debug, Default)]
pub struct Seen {
    whole: HashSet<u64>,
    newest: VecDeque<Known>,
}

#[derive(Debug, PartialEq)]
struct Known {
    subject: String,
    question: HashSet<String>,
    answer: HashSet<String>,
}

impl Seen {
    /// False for a pair like one before; a new one is known from now on. `subject`: what it is about, if that was said.
    pub fn is_new(&mut self, question: &str, answer: &str, subject: Option<&str>) -> bool {
        let one = Known {
            subject: subject.unwrap_or_default().trim().to_lowercase(),
            question: words(question),
            answer: words(answer),
        };
        let keys = one.keys();
        if keys.iter().any(|key| self.whole.contains(key))
            || self.newest.iter().any(|known| one.is_like(known))
        {
            return false;
        }
        self.whole.extend(keys);
        if self.newest.len() == NEAR {
            self.newest.pop_front();
        }
        self.newest.push_back(one);
        true
    }
}

impl Known {
    fn is_like(&self, other: &Self) -> bool {
        overlap(&self.question, &other.question) >= ALIKE
            && (self.subject == other.subject || overlap(&self.answer, &other.answer) >= ALIKE)
    }

    /// Of the question with its subject, and of the question with its answer.
    fn keys(&self) -> [u64; 2] {
        let sorted = |words: &HashSet<String>| {
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.sort_unstable();
            words.join(" ")
        };
        let question = sorted(&self.question);
        [key("subject", &question, &self.subject), key("answer", &question, &sorted(&self.answer))]
    }
}

fn key(kind: &str, question: &str, with: &str) -> u64 {
    let sum = Sha256::digest(format!("{kind}\n{question}\n{with}"));
    sum.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
}

fn overlap(a: &HashSet<String>, b: &HashSet<String>) -> f64 {
    let both = a.intersection(b).count() as f64;
    let either = a.union(b).count() as f64;
    if either == 0.0 { 1.0 } else { both / either }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_is_asked_once_of_each_subject() {
        let mut seen = Seen::default();
        let mut is_new = |question, answer, subject| seen.is_new(question, answer, subject);
        assert!(is_new("Is it waterproof?", "Yes, the membrane keeps water out.", Some("Boot")));
        assert!(!is_new("Is it waterproof?", "Another sentence altogether.", Some(" boot ")));
        assert!(!is_new("is it WATERPROOF ?", "Another sentence altogether.", Some("Boot")));
        assert!(is_new("Is it waterproof?", "No, it is made for dry days.", Some("Shoe")));
        assert!(
            !is_new("Is it waterproof?", "Yes, the membrane keeps all water out.", Some("Jacket")),
            "whose answer is the same, too"
        );
        assert!(is_new("Are returns free?", "Returns are free for 30 days.", None));
        assert!(!is_new("Are all returns free?", "You pay nothing.", None));
    }

    #[test]
    fn what_is_long_ago_is_still_known_as_a_whole() {
        let mut seen = Seen::default();
        assert!(seen.is_new("Are returns free of charge?", "Returns are free.", None));
        for n in 0..NEAR {
            assert!(seen.is_new(&format!("Where is shelf number{n}?"), &format!("answer{n} x"), None), "{n}");
        }
        assert!(!seen.is_new("Free of charge are returns?", "Whatever.", None));
        assert!(seen.is_new("Are returns free of charge today?", "Whatever.", None), "word by word no more");
        assert_eq!(seen.newest.len(), NEAR);
    }
}
