//! A run: its folder, the loop over steps, checkpoints, the journal, the search over recipes and what is written at the end.
//!
//! The loop knows the network as [`Net`] alone, so that stopping, killing, pausing and choosing are tested without one.

mod card;
pub mod checkpoint;
pub mod control;
pub mod folder;
pub mod journal;
mod look;
pub mod memory;
pub mod net;
pub mod plan;
pub mod search;
pub mod session;
pub mod space;
mod steps;
pub mod tensorboard;

pub use control::Steering;
pub use folder::Folder;
pub use net::{Loss, Net, NetError, Pass, Stepped};
pub use session::{Order, Outcome, Start, run};
pub use steps::{Ended, Work, train};

use crate::domain::run::StepLog;

/// Where a run says how it goes; the command line shows it, tests keep it.
pub trait Show {
    /// A step, or a look at the dev part, was logged.
    fn logged(&mut self, log: &StepLog);
    /// Something a person should know, one line.
    fn say(&mut self, line: &str);
}
