//! Which groups of rows are for training, for choosing and for the verdict.
//!
//! A group's place depends on nothing but the seed and its name: adding rows moves nobody else, as long as no part would be
//! empty. A part that is asked for and would be empty takes the group that stands next.

use std::collections::HashMap;

use super::hash64;
use crate::domain::recipe::DataRecipe;
use crate::domain::run::Part;

/// The place of a group, from 0 to below 1 on a scale of 2^64.
pub fn place(seed: u64, group: &str) -> u64 {
    hash64(&[b"split", &seed.to_le_bytes(), group.as_bytes()])
}

/// The part of every place.
#[derive(Clone, Debug)]
pub struct Split(HashMap<u64, Part>);

impl Split {
    /// From the places of all groups (repeats do not matter).
    pub fn new(mut places: Vec<u64>, data: &DataRecipe) -> Self {
        places.sort_unstable();
        places.dedup();
        let below = |share: f64| places.partition_point(|p| (*p as f64) < share * (u64::MAX as f64));
        // With fewer than three groups there is nothing to part.
        let at_least = |share: f64| usize::from(share > 0.0 && places.len() >= 3);
        let test = below(data.test).max(at_least(data.test));
        let dev = below(data.test + data.dev).saturating_sub(test).max(at_least(data.dev));
        let test = test.min(places.len().saturating_sub(1 + at_least(data.dev)));
        let dev = dev.min(places.len().saturating_sub(1 + test));
        let part = |n: usize| match n {
            n if n < test => Part::Test,
            n if n < test + dev => Part::Dev,
            _ => Part::Train,
        };
        Self(places.iter().enumerate().map(|(n, place)| (*place, part(n))).collect())
    }

    pub fn part(&self, place: u64) -> Part {
        self.0.get(&place).copied().unwrap_or(Part::Train)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(groups: usize, dev: f64, test: f64) -> Vec<Part> {
        let places: Vec<u64> = (0..groups).map(|n| place(7, &format!("g{n}"))).collect();
        let split = Split::new(places.clone(), &DataRecipe { dev, test, ..DataRecipe::default() });
        places.into_iter().map(|p| split.part(p)).collect()
    }

    fn count(parts: &[Part], part: Part) -> usize {
        parts.iter().filter(|p| **p == part).count()
    }

    #[test]
    fn shares_are_kept_and_more_rows_move_nobody() {
        let many = split(10_000, 0.1, 0.2);
        assert!((count(&many, Part::Dev) as f64 / 1000.0 - 1.0).abs() < 0.1);
        assert!((count(&many, Part::Test) as f64 / 2000.0 - 1.0).abs() < 0.1);
        assert_eq!(split(9_000, 0.1, 0.2)[..], many[..9_000]);
    }

    #[test]
    fn few_groups_still_make_the_parts_that_are_asked_for() {
        for groups in 3..12 {
            let parts = split(groups, 0.05, 0.05);
            assert!(count(&parts, Part::Dev) >= 1 && count(&parts, Part::Test) >= 1, "{parts:?}");
            assert!(count(&parts, Part::Train) >= 1, "{parts:?}");
        }
        assert_eq!(split(2, 0.1, 0.1), [Part::Train; 2]);
        assert_eq!(split(5, 0.0, 0.0), [Part::Train; 5]);
    }
}
