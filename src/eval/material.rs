//! Rows that nobody trained on, as tokens: read with the trainer's own reader.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::domain::recipe::{DataRecipe, Recipe};
use crate::domain::run::Part;
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
        material.held_out = items(&corpus, Part::Test, &groups(&rows)?)?;
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
        material.held_out = items(&corpus, Part::Train, &groups(&rows)?)?;
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

fn items(corpus: &Corpus, part: Part, groups: &HashMap<String, String>) -> anyhow::Result<Vec<Item>> {
    let numbers = corpus.part(part);
    let examples = corpus.read(numbers)?;
    let group = |n: &usize| {
        let id = corpus.row_id(*n);
        groups.get(id).map_or(id, String::as_str).to_owned()
    };
    Ok(numbers.iter().zip(examples).map(|(n, example)| Item { group: group(n), example }).collect())
}

/// The group of every row, by its id.
fn groups(rows: &Path) -> anyhow::Result<HashMap<String, String>> {
    let mut groups = HashMap::new();
    prepare::for_each_row(rows, |row| {
        groups.insert(row.id, row.group);
        Ok(())
    })?;
    Ok(groups)
}
