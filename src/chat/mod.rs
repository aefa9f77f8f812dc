//! The heart: what a shopper or a member of staff says goes in at [`Desk`], what happens comes out of [`hub`].
//!
//! Durable first: a message is appended, acknowledged, published, and only then answered. Everything a client sees
//! arrives by subscription, so that another tab, a reconnect and the dashboard are one code path. Does not know HTTP.

mod admission;
mod ask;
mod assign;
mod choices;
mod complete;
mod desk;
mod drain;
mod error;
mod gist;
mod guard;
mod handoff;
pub mod hub;
mod hush;
mod limits;
mod listen;
mod live;
mod lives;
mod mood;
mod ratings;
mod rounds;
mod settings;
mod shopper;
mod suggest;
mod summary;
mod teach;
mod trial;
mod turn;
mod words;

pub use choices::Judgement;
pub use complete::Completion;
pub use desk::{Ack, Desk, Parts, Say};
pub use drain::Readiness;
pub use error::DeskError;
pub use guard::Guard;
pub use handoff::HandOffs;
pub use hub::{Delta, Inbox, Notice, Outlet, Who};
pub use listen::Replay;
pub use ratings::{Tally, made_by, tally};
pub use settings::{Settings, Tools, Unknown};
pub use suggest::{Suggested, Suggesting, Suggestion};
pub use teach::Finding;
pub use trial::{How, Trial, Tried};
