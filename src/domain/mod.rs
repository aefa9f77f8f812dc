//! Plain values of the shop's conversations: what was said, who owns it, what may happen next.
//!
//! No IO, no async, no framework. Commands go into [`Head::decide`], events come out, and [`Head::evolve`] folds them
//! back: the whole ownership state machine can be tested without a disk, a socket or a model.

pub mod command;
pub mod conversation;
pub mod event;
pub mod handoff;
pub mod ids;
pub mod page;
pub mod prompt;
pub mod recipe;
pub mod refusal;
pub mod run;
pub mod shopper;
pub mod tags;
pub mod text;
pub mod words;

pub use command::{Command, Cut, Decision, Job, JobChange, Opening, Replied};
pub use conversation::{Head, SENTIMENT, tells_mood};
pub use event::{About, Ended, Event, EventKind, Owner, Point, Provenance, Speaker, Status, Summary, Thumb};
pub use handoff::{HandOff, Reason};
pub use ids::{Cmid, ConvId, MessageId, Seq, ShopperId, StaffId};
pub use page::{Page, PageError};
pub use refusal::Refusal;
pub use shopper::{Email, EmailError, Shopper};
pub use tags::{TagError, Tags};
pub use text::{Said, TextError};
pub use words::ShopWords;
