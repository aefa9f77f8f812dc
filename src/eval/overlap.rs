//! How much of a reference is in an answer: words, their order, and facts.

use std::collections::{BTreeSet, HashMap};

use super::tally::ratio;

/// Words without case and punctuation, as SQuAD's evaluation makes them (articles are kept: other languages have others).
pub fn words(text: &str) -> Vec<String> {
    let plain: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    plain.split_whitespace().map(str::to_owned).collect()
}

/// F1 of the words of `answer` against those of `reference`, each counted as often as it occurs (SQuAD, Rajpurkar et al. 2016).
pub fn token_f1(reference: &str, answer: &str) -> f64 {
    let (wanted, said) = (words(reference), words(answer));
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &wanted {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in &said {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    ratio(2.0 * f64::from(common), (wanted.len() + said.len()) as f64)
}

/// F1 of the longest common subsequence of words (ROUGE-L with equal weights, Lin 2004).
pub fn rouge_l(reference: &str, answer: &str) -> f64 {
    let (wanted, said) = (words(reference), words(answer));
    // One row of the table: lengths for the words of `said` up to here.
    let mut row = vec![0usize; said.len() + 1];
    for word in &wanted {
        let mut corner = 0;
        for (n, other) in said.iter().enumerate() {
            let above = row[n + 1];
            row[n + 1] = if word == other { corner + 1 } else { above.max(row[n]) };
            corner = above;
        }
    }
    let common = row.last().copied().unwrap_or(0);
    ratio(2.0 * common as f64, (wanted.len() + said.len()) as f64)
}

/// What a wrong answer would get wrong: every word of `reference` with a digit (amounts, dates, order numbers), and every
/// one of `names` that it mentions.
pub fn facts(reference: &str, names: &[String]) -> BTreeSet<String> {
    let mut facts: BTreeSet<String> = numbers(reference).collect();
    let spaced = format!(" {} ", words(reference).join(" "));
    for name in names {
        let name = words(name).join(" ");
        if !name.is_empty() && spaced.contains(&format!(" {name} ")) {
            facts.insert(name);
        }
    }
    facts
}

/// How many of `facts` are in `answer`.
pub fn facts_in(facts: &BTreeSet<String>, answer: &str) -> usize {
    let said: BTreeSet<String> = numbers(answer).collect();
    let spaced = format!(" {} ", words(answer).join(" "));
    facts.iter().filter(|fact| said.contains(*fact) || spaced.contains(&format!(" {fact} "))).count()
}

/// Words with a digit, written the same whatever their currency sign and commas: `$1,299.00` is `1299`.
fn numbers(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | ',' | ':' | '-' | '/')))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| word.chars().any(|c| c.is_ascii_digit()))
        .map(|word| plain_amount(&word).unwrap_or(word))
}

/// An amount without separators of thousands and without cents that are zero; `None` if it is something else.
fn plain_amount(word: &str) -> Option<String> {
    let bare = word.replace(',', "");
    let (whole, cents) = bare.split_once('.').unwrap_or((&bare, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(cents) {
        return None;
    }
    let cents = cents.trim_end_matches('0');
    Some(if cents.is_empty() { whole.to_owned() } else { format!("{whole}.{cents}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overlap_by_hand() {
        // Common words: the, cat, on, mat (4); 6 and 5 words.
        let (reference, answer) = ("The cat sat on the mat.", "A cat on the mat");
        assert!((token_f1(reference, answer) - 8.0 / 11.0).abs() < 1e-12);
        // The longest common subsequence: cat on the mat.
        assert!((rouge_l(reference, answer) - 8.0 / 11.0).abs() < 1e-12);
        // The same words backwards: only one can be in order.
        assert!((rouge_l("a b c", "c b a") - 2.0 / 6.0).abs() < 1e-12);
        assert!((token_f1("a b c", "c b a") - 1.0).abs() < 1e-12);
        // A word said twice counts once.
        assert!((token_f1("yes", "yes yes") - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((token_f1("", "x"), rouge_l("", "")), (0.0, 0.0));
    }

    #[test]
    fn facts_are_amounts_numbers_and_names() {
        let names = ["Trail Runner".to_owned(), "Mug".to_owned()];
        let reference = "The Trail Runner costs $1,299.00; order #W2378156 arrives by 2026-11-24, 3 days.";
        let found = facts(reference, &names);
        let expected = ["1299", "2026-11-24", "3", "trail runner", "w2378156"].map(str::to_owned);
        assert_eq!(found, BTreeSet::from(expected));
        assert_eq!(facts_in(&found, "Your trail-runner is 1299 EUR, on 2026-11-24."), 3);
        assert_eq!(facts_in(&found, "It is 12990, in 33 days, W237815."), 0);
        assert!(facts("Mugs are nice", &names).is_empty());
    }

    proptest! {
        #[test]
        fn an_answer_equal_to_its_reference_is_perfect(text in "[a-z0-9]{1,6}( [a-z0-9]{1,6}){0,12}") {
            prop_assert!((token_f1(&text, &text) - 1.0).abs() < 1e-12);
            prop_assert!((rouge_l(&text, &text) - 1.0).abs() < 1e-12);
            let facts = facts(&text, &[]);
            prop_assert_eq!(facts_in(&facts, &text), facts.len());
        }

        #[test]
        fn order_can_only_cost(one in "[ab ]{0,12}", other in "[ab ]{0,12}") {
            prop_assert!(rouge_l(&one, &other) <= token_f1(&one, &other) + 1e-12);
        }
    }
}
