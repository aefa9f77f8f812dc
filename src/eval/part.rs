//! The rows of one part of a recipe's data, found again from the recipe and its files alone: whoever has these can score an adapter
//! on what it was not trained on.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use crate::domain::recipe::Recipe;
use crate::domain::run::{Labelled, Part, Row};
use crate::train::data::corpus::Corpus;
use crate::train::data::encode::Encoder;
use crate::train::data::prepare::{self, Place, prepare};
use crate::train::data::task::Wording;

/// Where a recipe's data are, and what decides their parts.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The recipe's own folder.
    pub beside: &'a Path,
    /// More folders in which its files may be.
    pub folders: &'a [PathBuf],
    /// The base's folder: its tokenizer says which rows are too long.
    pub base: &'a Path,
    pub wording: &'a dyn Wording,
    /// Milliseconds since 1970, for templates with a date.
    pub now: u64,
}

/// One part of a recipe's data.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub rows: Vec<Row>,
    /// SHA-256 of the rows of all parts: the `data_hash` of an adapter's manifest.
    pub rows_sha256: String,
}

/// Exactly the rows that a run of `recipe` has in `part`, in their order: the same reader, the same split, the same rows left out.
///
/// # Errors
/// A file that is not there, rows that cannot be used; a recipe that learns from conversations, which are in no file.
pub fn of_recipe(recipe: &Recipe, source: Source<'_>, part: Part) -> anyhow::Result<Held> {
    if recipe.data.store.is_some() {
        bail!("data.store: rows made of conversations are in no file; judge the folder of the run");
    }
    if recipe.data.redact {
        bail!("data.redact: what was taken out hangs on the shop's own words; judge the folder of the run");
    }
    let mut recipe = recipe.clone();
    for file in &mut recipe.data.files {
        *file = find(file, source)?;
    }
    let scratch = tempfile::tempdir()?;
    let place = Place {
        folder: scratch.path(),
        beside: source.beside,
        now: source.now,
        wording: Some(source.wording),
        clean: None,
    };
    let report = prepare(&recipe, place)?;
    let encoder = Encoder::load(source.base, report.now)?;
    let file = scratch.path().join(prepare::ROWS);
    let corpus = Corpus::build(&file, scratch.path(), &encoder, (&recipe.data, recipe.objective))?;
    let parts = corpus.parts();
    let mut rows = Vec::new();
    prepare::for_each_row(&file, |row| {
        if parts.get(row.id.as_str()) == Some(&part) {
            rows.push(row);
        }
        Ok(())
    })?;
    Ok(Held { rows, rows_sha256: report.rows_sha256 })
}

/// Beside the recipe, or by its name in one of the folders.
fn find(file: &Path, source: Source<'_>) -> anyhow::Result<PathBuf> {
    let name = file.file_name().context("data.files: not the name of a file")?;
    let places =
        std::iter::once(source.beside.join(file)).chain(source.folders.iter().map(|dir| dir.join(name)));
    let found = places.into_iter().find(|path| path.is_file());
    let found = found.with_context(|| {
        format!("{}: not beside the recipe; name its folder with --files", file.display())
    })?;
    Ok(std::path::absolute(found)?)
}

/// Writes rows so that `eval --data` and a recipe read them as they are: a labelled one as its label says, any other as the dialogue.
///
/// # Errors
/// What `to` says.
pub fn write(rows: &[Row], to: &mut dyn Write) -> std::io::Result<()> {
    for row in rows {
        let line = match &row.labelled {
            Some(Labelled::Sentiment { text, label }) => {
                json!({ "id": row.id, "group": row.group, "text": text, "label": label })
            }
            Some(Labelled::Attributes { text, category, values }) => {
                let values: Map<String, Value> =
                    values.iter().map(|(name, right)| (name.clone(), written(right))).collect();
                json!({ "id": row.id, "group": row.group, "text": text, "category": category, "attributes": values })
            }
            None => json!(row),
        };
        writeln!(to, "{line}")?;
    }
    Ok(())
}

/// Of several right values all have the same score.
fn written(right: &[String]) -> Value {
    match right {
        [] => Value::Null,
        [one] => json!(one),
        several => several.iter().map(|value| (value.clone(), json!(1))).collect::<Map<_, _>>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::labelled;
    use super::*;
    use crate::domain::run::RowBody;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let row = |id: &str, labelled: Labelled| Row {
            id: id.to_owned(),
            group: format!("of {id}"),
            body: RowBody::Messages(Vec::new()),
            lineage: Vec::new(),
            labelled: Some(labelled),
        };
        let read = |rows: &[Row]| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            write(rows, &mut file.as_file()).expect("writes");
            labelled::of_file(file.path()).expect("reads")
        };
        let sentiment =
            |text: &str, label: &str| Labelled::Sentiment { text: text.into(), label: label.into() };
        let reviews =
            [row("131_2", sentiment(" It \"broke\". ", "negative")), row("7", sentiment("ok", "neutral"))];
        assert_eq!(read(&reviews), reviews);
        let values = vec![
            ("Size".to_owned(), vec!["M".to_owned()]),
            ("Brand".to_owned(), Vec::new()),
            ("Color".to_owned(), vec!["Navy".to_owned(), "Navy Blue".to_owned()]),
        ];
        let titles = [row(
            "oa-1",
            Labelled::Attributes { text: "Shirt, M".into(), category: "Shirts".into(), values },
        )];
        assert_eq!(read(&titles), titles);
    }
}
