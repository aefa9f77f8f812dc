//! Rows that nobody trained on, as tokens: read with the trainer's own reader.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::domain::recipe::{DataRecipe, Recipe};
use crate::domain::run::{Part, Row, RowBody};
use crate::train::data::corpus::Corpus;
use crate::train::data::encode::Encoder;
use crate::train::data::prepare::{self, Place};
use crate::train::data::report::SourceReport;
use crate::train::data::task::Wording;
use crate::train::example::Example;

/// What is judged on.
pub struct Material {
    /// In the order of the rows.
    pub(super) held_out: Vec<Item>,
    /// How often each token is learnt in the part that was trained on; empty if that is not known.
    pub(super) learnt: HashMap<u32, u64>,
    pub(super) vocabulary: u64,
}

/// One example and the conversation it is of.
pub(super) struct Item {
    pub(super) group: String,
    pub(super) example: Example,
    pub(super) row: Arc<Whole>,
}

/// What is known of a row besides its tokens.
#[derive(Default)]
pub(super) struct Whole {
    group: String,
    /// Every answer that is learnt, with what was asked just before it.
    turns: Vec<(String, String)>,
    /// The conversation it comes from, if it is one of the shop's.
    pub(super) conversation: Option<String>,
}

impl Whole {
    fn of(row: &Row) -> Self {
        let mut turns = Vec::new();
        let mut asked = "";
        if let RowBody::Messages(messages) = &row.body {
            for message in messages {
                if message.role == "user" {
                    asked = &message.content;
                } else if message.is_target() {
                    turns.push((asked.to_owned(), message.content.trim().to_owned()));
                }
            }
        }
        let conversation = row.lineage.first().map(|from| from.conversation.clone());
        Self { group: row.group.clone(), turns, conversation }
    }

    /// What `answer` was said to.
    pub(super) fn question(&self, answer: &str) -> Option<&str> {
        let found = self.turns.iter().rfind(|(_, said)| said == answer).or(self.turns.last());
        found.map(|(asked, _)| asked.as_str())
    }
}

impl Material {
    /// The test part of a run, and what its train part says about frequencies. `base` is the model's folder.
    ///
    /// # Errors
    /// Rows or a recipe that cannot be read.
    pub fn of_run(run: &Path, base: &Path) -> anyhow::Result<Self> {
        let recipe = Recipe::from_toml(&fs_err::read_to_string(run.join("recipe.toml"))?)?;
        let source: SourceReport = serde_json::from_str(&fs_err::read_to_string(run.join(prepare::SOURCE))?)
            .with_context(|| run.join(prepare::SOURCE).display().to_string())?;
        let encoder = Encoder::load(base, source.now)?;
        let scratch = tempfile::tempdir()?;
        let rows = run.join(prepare::ROWS);
        let corpus = Corpus::build(&rows, scratch.path(), &encoder, (&recipe.data, recipe.objective))?;
        let mut material = Self::empty(base)?;
        material.held_out = items(&corpus, Part::Test, &wholes(&rows)?)?;
        for part in corpus.part(Part::Train).chunks(64) {
            for example in corpus.read(part)? {
                for (id, learnt) in example.ids.iter().zip(&example.targets) {
                    if *learnt {
                        *material.learnt.entry(*id).or_default() += 1;
                    }
                }
            }
        }
        Ok(material)
    }

    /// All rows of a file in any of the formats that can be trained on, at most `max_tokens` of each.
    ///
    /// # Errors
    /// A file that cannot be read, all bad lines at once.
    pub fn of_file(
        file: &Path,
        base: &Path,
        max_tokens: usize,
        wording: &dyn Wording,
    ) -> anyhow::Result<Self> {
        let file: PathBuf = fs_err::canonicalize(file)?;
        let data = DataRecipe { files: vec![file], dev: 0.0, test: 0.0, max_tokens, ..DataRecipe::default() };
        let recipe = Recipe { data, ..Recipe::default() };
        let scratch = tempfile::tempdir()?;
        let place = Place {
            folder: scratch.path(),
            beside: scratch.path(),
            now: 0,
            wording: Some(wording),
            clean: None,
        };
        let source = prepare::prepare(&recipe, place)?;
        let encoder = Encoder::load(base, source.now)?;
        let rows = scratch.path().join(prepare::ROWS);
        let corpus = Corpus::build(&rows, scratch.path(), &encoder, (&recipe.data, recipe.objective))?;
        let mut material = Self::empty(base)?;
        // Nothing was split off: all of it is in the first part.
        material.held_out = items(&corpus, Part::Train, &wholes(&rows)?)?;
        Ok(material)
    }

    fn empty(base: &Path) -> anyhow::Result<Self> {
        let path = base.join("config.json");
        let config: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(&path)?)?;
        let vocabulary = config.get("vocab_size").and_then(serde_json::Value::as_u64);
        let vocabulary = vocabulary.with_context(|| format!("{}: no `vocab_size`", path.display()))?;
        Ok(Self { held_out: Vec::new(), learnt: HashMap::new(), vocabulary })
    }

    pub fn is_empty(&self) -> bool {
        self.held_out.is_empty()
    }
}

fn items(corpus: &Corpus, part: Part, rows: &HashMap<String, Arc<Whole>>) -> anyhow::Result<Vec<Item>> {
    let numbers = corpus.part(part);
    let examples = corpus.read(numbers)?;
    let of = |(n, example): (&usize, Example)| {
        let id = corpus.row_id(*n);
        let row = rows.get(id).cloned().unwrap_or_default();
        let group = if row.group.is_empty() { id.to_owned() } else { row.group.clone() };
        Item { group, example, row }
    };
    Ok(numbers.iter().zip(examples).map(of).collect())
}

/// What is known of every row, by its id.
fn wholes(rows: &Path) -> anyhow::Result<HashMap<String, Arc<Whole>>> {
    let mut wholes = HashMap::new();
    prepare::for_each_row(rows, |row| {
        let whole = Whole::of(&row);
        wholes.insert(row.id, Arc::new(whole));
        Ok(())
    })?;
    Ok(wholes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{Lineage, RowMessage};

    #[test]
    fn a_row_knows_what_was_asked_for_each_of_its_answers() {
        let message = |role: &str, content: &str, train| RowMessage {
            role: role.to_owned(),
            content: content.to_owned(),
            train,
        };
        let row = Row {
            id: "r".to_owned(),
            group: "g".to_owned(),
            lineage: vec![Lineage { conversation: "c".to_owned(), shopper: String::new(), events: vec![2] }],
            body: RowBody::Messages(vec![
                message("system", "Be brief.", None),
                message("user", "Do you ship?", None),
                message("assistant", "Yes.", None),
                message("user", "Where?", None),
                message("assistant", "I do not know.", Some(false)),
                message("user", "To Norway?", None),
                message("assistant", " Yes, to Norway. ", None),
            ]),
            labelled: None,
        };
        let whole = Whole::of(&row);
        assert_eq!(whole.question("Yes."), Some("Do you ship?"));
        assert_eq!(whole.question("Yes, to Norway."), Some("To Norway?"));
        // An answer that was cut.
        assert_eq!(whole.question("Yes, to"), Some("To Norway?"));
        assert_eq!(whole.conversation.as_deref(), Some("c"));
        let text = Row { body: RowBody::Text("All of it.".to_owned()), lineage: Vec::new(), ..row };
        assert_eq!(Whole::of(&text).question("All of it."), None);
    }
}
