//! What does the model say where a person said something else? Replies to held-out openings, judged on the facts and words of
//! the reference.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::material::{Item, Material, Whole};
use super::overlap::{facts, facts_in, rouge_l, token_f1};
use super::suite::{Contest, Judged, Measure, Suite};
use super::tally::{Tally, ratio, sum};
use crate::domain::run::Direction;
use crate::model::Opening;

/// The longest reply, in tokens.
const LONGEST: usize = 160;
/// Examples that go into the scorecard.
const SHOWN: usize = 5;

/// The last answer of each held-out row, asked for again.
pub struct Replies {
    asked: Vec<Asked>,
    /// Held-out rows whose opening leaves no room for a reply.
    too_long: usize,
    /// What was said last, for the examples of the scorecard.
    said: std::sync::Mutex<Vec<(Option<String>, usize, String)>>,
}

struct Asked {
    group: String,
    row: Arc<Whole>,
    opening: Vec<u32>,
    reference: String,
    facts: std::collections::BTreeSet<String>,
}

/// `[facts found, facts, token F1, ROUGE-L, replies]`
fn facts_found(counts: &[f64]) -> f64 {
    share(counts, 0, 1)
}

fn words_f1(counts: &[f64]) -> f64 {
    share(counts, 2, 4)
}

fn order_f1(counts: &[f64]) -> f64 {
    share(counts, 3, 4)
}

fn share(counts: &[f64], part: usize, whole: usize) -> f64 {
    let at = |n: usize| counts.get(n).copied().unwrap_or(0.0);
    ratio(at(part), at(whole))
}

impl Replies {
    /// At most `most` replies, of rows spread evenly over the held-out ones that leave room for one. `base` is the model's folder, and
    /// how many tokens it is served with; `names` are the shop's products: those a reference mentions are facts.
    ///
    /// # Errors
    /// A tokenizer that cannot be read.
    pub fn new(
        material: &Material,
        (base, context): (&Path, usize),
        most: usize,
        names: &[String],
    ) -> anyhow::Result<Self> {
        let tokenizer =
            Tokenizer::from_file(base.join("tokenizer.json")).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let fits = |item: &&Item| leaves_room(&item.example.targets, context);
        let fitting: Vec<&Item> = material.held_out.iter().filter(fits).collect();
        let rows = fitting.len();
        let taken = most.min(rows);
        let mut asked = Vec::with_capacity(taken);
        for n in 0..taken {
            let item = fitting[n * rows / taken];
            let Some((from, to)) = last_run(&item.example.targets) else { continue };
            let reference = tokenizer
                .decode(&item.example.ids[from..to], true)
                .map_err(|fault| anyhow::anyhow!("{fault}"))?
                .trim()
                .to_owned();
            if !reference.is_empty() {
                let opening = item.example.ids[..from].to_vec();
                asked.push(Asked {
                    group: item.group.clone(),
                    row: item.row.clone(),
                    opening,
                    facts: facts(&reference, names),
                    reference,
                });
            }
        }
        let too_long = material.held_out.len() - rows;
        Ok(Self { asked, too_long, said: std::sync::Mutex::default() })
    }

    fn tally(&self, n: usize, answer: &str) -> Tally {
        let asked = &self.asked[n];
        let found = facts_in(&asked.facts, answer) as f64;
        let (words, order) = (token_f1(&asked.reference, answer), rouge_l(&asked.reference, answer));
        Tally::new(&asked.group, [found, asked.facts.len() as f64, words, order, 1.0])
    }
}

/// The last stretch of positions that are learnt, as a range.
fn last_run(targets: &[bool]) -> Option<(usize, usize)> {
    let to = targets.iter().rposition(|learnt| *learnt)? + 1;
    let from = targets[..to].iter().rposition(|learnt| !learnt).map_or(0, |before| before + 1);
    (from > 0).then_some((from, to))
}

/// Whether a reply has room behind the opening. A row without one is not asked for any.
fn leaves_room(targets: &[bool], context: usize) -> bool {
    last_run(targets).is_none_or(|(from, _)| from + LONGEST <= context)
}

impl Suite for Replies {
    fn measures(&self) -> Vec<Measure> {
        let higher = |suite, name, formula| Measure { suite, name, direction: Direction::Higher, formula };
        let mut measures = vec![
            higher("reference_words", "token F1, mean of replies", words_f1),
            higher("reference_order", "ROUGE-L F1, mean of replies", order_f1),
        ];
        if self.asked.iter().any(|asked| !asked.facts.is_empty()) {
            measures.insert(0, higher("reference_facts", "share of the reference's facts", facts_found));
        }
        measures
    }

    fn rows(&self) -> usize {
        self.asked.len()
    }

    /// A reply that belongs to another conversation.
    fn trivial(&self) -> Option<Vec<Tally>> {
        let count = self.asked.len();
        (count > 1)
            .then(|| (0..count).map(|n| self.tally(n, &self.asked[(n + 1) % count].reference)).collect())
    }

    fn judge<'b>(&'b self, judged: Judged<'b>) -> BoxFuture<'b, anyhow::Result<Vec<Tally>>> {
        Box::pin(async move {
            let mut tallies = Vec::with_capacity(self.rows());
            for (n, asked) in self.asked.iter().enumerate() {
                let adapter = judged.adapter.map(str::to_owned);
                let opening =
                    Opening { ids: asked.opening.clone(), max_tokens: LONGEST, adapter: adapter.clone() };
                let answer = judged.model.go_on(opening).await?;
                tallies.push(self.tally(n, &answer));
                if let Ok(mut said) = self.said.lock() {
                    said.push((adapter, n, answer));
                }
                (judged.done)(n + 1);
            }
            Ok(tallies)
        })
    }

    fn details(&self, contest: &Contest) -> Value {
        let facts = contest.base.as_ref().map_or(0.0, |tallies| sum(tallies).get(1).copied().unwrap_or(0.0));
        let said = self.said.lock().map(|said| said.clone()).unwrap_or_default();
        let of = |adapter: bool, n: usize| {
            said.iter().rev().find(|(who, at, _)| who.is_some() == adapter && *at == n).map(|(.., text)| text)
        };
        let examples: Vec<Value> = (0..self.rows().min(SHOWN))
            .map(|n| {
                let Asked { row, reference, .. } = &self.asked[n];
                json!({
                    "question": row.question(reference),
                    "conversation": row.conversation,
                    "reference": reference,
                    "base": of(false, n),
                    "adapter": of(true, n),
                })
            })
            .collect();
        json!({"facts": facts, "too_long": self.too_long, "examples": examples})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_is_asked_for_again() {
        assert_eq!(last_run(&[false, true, true, false, true, true]), Some((4, 6)));
        assert_eq!(last_run(&[false, true, false]), Some((1, 2)));
        assert_eq!(last_run(&[false, false]), None);
        // Plain text has no opening.
        assert_eq!(last_run(&[true, true]), None);
    }

    #[test]
    fn an_opening_leaves_room_for_a_reply_or_is_left_out() {
        let row = |opening: usize| [vec![false; opening], vec![true; 3]].concat();
        assert!(leaves_room(&row(10), LONGEST + 10));
        assert!(!leaves_room(&row(11), LONGEST + 10));
        assert!(leaves_room(&[true, true], 1));
    }
}
