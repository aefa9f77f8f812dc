//! Does the tool hear what a customer thinks? Three classes, every one with precision, recall and F1; and whether its
//! probabilities are what they say.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::counts::{Confusion, Prf};
use super::suite::{Contest, Judged, Measure, Suite};
use super::sureness;
use super::tally::{Tally, sum};
use super::workers::Cast;
use crate::domain::run::{Direction, Labelled, Row};
use crate::domain::text::quoted;
use crate::tools::{self, LABELS, Label, SentimentItem};

/// Labelled texts, judged by the tool as it serves.
pub struct Sentiment {
    rows: Vec<Asked>,
    cast: Cast,
}

struct Asked {
    group: String,
    text: String,
    truth: usize,
}

impl Sentiment {
    /// The rows among `rows` that are labelled with a sentiment.
    ///
    /// # Errors
    /// A label that is none of the tool's.
    pub fn new(rows: &[Row], cast: Cast) -> anyhow::Result<Self> {
        let mut asked = Vec::new();
        for row in rows {
            let Some(Labelled::Sentiment { text, label }) = &row.labelled else { continue };
            let truth = LABELS.iter().position(|known| known == label);
            let truth = truth.ok_or_else(|| {
                anyhow::anyhow!("{}: label {}: use one of {}", row.id, quoted(label), LABELS.join(", "))
            })?;
            asked.push(Asked { group: row.group.clone(), text: text.clone(), truth });
        }
        Ok(Self { rows: asked, cast })
    }

    /// `said`: the label, and the probabilities of all; `None` if there is no answer that can be read.
    fn tally(row: &Asked, said: Option<(usize, &[f64])>) -> Tally {
        let mut counts = Confusion::one(LABELS.len(), row.truth, said.map(|(label, _)| label));
        counts.extend(sureness::one(row.truth, said.map(|(_, probabilities)| probabilities)));
        Tally::new(&row.group, counts)
    }
}

/// Counts of the confusion matrix; those of the sureness come after them.
const MATRIX: usize = LABELS.len() * (LABELS.len() + 1);

fn matrix(counts: &[f64]) -> &[f64] {
    counts.get(..MATRIX).unwrap_or_default()
}

fn sure(counts: &[f64]) -> &[f64] {
    counts.get(MATRIX..).unwrap_or_default()
}

fn weighted(counts: &[f64]) -> Prf {
    Confusion::weighted_mean(matrix(counts))
}

fn plain(counts: &[f64]) -> Prf {
    Confusion::macro_mean(matrix(counts))
}

fn accuracy(counts: &[f64]) -> f64 {
    Confusion::accuracy(matrix(counts))
}

fn ece(counts: &[f64]) -> f64 {
    sureness::ece(sure(counts))
}

fn brier(counts: &[f64]) -> f64 {
    sureness::brier(sure(counts))
}

fn said(found: &tools::Sentiment) -> Option<(usize, [f64; LABELS.len()])> {
    let label = Label::ALL.iter().position(|one| *one == found.label)?;
    Some((label, Label::ALL.map(|label| f64::from(found.scores.get(label)))))
}

impl Suite for Sentiment {
    fn measures(&self) -> Vec<Measure> {
        let measure = |name, direction, formula| Measure { suite: "sentiment", name, direction, formula };
        let higher = |name, formula| measure(name, Direction::Higher, formula);
        vec![
            higher("F1, mean of the classes weighted by support", |counts| weighted(counts).f1),
            higher("precision, mean of the classes weighted by support", |counts| weighted(counts).precision),
            higher("recall, mean of the classes weighted by support", |counts| weighted(counts).recall),
            higher("F1, plain mean of the classes (macro)", |counts| plain(counts).f1),
            higher("precision, plain mean of the classes (macro)", |counts| plain(counts).precision),
            higher("recall, plain mean of the classes (macro)", |counts| plain(counts).recall),
            higher("accuracy", accuracy),
            measure("expected calibration error (10 bins)", Direction::Lower, ece),
            measure("Brier score (sum over the classes, 0 to 2)", Direction::Lower, brier),
        ]
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Always the commonest label, with the shares of the labels as probabilities.
    fn trivial(&self) -> Option<Vec<Tally>> {
        let count = |class: &usize| self.rows.iter().filter(|row| row.truth == *class).count();
        let commonest = (0..LABELS.len()).max_by_key(count)?;
        let shares: Vec<f64> =
            (0..LABELS.len()).map(|class| count(&class) as f64 / self.rows.len().max(1) as f64).collect();
        Some(self.rows.iter().map(|row| Self::tally(row, Some((commonest, &shares)))).collect())
    }

    fn judge<'a>(&'a self, judged: Judged<'a>) -> BoxFuture<'a, anyhow::Result<Vec<Tally>>> {
        Box::pin(async move {
            let tools = self.cast.tools(judged.adapter);
            let mut tallies = Vec::with_capacity(self.rows.len());
            for (n, row) in self.rows.iter().enumerate() {
                let item = SentimentItem { text: row.text.clone(), ..SentimentItem::default() };
                let said = match tools.sentiment(&item).await {
                    Ok(found) => said(&found),
                    // A text the tool refuses is a wrong answer; a model that fails ends it all.
                    Err(fault) if fault.is_of_item() => None,
                    Err(fault) => return Err(fault.into()),
                };
                tallies.push(Self::tally(row, said.as_ref().map(|(label, sure)| (*label, sure.as_slice()))));
                (judged.done)(n + 1);
            }
            Ok(tallies)
        })
    }

    fn details(&self, contest: &Contest) -> Value {
        let classes = |tallies: &Option<Vec<Tally>>| {
            let counts = sum(tallies.as_ref()?);
            let classes = Confusion::per_class(matrix(&counts));
            let named = LABELS.iter().zip(classes).map(|(label, prf)| ((*label).to_owned(), json!(prf)));
            let mut all: serde_json::Map<String, Value> = named.collect();
            let of_bin =
                |[sure, right, answers]: [f64; 3]| json!({"sure": sure, "right": right, "answers": answers});
            all.insert("bins".to_owned(), sureness::bins(sure(&counts)).into_iter().map(of_bin).collect());
            Some(Value::Object(all))
        };
        json!({
            "trivial": classes(&contest.trivial),
            "base": classes(&contest.base),
            "current": classes(&contest.current),
            "adapter": classes(&contest.adapter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::scores;
    use super::*;

    fn suite(truths: &[usize]) -> Vec<Asked> {
        let asked =
            |(n, truth): (usize, &usize)| Asked { group: n.to_string(), text: "x".to_owned(), truth: *truth };
        truths.iter().enumerate().map(asked).collect()
    }

    #[test]
    fn the_decision_and_the_probabilities_are_scored_apart() {
        let rows = suite(&[0, 0, 0, 1]);
        // It says neutral where that is not the most probable, and is right to.
        let said = |row: &Asked| match row.truth {
            1 => (1, [0.5, 0.4, 0.1]),
            _ => (0, [0.75, 0.2, 0.05]),
        };
        let tallies: Vec<Tally> = rows
            .iter()
            .map(|row| {
                let (label, sure) = said(row);
                Sentiment::tally(row, Some((label, &sure)))
            })
            .collect();
        let counts = sum(&tallies);
        assert_eq!((accuracy(&counts), weighted(&counts).f1), (1.0, 1.0));
        // Three at .75, all right; one at .5, wrong.
        assert!((ece(&counts) - (3.0 * 0.25 + 0.5) / 4.0).abs() < 1e-12);
        let brier_by_hand = (3.0 * (0.0625 + 0.04 + 0.0025) + 0.25 + 0.36 + 0.01) / 4.0;
        assert!((brier(&counts) - brier_by_hand).abs() < 1e-12);
        assert_eq!(accuracy(&sum(&[Sentiment::tally(&rows[0], None)])), 0.0, "what cannot be read is wrong");
    }

    #[test]
    fn the_trivial_answer_is_calibrated_and_the_first_measure_is_the_gates() {
        let tools = crate::tools::Toolbox::new(crate::tools::Parts {
            model: std::sync::Arc::new(crate::model::Scripted::default()),
            workers: crate::tools::Workers::Only { adapter: None, calibration: None },
            prompts: crate::prompt::ToolPrompts::load(&crate::prompt::Settings::default()).expect("loads"),
            settings: crate::tools::Settings::default(),
            busy: None,
        });
        let suite = Sentiment { rows: suite(&[0, 0, 0, 1]), cast: Cast::new(tools, None) };
        let contest = Contest { trivial: suite.trivial(), ..Contest::default() };
        let lines = scores(&suite, &contest);
        let value = |n: usize| lines[n].trivial.expect("a score").value;
        assert!(lines[0].measure.starts_with("F1") && (value(6) - 0.75).abs() < 1e-12);
        assert!((value(1) - 0.5625).abs() < 1e-12 && (value(2) - 0.75).abs() < 1e-12);
        assert!((value(4) - 0.25).abs() < 1e-12 && (value(5) - 1.0 / 3.0).abs() < 1e-12);
        assert!(value(7) < 1e-12 && (value(8) - 0.375).abs() < 1e-12, "{} {}", value(7), value(8));
    }
}
