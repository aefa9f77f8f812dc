//! The words by which questions and answers are compared.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

/// Words of three letters and more, lower-case; single characters where a script writes no spaces.
pub(super) fn words(text: &str) -> HashSet<String> {
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
