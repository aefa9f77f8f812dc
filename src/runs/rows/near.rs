//! Which candidates are kept: each question and answer once, and not too much of one shopper.
//!
//! Two candidates are near if the sets of their five-letter shingles overlap by nine tenths (Jaccard). Near pairs are found by
//! MinHash (Broder 1997) with locality-sensitive bands: 32 bands of 4 of 128 hashes miss a pair at 0.9 once in 10^14 times.
//! What the bands propose is compared exactly. All hashes have fixed seeds: the same store gives the same rows.

use std::collections::{HashMap, HashSet};

use super::dialogue::Candidate;
use super::report::{Reason, Report};
use crate::domain::recipe::TargetKind;

/// Letters of a shingle.
const SHINGLE: usize = 5;
const BANDS: usize = 32;
const ROWS: usize = 4;
/// From this overlap on, two candidates say the same.
const NEAR: f64 = 0.9;

/// Keeps the best of what is alike, at most `per_shopper` of one shopper (0: all), in the order of conversations.
pub(super) fn choose(
    mut candidates: Vec<Candidate>,
    per_shopper: usize,
    report: &mut Report,
) -> Vec<Candidate> {
    // Where one of several is kept: a correction before a message of staff before a liked reply, then the newest.
    candidates.sort_by_key(|c| (rank(c.kind), std::cmp::Reverse(c.at), c.conv, c.seq));
    let mut kept: Vec<Candidate> = Vec::new();
    let (mut exact, mut alike, mut shoppers) = (HashSet::new(), Alike::default(), HashMap::new());
    for candidate in candidates {
        let mut out = |reason| report.leave_out(reason, candidate.conv, Some(candidate.seq));
        let (question, answer) = (plain(&candidate.question), plain(&candidate.answer));
        let shingles = shingles(&question, &answer);
        let count = shoppers.entry(candidate.shopper).or_insert(0_usize);
        if exact.contains(&(question.clone(), answer.clone())) {
            out(Reason::Duplicate);
        } else if alike.has(&shingles) {
            out(Reason::NearDuplicate);
        } else if per_shopper > 0 && candidate.shopper.is_some() && *count >= per_shopper {
            out(Reason::ShopperCap);
        } else {
            *count += 1;
            exact.insert((question, answer));
            alike.add(shingles);
            kept.push(candidate);
        }
    }
    kept.sort_by_key(|c| (c.conv, c.seq));
    kept
}

fn rank(kind: TargetKind) -> u8 {
    match kind {
        TargetKind::Corrected => 0,
        TargetKind::Staff => 1,
        TargetKind::Liked => 2,
    }
}

/// Letters and digits in small letters, everything else one blank.
fn plain(text: &str) -> String {
    let small = text.to_lowercase();
    small.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Hashes of all stretches of [`SHINGLE`] letters, those of the question apart from those of the answer.
fn shingles(question: &str, answer: &str) -> HashSet<u64> {
    let mut all = HashSet::new();
    for (side, text) in [(1, question), (2, answer)] {
        let letters: Vec<char> = text.chars().collect();
        let windows: Vec<&[char]> =
            if letters.len() < SHINGLE { vec![&letters[..]] } else { letters.windows(SHINGLE).collect() };
        all.extend(
            windows
                .iter()
                .map(|window| window.iter().fold(mix(side), |sum, c| mix(sum ^ u64::from(*c as u32)))),
        );
    }
    all
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What was kept so far, to be asked for what is near.
#[derive(Default)]
struct Alike {
    sets: Vec<HashSet<u64>>,
    bands: HashMap<(usize, u64), Vec<usize>>,
}

impl Alike {
    fn has(&self, set: &HashSet<u64>) -> bool {
        let mut asked = HashSet::new();
        bands(set)
            .filter_map(|band| self.bands.get(&band))
            .flatten()
            .any(|other| asked.insert(*other) && jaccard(set, &self.sets[*other]) >= NEAR)
    }

    fn add(&mut self, set: HashSet<u64>) {
        for band in bands(&set) {
            self.bands.entry(band).or_default().push(self.sets.len());
        }
        self.sets.push(set);
    }
}

/// For each band its number and the hash of its smallest values.
fn bands(set: &HashSet<u64>) -> impl Iterator<Item = (usize, u64)> + '_ {
    (0..BANDS).map(|band| {
        let least =
            |row: usize| set.iter().map(|s| mix(s ^ mix((band * ROWS + row) as u64))).min().unwrap_or(0);
        (band, (0..ROWS).fold(0, |sum, row| mix(sum ^ least(row))))
    })
}

fn jaccard(a: &HashSet<u64>, b: &HashSet<u64>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_texts_are_near_and_others_are_not() {
        let of = |question: &str, answer: &str| shingles(&plain(question), &plain(answer));
        let long =
            "Your parcel left our warehouse this morning and reaches you in two or three working days.";
        let first = of("Where is my parcel?", long);
        let mut alike = Alike::default();
        alike.add(first.clone());
        assert!(alike.has(&of("where is my parcel", &long.to_uppercase())), "case and signs do not count");
        assert!(
            alike.has(&of("Where is my parcel?", &format!("{long} Ok."))),
            "{:.3}",
            jaccard(&first, &of("Where is my parcel?", &format!("{long} Ok.")))
        );
        assert!(!alike.has(&of("Where is my parcel?", "It was lost, we send another.")));
        assert!(!alike.has(&of("Can I still cancel?", long)), "another question is another row");
        assert!(!alike.has(&of("", "")));
    }

    #[test]
    fn short_and_chinese_texts_have_shingles_too() {
        assert_eq!(shingles("a", "b").len(), 2);
        assert!(jaccard(&shingles("退货", "三十天内可以退货"), &shingles("退货", "三十天内可以退货")) > 0.99);
    }
}
