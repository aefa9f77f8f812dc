//! All examples of a run, tokenised once and kept on the disk; in memory is a line of a few bytes for each.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rayon::prelude::*;

use super::encode::Encoder;
use super::error::{DataError, Faults};
use super::hash64;
use super::prepare::for_each_row;
use super::report::PartReport;
use super::split::{self, Split};
use crate::domain::recipe::{DataRecipe, Objective, TooLong};
use crate::domain::run::{Part, Row, RowBody};
use crate::train::example::Example;

/// Rows tokenised at a time, on all threads.
const CHUNK: usize = 64;
/// The bit of a stored token that says it is learnt.
const LEARNT: u32 = 1 << 31;

/// The examples of a run by part.
pub struct Corpus {
    tokens: File,
    index: Vec<Entry>,
    ids: Vec<String>,
    by_part: HashMap<Part, Vec<usize>>,
    /// One for each part.
    pub reports: Vec<PartReport>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// In tokens from the start of the file.
    from: u64,
    len: u32,
    trained: u32,
    row: u32,
}

impl Corpus {
    /// Splits and tokenises the rows of a prepared file; scratch space is made in `folder`.
    ///
    /// # Errors
    /// All rows that cannot be used, at once; no row left to train on.
    pub fn build(
        rows: &Path,
        folder: &Path,
        encoder: &Encoder,
        how: (&DataRecipe, Objective),
    ) -> Result<Self, DataError> {
        let (data, objective) = how;
        let parts = Parts::of(rows, data, objective)?;
        let mut making = Making::new(folder, data)?;
        let mut chunk: Vec<(Row, Part)> = Vec::new();
        for_each_row(rows, |row| {
            let part = parts.split.part(split::place(data.split_seed, &row.group));
            if parts.is_leak(&row, part, objective) {
                making.report(part).leaks += 1;
                return Ok(());
            }
            chunk.push((row, part));
            if chunk.len() == CHUNK { making.add(encoder, std::mem::take(&mut chunk)) } else { Ok(()) }
        })?;
        making.add(encoder, chunk)?;
        making.finish()
    }

    /// The examples of a part, by number.
    pub fn part(&self, part: Part) -> &[usize] {
        self.by_part.get(&part).map_or(&[], Vec::as_slice)
    }

    /// Tokens of an example.
    pub fn tokens(&self, example: usize) -> usize {
        self.index[example].len as usize
    }

    /// Learnt tokens of an example.
    pub fn trained(&self, example: usize) -> usize {
        self.index[example].trained as usize
    }

    /// The id of the row an example comes from.
    pub fn row_id(&self, example: usize) -> &str {
        &self.ids[self.index[example].row as usize]
    }

    /// The part every row is in; rows that were left out are not in it.
    pub fn parts(&self) -> std::collections::BTreeMap<&str, Part> {
        let of = |part| self.part(part).iter().map(move |n| (self.row_id(*n), part));
        [Part::Train, Part::Dev, Part::Test].into_iter().flat_map(of).collect()
    }

    /// Reads examples from the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read(&self, examples: &[usize]) -> std::io::Result<Vec<Example>> {
        examples
            .iter()
            .map(|n| {
                let entry = self.index[*n];
                let mut bytes = vec![0; entry.len as usize * 4];
                self.tokens.read_exact_at(&mut bytes, entry.from * 4)?;
                let stored = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                let (ids, targets) = stored.map(|token| (token & !LEARNT, token & LEARNT != 0)).unzip();
                Ok(Example { ids, targets })
            })
            .collect()
    }
}

/// Which part every row is in, and which texts are in the part that is trained on.
struct Parts {
    split: Split,
    /// For each held-out part, what rows of the other parts say.
    said: HashMap<u64, HashSet<Part>>,
}

impl Parts {
    fn of(rows: &Path, data: &DataRecipe, objective: Objective) -> Result<Self, DataError> {
        let mut seen: Vec<(u64, u64)> = Vec::new();
        for_each_row(rows, |row| {
            seen.push((split::place(data.split_seed, &row.group), says(&row, objective)));
            Ok(())
        })?;
        let split = Split::new(seen.iter().map(|(place, _)| *place).collect(), data);
        let mut said: HashMap<u64, HashSet<Part>> = HashMap::new();
        for (place, text) in &seen {
            said.entry(*text).or_default().insert(split.part(*place));
        }
        // Only what is in two parts matters.
        said.retain(|_, parts| parts.len() > 1);
        Ok(Self { split, said })
    }

    /// True for a held-out row whose text is trained on, or is in the part for the verdict too.
    fn is_leak(&self, row: &Row, part: Part, objective: Objective) -> bool {
        if part == Part::Train || self.said.is_empty() {
            return false;
        }
        let Some(parts) = self.said.get(&says(row, objective)) else { return false };
        parts.contains(&Part::Train) || part == Part::Dev
    }
}

/// What a row says, without case and spaces; of a tool's row only what is asked, for the label is no excuse.
fn says(row: &Row, objective: Objective) -> u64 {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let text = match &row.body {
        RowBody::Text(text) => plain(text),
        RowBody::Messages(messages) => {
            let counts = |m: &&crate::domain::run::RowMessage| objective != Objective::Task || !m.is_target();
            messages.iter().filter(counts).map(|m| format!("{}: {}\n", m.role, plain(&m.content))).collect()
        }
    };
    hash64(&[text.as_bytes()])
}

/// A corpus as it grows.
struct Making<'a> {
    data: &'a DataRecipe,
    out: BufWriter<File>,
    at: u64,
    index: Vec<Entry>,
    ids: Vec<String>,
    by_part: HashMap<Part, Vec<usize>>,
    reports: Vec<PartReport>,
    faults: Faults,
}

impl<'a> Making<'a> {
    fn new(folder: &Path, data: &'a DataRecipe) -> Result<Self, DataError> {
        Ok(Self {
            data,
            // Has no name: it is gone when the process is.
            out: BufWriter::new(tempfile::tempfile_in(folder)?),
            at: 0,
            index: Vec::new(),
            ids: Vec::new(),
            by_part: HashMap::new(),
            reports: [Part::Train, Part::Dev, Part::Test].map(PartReport::new).into(),
            faults: Faults::default(),
        })
    }

    fn report(&mut self, part: Part) -> &mut PartReport {
        let at = self.reports.iter().position(|report| report.part == part).unwrap_or(0);
        &mut self.reports[at]
    }

    fn add(&mut self, encoder: &Encoder, rows: Vec<(Row, Part)>) -> Result<(), DataError> {
        let encoded: Vec<_> = rows.par_iter().map(|(row, _)| encoder.encode(row)).collect();
        for ((row, part), examples) in rows.into_iter().zip(encoded) {
            match examples {
                Err(fault) => self.faults.add(row.id, fault),
                Ok(examples) => self.keep(&row, part, examples)?,
            }
        }
        Ok(())
    }

    fn keep(&mut self, row: &Row, part: Part, examples: Vec<Example>) -> Result<(), DataError> {
        let mut kept = false;
        for example in examples {
            self.report(part).measure(example.ids.len());
            if let (RowBody::Text(_), TooLong::Cut | TooLong::CutOrDrop) = (&row.body, self.data.too_long) {
                // Of a text every part can be learnt by itself.
                for block in blocks(&example, self.data.max_tokens) {
                    self.write(part, &block)?;
                    kept = true;
                }
                continue;
            }
            match fit(example, self.data) {
                Fitted::Fault(fault) => {
                    self.faults.add(row.id.clone(), fault);
                    return Ok(());
                }
                Fitted::Left => self.report(part).dropped += 1,
                Fitted::Whole(example) => {
                    self.write(part, &example)?;
                    kept = true;
                }
                Fitted::Cut(example) => {
                    self.report(part).cut += 1;
                    self.write(part, &example)?;
                    kept = true;
                }
            }
        }
        if kept {
            self.report(part).rows += 1;
            self.ids.push(row.id.clone());
        }
        Ok(())
    }

    fn write(&mut self, part: Part, example: &Example) -> Result<(), DataError> {
        for (id, learnt) in example.ids.iter().zip(&example.targets) {
            let token = id | if *learnt { LEARNT } else { 0 };
            self.out.write_all(&token.to_le_bytes())?;
        }
        let (len, trained) = (example.ids.len(), example.trained());
        let report = self.report(part);
        report.examples += 1;
        report.tokens += len as u64;
        report.trained += trained as u64;
        self.by_part.entry(part).or_default().push(self.index.len());
        let row = self.ids.len() as u32;
        self.index.push(Entry { from: self.at, len: len as u32, trained: trained as u32, row });
        self.at += len as u64;
        Ok(())
    }

    fn finish(self) -> Result<Corpus, DataError> {
        self.faults.check()?;
        if !self.by_part.contains_key(&Part::Train) {
            return Err(DataError::Empty(
                "no row is left in the part for training; see data.json".to_owned(),
            ));
        }
        let tokens = self.out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(Corpus { tokens, index: self.index, ids: self.ids, by_part: self.by_part, reports: self.reports })
    }
}

/// `text` in blocks of at most `limit` tokens. The first token of each only begins it; one alone would teach nothing.
fn blocks(text: &Example, limit: usize) -> impl Iterator<Item = Example> {
    let block = |ids: &[u32]| Example { ids: ids.to_vec(), targets: (0..ids.len()).map(|n| n > 0).collect() };
    text.ids.chunks(limit).filter(|ids| ids.len() > 1).map(block)
}

enum Fitted {
    Whole(Example),
    Cut(Example),
    Left,
    Fault(String),
}

/// Applies the recipe's rule for rows that are too long.
fn fit(mut example: Example, data: &DataRecipe) -> Fitted {
    let (length, limit) = (example.ids.len(), data.max_tokens);
    if length <= limit {
        return Fitted::Whole(example);
    }
    match data.too_long {
        TooLong::Drop => return Fitted::Left,
        TooLong::Error => {
            return Fitted::Fault(format!(
                "{length} tokens; data.max_tokens is {limit} (data.too_long = \"cut\" or \"drop\" would let it pass)"
            ));
        }
        TooLong::Cut | TooLong::CutOrDrop => {}
    }
    example.ids.truncate(limit);
    example.targets.truncate(limit);
    match (example.trained(), data.too_long) {
        (0, TooLong::Cut) => Fitted::Fault(format!(
            "nothing to learn is left when its {length} tokens are cut at data.max_tokens = {limit}; raise that, or set \
             data.too_long = \"cut_or_drop\""
        )),
        (0, _) => Fitted::Left,
        _ => Fitted::Cut(example),
    }
}
