//! Labelled rows of a file or of a run, as they are: nothing is left out, nothing needs to be teachable.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;

use crate::domain::recipe::Format;
use crate::domain::run::{Labelled, Part, Row, RowMessage};
use crate::train::data::Faults;
use crate::train::data::prepare;
use crate::train::data::read::{self, Reading};
use crate::train::data::task::Wording;

/// Rows that are scored are asked by the tool itself.
#[derive(Debug)]
struct Unspoken;

impl Wording for Unspoken {
    fn dialogue(&self, _: &Labelled) -> Result<Vec<RowMessage>, String> {
        Ok(Vec::new())
    }
}

/// All labelled rows of `file`, in order.
///
/// # Errors
/// A file that cannot be read, or none of whose formats is labelled; all bad lines at once.
pub fn of_file(file: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut faults = Faults::default();
    let how = Reading { format: Format::Auto, wording: Some(&Unspoken) };
    read::read_file(file, how, &mut faults, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    faults.check()?;
    Ok(rows)
}

/// The rows of one part of the run in `folder`.
///
/// # Errors
/// Files of the run that cannot be read.
pub fn of_run(folder: &Path, part: Part) -> anyhow::Result<Vec<Row>> {
    let path = folder.join("parts.json");
    let parts: HashMap<String, Part> =
        serde_json::from_str(&fs_err::read_to_string(&path)?).with_context(|| path.display().to_string())?;
    let mut rows = Vec::new();
    prepare::for_each_row(&folder.join(prepare::ROWS), |row| {
        if parts.get(&row.id) == Some(&part) {
            rows.push(row);
        }
        Ok(())
    })?;
    Ok(rows)
}
