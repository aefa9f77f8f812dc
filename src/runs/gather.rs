//! Where a run's rows come from.

use std::path::Path;

use crate::domain::recipe::Recipe;

/// Chooses rows as a recipe says. It may read the store and files, and takes as long as it takes: call it off the runtime.
pub trait Gather: Send + Sync {
    /// Writes `rows.jsonl` to `folder`, if there is a row, and returns the report: what was left out and why.
    ///
    /// # Errors
    /// A file that cannot be read, a line that is no row; each names the place and the fix.
    fn gather(&self, recipe: &Recipe, folder: &Path) -> Result<serde_json::Value, GatherError>;
}

#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    #[error(
        "no row is left to train on: widen `data`; `POST /v1/staff/runs/preview` says what was left out and why"
    )]
    Empty,
    #[error("{0}")]
    Invalid(String),
    #[error("the store cannot be read: {0}")]
    Store(String),
}

impl GatherError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "rows_empty",
            Self::Invalid(_) => "rows_invalid",
            Self::Store(_) => "rows_store",
        }
    }
}
