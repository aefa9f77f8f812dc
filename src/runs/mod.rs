//! Fine-tuning as the server sees it: a queue of runs, one child process at a time, a verdict, a published adapter.
//!
//! A recipe comes in; its rows are chosen and written to `data/runs/<id>/` (`rows` for the shop's own chats, `gather`, `folder`);
//! the trainer runs on them as a child process (`child`, `work`) and is followed through its files (`follow`), then a second
//! child compares base and adapter; the adapter is published, never promoted. Every change is on the disk before anybody hears of it, so a restart of the
//! server goes on where it stopped. Knows neither HTTP nor how training works.

mod child;
mod error;
mod folder;
mod follow;
mod gather;
mod inner;
pub mod leash;
mod memory;
mod publish;
pub mod rows;
mod service;
mod settings;
mod way;
mod work;

pub use child::{Job, Launch};
pub use error::RunsError;
pub use folder::Folder;
pub use gather::{Gather, GatherError};
pub use publish::{Publish, manifest_of};
pub use service::{COMMAND_LINE, Details, Parts, Preview, RunEvent, Runs};
pub use settings::Settings;
pub use way::give_way;
