//! What became of the rows, in numbers: `data.json` in the run's folder.

use serde::{Deserialize, Serialize};

use super::read::FileReport;
use crate::domain::run::Part;

/// Upper ends of the histogram's bars, in tokens; the last bar is everything longer.
pub const BARS: [usize; 9] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];

/// Where the rows come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    pub files: Vec<FileReport>,
    /// Rows in `rows.jsonl`, and its hash.
    pub rows: usize,
    pub rows_sha256: String,
    /// Rows that said exactly the same as an earlier one, left out.
    pub duplicates: usize,
    /// The moment that templates with a date show, in milliseconds since 1970.
    pub now: u64,
}

/// One part, tokenised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReport {
    pub part: Part,
    pub rows: usize,
    /// More than `rows` where the chat template rewrites earlier turns.
    pub examples: usize,
    pub tokens: u64,
    pub trained: u64,
    /// The longest example before it was cut.
    pub longest: usize,
    /// Examples that were cut at `max_tokens`.
    pub cut: usize,
    /// Examples left out for their length, or because nothing to learn was left of them.
    pub dropped: usize,
    /// Rows left out because a row of another part says the same.
    pub leaks: usize,
    /// Examples by length before they were cut: one number for each of [`BARS`] and one for the rest.
    pub histogram: Vec<usize>,
}

impl PartReport {
    pub fn new(part: Part) -> Self {
        Self {
            part,
            rows: 0,
            examples: 0,
            tokens: 0,
            trained: 0,
            longest: 0,
            cut: 0,
            dropped: 0,
            leaks: 0,
            histogram: vec![0; BARS.len() + 1],
        }
    }

    /// Counts an example of `length` tokens.
    pub fn measure(&mut self, length: usize) {
        self.longest = self.longest.max(length);
        self.histogram[BARS.partition_point(|end| *end < length)] += 1;
    }
}

/// `data.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataReport {
    pub source: SourceReport,
    pub parts: Vec<PartReport>,
}

impl DataReport {
    pub fn part(&self, part: Part) -> Option<&PartReport> {
        self.parts.iter().find(|report| report.part == part)
    }

    /// The report as a few lines of text.
    pub fn lines(&self) -> Vec<String> {
        let source = &self.source;
        let mut lines =
            vec![format!("{} rows, {} exact duplicates left out", source.rows, source.duplicates)];
        lines.push(format!(
            "{:<6} {:>6} {:>9} {:>10} {:>9} {:>8} {:>5} {:>8} {:>6}",
            "part", "rows", "examples", "tokens", "learnt", "longest", "cut", "dropped", "leaks"
        ));
        for p in &self.parts {
            lines.push(format!(
                "{:<6} {:>6} {:>9} {:>10} {:>9} {:>8} {:>5} {:>8} {:>6}",
                name(p.part),
                p.rows,
                p.examples,
                p.tokens,
                p.trained,
                p.longest,
                p.cut,
                p.dropped,
                p.leaks
            ));
        }
        lines
    }

    /// The histogram of all parts as lines of bars.
    pub fn histogram(&self) -> Vec<String> {
        let mut all = vec![0; BARS.len() + 1];
        for part in &self.parts {
            for (sum, n) in all.iter_mut().zip(&part.histogram) {
                *sum += n;
            }
        }
        let most = all.iter().copied().max().unwrap_or(0).max(1);
        let last = all.iter().rposition(|n| *n > 0).unwrap_or(0);
        all.iter()
            .enumerate()
            .take(last + 1)
            .map(|(n, count)| {
                let end =
                    BARS.get(n).map_or_else(|| format!("over {}", BARS[n - 1]), |end| format!("to {end}"));
                format!("{end:>9} tokens {count:>6} {}", "#".repeat((count * 40).div_ceil(most)))
            })
            .collect()
    }
}

pub fn name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Dev => "dev",
        Part::Test => "test",
    }
}
