//! What can be wrong with training data, said so that a person can mend it.

use std::path::PathBuf;

/// How many faults are told at once.
const TOLD: usize = 20;

/// One line or row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `rows.jsonl:17`, or a row's id.
    pub place: String,
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Faults as they are found: the first ones kept, all of them counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub told: Vec<Fault>,
    pub all: usize,
}

impl Faults {
    pub fn add(&mut self, place: String, reason: impl Into<String>) {
        self.all += 1;
        if self.told.len() < TOLD {
            self.told.push(Fault { place, reason: reason.into() });
        }
    }

    /// `Ok` if there are none.
    pub fn check(self) -> Result<(), DataError> {
        if self.all == 0 { Ok(()) } else { Err(DataError::Bad(self)) }
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for fault in &self.told {
            write!(f, "\n  {fault}")?;
        }
        match self.all - self.told.len() {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{} row(s) of the training data cannot be used; mend or remove them:{}", .0.all, .0)]
    Bad(Faults),
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: String },
    #[error("there is nothing to train on: {0}")]
    Empty(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl DataError {
    pub(crate) fn file(file: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::File { file: file.into(), problem: problem.into() }
    }

    /// The stable code a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bad(_) => "rows_bad",
            Self::File { .. } => "file_bad",
            Self::Empty(_) => "no_rows",
            Self::Io(_) => "io",
        }
    }
}
