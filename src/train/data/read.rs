//! Files of rows, whatever their format, as [`Row`]s.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{DataError, Faults};
use super::formats::{self, About, Body};
use super::lines;
use super::task::Wording;
use crate::domain::recipe::Format;
use crate::domain::run::{Labelled, Row, RowBody};

/// What was read from one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    pub file: PathBuf,
    pub sha256: String,
    pub format: Format,
    pub rows: usize,
}

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// As the recipe names it; `Auto` lets each file tell.
    pub format: Format,
    /// The tool's wording, for labelled rows.
    pub wording: Option<&'a dyn Wording>,
}

/// Reads all rows of `file` in order and gives each to `each`; bad lines go to `faults` and the reading goes on.
///
/// # Errors
/// A file that cannot be read at all, or whose format cannot be told; what `each` says.
pub fn read_file(
    file: &Path,
    how: Reading<'_>,
    faults: &mut Faults,
    each: &mut dyn FnMut(Row) -> Result<(), DataError>,
) -> Result<FileReport, DataError> {
    let name =
        file.file_name().map_or_else(|| file.display().to_string(), |n| n.to_string_lossy().into_owned());
    let stem = file.file_stem().map_or_else(|| name.clone(), |n| n.to_string_lossy().into_owned());
    let mut reader = Hashing { inner: fs::File::open(file)?, sum: Sha256::new() };
    let (mut format, mut rows) = (how.format, 0);
    lines::for_each(BufReader::new(&mut reader), |(number, line)| {
        let place = || format!("{name}:{number}");
        let line = match line {
            Ok(line) => line,
            Err(fault) => {
                faults.add(place(), fault);
                return Ok(());
            }
        };
        if format == Format::Auto {
            format = formats::detect(&line).ok_or_else(|| DataError::file(file, unknown(number)))?;
        }
        match draft(format, &line, how.wording) {
            Err(fault) => faults.add(place(), fault),
            Ok(Parts { known, body, labelled }) => {
                let id = known.id.unwrap_or_else(|| format!("{stem}-{number}"));
                rows += 1;
                let group = known.group.unwrap_or_else(|| id.clone());
                each(Row { group, id, body, lineage: known.lineage, labelled })?;
            }
        }
        Ok::<_, DataError>(())
    })?;
    let sha256 = hex::encode(reader.sum.finalize());
    Ok(FileReport { file: file.to_owned(), sha256, format, rows })
}

/// What a line says of itself, its body, and what that said before it was put into words.
struct Parts {
    known: About,
    body: RowBody,
    labelled: Option<Labelled>,
}

fn draft(format: Format, line: &str, wording: Option<&dyn Wording>) -> Result<Parts, String> {
    let draft = formats::parse(format, line)?;
    let (body, labelled) = match draft.body {
        Body::Ready(body) => (body, None),
        Body::Labelled(row) => {
            let wording = wording.ok_or("labelled rows need the wording of their tool")?;
            (RowBody::Messages(wording.dialogue(&row)?), Some(row))
        }
    };
    Ok(Parts { known: draft.about, body, labelled })
}

fn unknown(number: usize) -> String {
    format!(
        "line {number} has none of the known formats; name one as `data.format` (messages, completion, alpaca, sharegpt, \
         sentiment, attributes, text), one JSON object a line"
    )
}

/// Reads through and sums up what was read.
struct Hashing {
    inner: fs::File,
    sum: Sha256,
}

impl std::io::Read for &mut Hashing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(into)?;
        self.sum.update(&into[..n]);
        Ok(n)
    }
}

/// The format of a file's first line.
///
/// # Errors
/// A file that cannot be read, or none of the known formats.
pub fn format_of(file: &Path) -> Result<Format, DataError> {
    let mut found = None;
    lines::for_each(BufReader::new(fs::File::open(file)?), |(number, line)| {
        if found.is_none() {
            let format = line.ok().and_then(|line| formats::detect(&line));
            found = Some(format.ok_or_else(|| DataError::file(file, unknown(number)))?);
        }
        Ok::<_, DataError>(())
    })?;
    found.ok_or_else(|| DataError::file(file, "it is empty"))
}
