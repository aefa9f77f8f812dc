//! What goes wrong with runs.

use crate::domain::recipe::RecipeError;
use crate::domain::run::RunState;
use crate::model::library::LibraryError;

use super::gather::GatherError;

#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    #[error("there is no such run")]
    Unknown,
    #[error("the run is {}; only one that is {} can be {asked}", word(*.state), words(.wanted))]
    State { state: RunState, asked: &'static str, wanted: Vec<RunState> },
    #[error(
        "the run was started on the command line; steer it there, or write `pause`, `go` or `cancel` to its file `control`"
    )]
    Foreign,
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("base: {0}")]
    Base(LibraryError),
    #[error(transparent)]
    Rows(#[from] GatherError),
    #[error(
        "the run needs about {need_mib} MiB and {free_mib} MiB are free ({weights_mib} for the base, {work_mib} for the work, \
         {reserve_mib} in reserve); {fix}"
    )]
    Memory { need_mib: u64, free_mib: u64, weights_mib: u64, work_mib: u64, reserve_mib: u64, fix: String },
    #[error(
        "judging needs about {need_mib} MiB and {free_mib} MiB are free: with {reserve_mib} in reserve {missing_mib} MiB too few; \
         free some, then resume the run: it is trained, and goes on with the judging"
    )]
    Judging { need_mib: u64, free_mib: u64, missing_mib: u64, reserve_mib: u64 },
    #[error("{waiting} runs are waiting already; cancel one, or raise runs.queue")]
    Full { waiting: usize },
    #[error("the server is going down; try again shortly")]
    Draining,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{file}: {fault}")]
    Damaged { file: String, fault: String },
}

impl RunsError {
    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "run_unknown",
            Self::State { .. } => "run_state",
            Self::Foreign => "run_foreign",
            Self::Recipe(_) => "recipe_invalid",
            Self::Base(fault) => fault.code(),
            Self::Rows(fault) => fault.code(),
            Self::Memory { .. } | Self::Judging { .. } => "run_memory",
            Self::Full { .. } => "run_queue_full",
            Self::Draining => "draining",
            Self::Io(_) => "run_io",
            Self::Damaged { .. } => "run_damaged",
        }
    }
}

fn words(states: &[RunState]) -> String {
    states.iter().map(|state| word(*state)).collect::<Vec<_>>().join(" or ")
}

/// A state as the wire says it.
fn word(state: RunState) -> &'static str {
    match state {
        RunState::Preparing => "preparing",
        RunState::Queued => "queued",
        RunState::Training => "training",
        RunState::Paused => "paused",
        RunState::Evaluating => "evaluating",
        RunState::Done => "done",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}
