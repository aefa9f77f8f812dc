//! From a recipe's files to the one `rows.jsonl` of a run's folder.
//!
//! Rows are read and written one by one; only a hash of each is kept, to find exact duplicates.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest, Sha256};

use super::error::{DataError, Faults};
use super::hash64;
use super::read::{self, Reading};
use super::report::SourceReport;
use super::task::{TaskPrompts, Wording};
use crate::domain::recipe::{Format, Objective, Recipe};
use crate::domain::run::{Row, RowBody};

pub const ROWS: &str = "rows.jsonl";
/// Its existence says that `rows.jsonl` is complete.
pub const SOURCE: &str = "source.json";

/// Where rows come from and where they go.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// The folder that the recipe's files and `task.json` are relative to.
    pub beside: &'a Path,
    /// Milliseconds since 1970.
    pub now: u64,
    /// The words of the tool that labelled rows are for; `task.json` wins over it.
    pub wording: Option<&'a dyn Wording>,
    /// What takes personal data out of the rows of files, where the recipe asks for it.
    pub clean: Option<&'a dyn Clean>,
}

/// Takes personal data out of a row.
pub trait Clean: std::fmt::Debug {
    fn row(&self, row: &mut Row);
}

/// Makes `rows.jsonl` of the rows that are in the folder already (from the store) and those of the recipe's files, or finds
/// that this was done before.
///
/// # Errors
/// All bad lines at once; rows that changed after they were prepared.
pub fn prepare(recipe: &Recipe, place: Place<'_>) -> Result<SourceReport, DataError> {
    let done = place.folder.join(SOURCE);
    let rows = place.folder.join(ROWS);
    if done.is_file() {
        let text = fs::read_to_string(&done)?;
        let source: SourceReport =
            serde_json::from_str(&text).map_err(|fault| DataError::file(&done, fault.to_string()))?;
        if hash_of(&rows)? != source.rows_sha256 {
            return Err(DataError::file(
                rows,
                "it has changed since the run began; make a new run with the new rows",
            ));
        }
        return Ok(source);
    }
    let mut out = Out::new(place.folder, recipe.objective)?;
    let mut faults = Faults::default();
    if rows.is_file() {
        let how = Reading { format: Format::Auto, wording: None };
        read::read_file(&rows, how, &mut faults, &mut |row| out.add(row))?;
    }
    let own = TaskPrompts::load(place.beside)?;
    let wording = own.as_ref().map(|own| own as &dyn Wording).or(place.wording);
    let clean = match (recipe.data.redact, place.clean) {
        (true, None) => {
            let fix = "data.redact: start the run from the recipe, not in its folder";
            return Err(DataError::file(place.folder, fix));
        }
        (redact, clean) => clean.filter(|_| redact),
    };
    for file in &recipe.data.files {
        let file = place.beside.join(file);
        let how = Reading { format: recipe.data.format, wording };
        let report = read::read_file(&file, how, &mut faults, &mut |mut row| {
            if let Some(clean) = clean {
                clean.row(&mut row);
            }
            out.add(row)
        })?;
        out.report.files.push(report);
    }
    faults.check()?;
    out.finish(&rows, &done, place.now)
}

struct Out {
    to: BufWriter<tempfile::NamedTempFile>,
    sum: Sha256,
    objective: Objective,
    said: HashSet<u64>,
    ids: HashSet<u64>,
    report: SourceReport,
}

impl Out {
    fn new(folder: &Path, objective: Objective) -> Result<Self, DataError> {
        Ok(Self {
            to: BufWriter::new(tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?),
            sum: Sha256::new(),
            objective,
            said: HashSet::new(),
            ids: HashSet::new(),
            report: SourceReport::default(),
        })
    }

    fn add(&mut self, mut row: Row) -> Result<(), DataError> {
        let suits = matches!(row.body, RowBody::Text(_)) == (self.objective == Objective::Text);
        if !suits {
            let fix = match row.body {
                RowBody::Text(_) => "it is plain text; set objective = \"text\"",
                RowBody::Messages(_) => "it is a dialogue; set objective = \"chat\" or \"task\"",
            };
            return Err(DataError::file(row.id, fix));
        }
        let body = serde_json::to_string(&row.body).map_err(std::io::Error::other)?;
        if !self.said.insert(hash64(&[body.as_bytes()])) {
            self.report.duplicates += 1;
            return Ok(());
        }
        let (plain, mut n) = (row.id.clone(), 1);
        while !self.ids.insert(hash64(&[row.id.as_bytes()])) {
            n += 1;
            row.id = format!("{plain}.{n}");
        }
        let mut line = serde_json::to_string(&row).map_err(std::io::Error::other)?;
        line.push('\n');
        self.sum.update(line.as_bytes());
        self.to.write_all(line.as_bytes())?;
        self.report.rows += 1;
        Ok(())
    }

    fn finish(mut self, rows: &Path, done: &Path, now: u64) -> Result<SourceReport, DataError> {
        if self.report.rows == 0 {
            return Err(DataError::Empty(
                "no rows; name files as `data.files`, or choose conversations".to_owned(),
            ));
        }
        self.report.rows_sha256 = hex::encode(self.sum.finalize());
        self.report.now = now;
        let file = self.to.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(rows).map_err(|fault| fault.error)?;
        crate::train::files::write_json(done, &self.report)?;
        Ok(self.report)
    }
}

/// Calls `each` with every row of a prepared file.
///
/// # Errors
/// A line that is not a row; what `each` says.
pub fn for_each_row(
    file: &Path,
    mut each: impl FnMut(Row) -> Result<(), DataError>,
) -> Result<(), DataError> {
    for (number, line) in BufReader::new(fs::File::open(file)?).lines().enumerate() {
        let row = serde_json::from_str(&line?)
            .map_err(|fault| DataError::file(file, format!("line {}: {fault}", number + 1)))?;
        each(row)?;
    }
    Ok(())
}

/// SHA-256 of a file, in hex.
///
/// # Errors
/// A file that cannot be read.
pub fn hash_of(file: &Path) -> Result<String, DataError> {
    let mut sum = Sha256::new();
    std::io::copy(&mut fs::File::open(PathBuf::from(file))?, &mut sum)?;
    Ok(hex::encode(sum.finalize()))
}
