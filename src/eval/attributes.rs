//! Does the tool find a product's attributes? Exact values, counted as ExtractGPT does.
//!
//! An answer that cannot be read finds nothing. It costs recall where there is something to find, and is neutral where there is
//! not, as an empty answer is; `unparsable` in the details counts such answers.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::counts::Extraction;
use super::suite::{Contest, Judged, Measure, Suite};
use super::tally::{Tally, sum};
use super::workers::Cast;
use crate::domain::run::{Direction, Labelled, Row};
use crate::tools::ExtractItem;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// All attributes of the row's category, as published results have it. Only those the row names are counted.
    #[default]
    Category,
    /// The attributes the row names.
    Own,
}

/// Product texts with the attributes people found in them.
pub struct Attributes {
    rows: Vec<Asked>,
    cast: Cast,
}

struct Asked {
    group: String,
    item: ExtractItem,
    /// Of each attribute that counts, the values that are right; none if the text does not have it.
    truth: Vec<(String, Vec<String>)>,
}

impl Attributes {
    /// The rows among `rows` that are labelled with attributes. `list` gives the attributes of a category.
    pub fn new(rows: &[Row], ask: Ask, list: &dyn Fn(&str) -> Vec<String>, cast: Cast) -> Self {
        let asked = |row: &Row| {
            let Some(Labelled::Attributes { text, category, values }) = &row.labelled else { return None };
            let known = list(category);
            let own = |name: &String| values.iter().any(|(n, _)| n == name);
            let mut names: Vec<String> =
                known.iter().filter(|name| ask == Ask::Category || own(name)).cloned().collect();
            names.extend(values.iter().map(|(name, _)| name).filter(|name| !known.contains(name)).cloned());
            let category = Some(category.clone()).filter(|category| !category.is_empty());
            let item = ExtractItem { text: text.clone(), category, attributes: names };
            Some(Asked { group: row.group.clone(), item, truth: values.clone() })
        };
        Self { rows: rows.iter().filter_map(asked).collect(), cast }
    }

    fn tally<'a>(row: &Asked, said: impl Fn(&str) -> Option<&'a str>) -> Tally {
        let mut counts = [0.0; 4];
        for (name, right) in &row.truth {
            let said = said(name).map(str::trim);
            let truth = right
                .iter()
                .map(|value| value.trim())
                .find(|value| said == Some(value))
                .or(right.first().map(|value| value.trim()));
            for (sum, one) in counts.iter_mut().zip(Extraction::one(truth, said)) {
                *sum += one;
            }
        }
        Tally::new(&row.group, counts)
    }
}

fn precision(counts: &[f64]) -> f64 {
    Extraction::scores(counts).precision
}

fn recall(counts: &[f64]) -> f64 {
    Extraction::scores(counts).recall
}

impl Suite for Attributes {
    fn measures(&self) -> Vec<Measure> {
        let measure =
            |name, formula| Measure { suite: "attributes", name, direction: Direction::Higher, formula };
        vec![
            measure("F1 of exact values (micro)", Extraction::micro_f1),
            measure("precision of exact values (micro)", precision),
            measure("recall of exact values (micro)", recall),
        ]
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A dictionary: of the values that other rows give this attribute in this category, the commonest one in the text.
    fn trivial(&self) -> Option<Vec<Tally>> {
        let mut book: HashMap<(&str, &str), HashMap<&str, usize>> = HashMap::new();
        fn of(row: &Asked) -> &str {
            row.item.category.as_deref().unwrap_or_default()
        }
        for row in &self.rows {
            for (name, right) in &row.truth {
                for value in right {
                    *book.entry((of(row), name)).or_default().entry(value).or_default() += 1;
                }
            }
        }
        let look = |row: &Asked| {
            Self::tally(row, |name| {
                let own = row.truth.iter().find(|(n, _)| n == name).map(|(_, right)| right);
                let values = book.get(&(of(row), name))?;
                let elsewhere = |value: &&str, count: usize| {
                    count - usize::from(own.is_some_and(|own| own.iter().any(|v| v == value)))
                };
                values
                    .iter()
                    .map(|(value, count)| (elsewhere(value, *count), *value))
                    .filter(|(count, value)| *count > 0 && row.item.text.contains(value))
                    .max()
                    .map(|(_, value)| value)
            })
        };
        Some(self.rows.iter().map(look).collect())
    }

    fn judge<'a>(&'a self, judged: Judged<'a>) -> BoxFuture<'a, anyhow::Result<Vec<Tally>>> {
        Box::pin(async move {
            let tools = self.cast.tools(judged.adapter);
            let mut tallies = Vec::with_capacity(self.rows.len());
            for (n, row) in self.rows.iter().enumerate() {
                // What is refused or cannot be read is an answer without anything in it: all that is in the text counts as
                // missed, which costs recall. Precision stays, nothing was said; and where nothing is to be found it costs
                // nothing. How many there were is in the details.
                let (found, read) = match tools.extract(&row.item).await {
                    Ok(found) => (found.attributes, !found.unparsable),
                    Err(fault) if fault.is_of_item() => (Vec::new(), false),
                    Err(fault) => return Err(fault.into()),
                };
                let mut tally = Self::tally(row, |name| {
                    found.iter().find(|attribute| attribute.name == name).map(|a| a.value.as_str())
                });
                tally.counts.push(f64::from(u8::from(!read)));
                tallies.push(tally);
                (judged.done)(n + 1);
            }
            Ok(tallies)
        })
    }

    fn details(&self, contest: &Contest) -> Value {
        let of = |tallies: &Option<Vec<Tally>>| {
            let counts = sum(tallies.as_ref()?);
            let [right, invented, missed, wrong, unparsable] =
                [0, 1, 2, 3, 4].map(|n| counts.get(n).copied().unwrap_or(0.0));
            let scores = Extraction::scores(&counts);
            Some(json!({
                "right": right, "invented": invented, "missed": missed, "wrong": wrong, "micro": scores,
                "unparsable": unparsable,
            }))
        };
        let categories = by_category(&self.rows, contest);
        json!({
            "trivial": of(&contest.trivial), "base": of(&contest.base), "adapter": of(&contest.adapter),
            "categories": categories,
        })
    }
}

/// Micro-F1 of every category, for whoever was asked last.
fn by_category(rows: &[Asked], contest: &Contest) -> Value {
    let Some(tallies) = contest.adapter.as_ref().or(contest.base.as_ref()) else { return Value::Null };
    let mut all: std::collections::BTreeMap<&str, Vec<Tally>> = std::collections::BTreeMap::new();
    for (row, tally) in rows.iter().zip(tallies) {
        all.entry(row.item.category.as_deref().unwrap_or_default()).or_default().push(tally.clone());
    }
    all.into_iter()
        .map(|(category, tallies)| (category.to_owned(), json!(Extraction::micro_f1(&sum(&tallies)))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Scripted;
    use crate::prompt::{Settings, ToolPrompts};
    use crate::tools::{self, Toolbox, Workers};

    fn suite(ask: Ask) -> Attributes {
        let row = |id: &str, text: &str, values: &[(&str, &[&str])]| {
            let values = values
                .iter()
                .map(|(name, right)| ((*name).to_owned(), right.iter().map(|v| (*v).to_owned()).collect()))
                .collect();
            let labelled =
                Labelled::Attributes { text: text.to_owned(), category: "Shoes".to_owned(), values };
            Row {
                id: id.to_owned(),
                group: id.to_owned(),
                body: crate::domain::run::RowBody::Messages(Vec::new()),
                lineage: Vec::new(),
                labelled: Some(labelled),
            }
        };
        let rows = [
            row("a", "Crocs Jayna, Navy", &[("Brand", &["Crocs"]), ("Color", &["Navy", "Navy Blue"])]),
            row("b", "Crocs Tina, Red", &[("Brand", &["Crocs"]), ("Lace", &[])]),
        ];
        let tools = Toolbox::new(tools::Parts {
            model: Arc::new(Scripted::default()),
            workers: Workers::Only { adapter: None, calibration: None },
            prompts: ToolPrompts::load(&Settings::default()).unwrap(),
            settings: tools::Settings::default(),
            busy: None,
        });
        let list = |_: &str| vec!["Brand".to_owned(), "Size".to_owned(), "Color".to_owned()];
        Attributes::new(&rows, ask, &list, Cast::new(tools, None))
    }

    #[test]
    fn what_is_asked_and_what_counts() {
        let names = |ask| suite(ask).rows.into_iter().map(|row| row.item.attributes).collect::<Vec<_>>();
        assert_eq!(names(Ask::Category)[1], ["Brand", "Size", "Color", "Lace"]);
        assert_eq!(names(Ask::Own)[0], ["Brand", "Color"]);
        let suite = suite(Ask::Category);
        let count = |n: usize, said: &[(&str, &'static str)]| {
            Attributes::tally(&suite.rows[n], |name| said.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
                .counts
        };
        // Any of the right values is right; a size nobody looked for is not counted.
        assert_eq!(
            count(0, &[("Brand", "Crocs "), ("Color", "Navy Blue"), ("Size", "9")]),
            [2.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(count(0, &[("Color", "Red")]), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(count(1, &[("Lace", "Red")]), [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(count(1, &[]), [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_dictionary_knows_only_what_other_rows_say() {
        // The brand is that of the other row; nobody else has a color.
        let trivial = suite(Ask::Category).trivial().unwrap();
        assert_eq!(trivial[0].counts, [1.0, 0.0, 1.0, 0.0]);
        assert_eq!(trivial[1].counts, [1.0, 0.0, 0.0, 0.0]);
    }
}
