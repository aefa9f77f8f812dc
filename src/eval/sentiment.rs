//! Does the tool hear what a customer thinks? Three classes, every one with precision, recall and F1.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::counts::Confusion;
use super::suite::{Contest, Judged, Measure, Suite};
use super::tally::{Tally, sum};
use super::workers::Cast;
use crate::domain::run::{Direction, Labelled, Row};
use crate::tools::{LABELS, Label, SentimentItem, ToolError};

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
                anyhow::anyhow!("{}: label {label:?}: use one of {}", row.id, LABELS.join(", "))
            })?;
            asked.push(Asked { group: row.group.clone(), text: text.clone(), truth });
        }
        Ok(Self { rows: asked, cast })
    }

    fn tally(row: &Asked, said: Option<usize>) -> Tally {
        Tally::new(&row.group, Confusion::one(LABELS.len(), row.truth, said))
    }
}

fn position(label: Label) -> Option<usize> {
    Label::ALL.iter().position(|one| *one == label)
}

impl Suite for Sentiment {
    fn measures(&self) -> Vec<Measure> {
        let measure =
            |name, formula| Measure { suite: "sentiment", name, direction: Direction::Higher, formula };
        vec![
            measure("F1, mean of the classes weighted by support", Confusion::weighted_f1),
            measure("F1, plain mean of the classes (macro)", Confusion::macro_f1),
            measure("accuracy", Confusion::accuracy),
        ]
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Always the commonest label.
    fn trivial(&self) -> Option<Vec<Tally>> {
        let count = |class: &usize| self.rows.iter().filter(|row| row.truth == *class).count();
        let commonest = (0..LABELS.len()).max_by_key(count)?;
        Some(self.rows.iter().map(|row| Self::tally(row, Some(commonest))).collect())
    }

    fn judge<'a>(&'a self, judged: Judged<'a>) -> BoxFuture<'a, anyhow::Result<Vec<Tally>>> {
        Box::pin(async move {
            let tools = self.cast.tools(judged.adapter);
            let mut tallies = Vec::with_capacity(self.rows.len());
            for (n, row) in self.rows.iter().enumerate() {
                let item = SentimentItem { text: row.text.clone(), ..SentimentItem::default() };
                let said = match tools.sentiment(&item).await {
                    Ok(found) => position(found.label),
                    // A text the tool refuses is a wrong answer; a model that fails ends it all.
                    Err(ToolError::Item { .. }) => None,
                    Err(fault) => return Err(fault.into()),
                };
                tallies.push(Self::tally(row, said));
                (judged.done)(n + 1);
            }
            Ok(tallies)
        })
    }

    fn details(&self, contest: &Contest) -> Value {
        let classes = |tallies: &Option<Vec<Tally>>| {
            let counts = sum(tallies.as_ref()?);
            let classes = Confusion::per_class(&counts);
            let named = LABELS.iter().zip(classes).map(|(label, prf)| ((*label).to_owned(), json!(prf)));
            Some(Value::Object(named.collect()))
        };
        json!({
            "trivial": classes(&contest.trivial),
            "base": classes(&contest.base),
            "adapter": classes(&contest.adapter),
        })
    }
}
