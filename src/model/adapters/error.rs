//! What can be wrong with adapters.

use std::path::{Path, PathBuf};

use super::AdapterId;

#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error(
        "`{0}` is not an adapter; write NAME@VERSION, e.g. `shop@3` (`shopclerk adapter list` shows them)"
    )]
    Name(String),
    #[error(
        "there is no adapter {id} in {}; `shopclerk adapter list` shows those that are there",
        joined(places)
    )]
    Missing { id: String, places: Vec<PathBuf> },
    #[error("{}: {problem}; {fix}", file.display())]
    Damaged { file: PathBuf, problem: String, fix: String },
    #[error(
        "{}: `base_fingerprint` is {theirs}…, this model's is {ours}…: it was trained for another model (`{base}`)",
        file.display()
    )]
    OtherBase { file: PathBuf, base: String, theirs: String, ours: String },
    #[error("{id} did not pass its gate: {}; --force promotes it all the same and is recorded", reasons.join("; "))]
    Gate { id: AdapterId, reasons: Vec<String> },
    #[error("{0} serves already")]
    Serves(AdapterId),
    #[error("share: {0} is not between 0 and 1; write e.g. 10%, or leave it out for everybody")]
    Share(f64),
    #[error(
        "share: {id} answers no conversations, so it cannot have a share of them; leave it out (only `{chat}` can be on trial)"
    )]
    Trial { id: AdapterId, chat: String },
    #[error("there is nothing to roll {0} back to: the base model serves")]
    Bottom(String),
    #[error("{0} answers chats now; roll it back first")]
    InUse(AdapterId),
    #[error("{0} came with the program and cannot be removed; promote another version instead")]
    Shipped(AdapterId),
    #[error("{id} could not be loaded; what served before goes on: {fault}")]
    Load { id: AdapterId, fault: String },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn joined(places: &[PathBuf]) -> String {
    places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl AdapterError {
    /// The stable code a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "adapter_name",
            Self::Missing { .. } => "adapter_missing",
            Self::Damaged { .. } => "adapter_damaged",
            Self::OtherBase { .. } => "adapter_other_base",
            Self::Gate { .. } => "adapter_gate",
            Self::Serves(_) => "adapter_serves",
            Self::Share(_) | Self::Trial { .. } => "adapter_share",
            Self::Bottom(_) => "adapter_bottom",
            Self::InUse(_) => "adapter_in_use",
            Self::Shipped(_) => "adapter_shipped",
            Self::Load { .. } => "adapter_load",
            Self::Io(_) => "io",
        }
    }

    pub(super) fn damaged(file: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            problem: problem.into(),
            fix: "publish or import the adapter again".to_owned(),
        }
    }
}
