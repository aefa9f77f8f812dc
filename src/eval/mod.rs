//! Suites and scores: how good is an adapter, with the base and a trivial rule beside every number.
//!
//! A [`Suite`] asks the model and keeps a [`Tally`] a row; [`compare`] turns tallies into scores with bootstrap intervals, [`gate`]
//! into a verdict, [`table`] into text. What is judged is what serves: merged, quantised, through the model's own engine.
//! `counts` and `overlap` are the formulas. Knows neither HTTP nor the store; reads training rows with the trainer's own reader,
//! so that what is held out here is what was held out there.

#[cfg(feature = "train")]
mod attributes;
mod compare;
pub mod counts;
pub mod gate;
#[cfg(feature = "train")]
mod held_out;
#[cfg(feature = "train")]
pub mod labelled;
#[cfg(feature = "train")]
mod material;
pub mod overlap;
#[cfg(feature = "train")]
pub mod part;
#[cfg(feature = "train")]
mod qa;
#[cfg(feature = "train")]
mod replies;
#[cfg(feature = "train")]
mod sentiment;
mod suite;
#[cfg(feature = "train")]
mod sureness;
pub mod table;
pub mod tally;
#[cfg(feature = "train")]
mod workers;

#[cfg(feature = "train")]
pub use attributes::{Ask, Attributes};
pub use compare::{Beside, compare};
#[cfg(feature = "train")]
pub use held_out::HeldOut;
#[cfg(feature = "train")]
pub use material::Material;
#[cfg(feature = "train")]
pub use qa::{Qa, Source};
#[cfg(feature = "train")]
pub use replies::Replies;
#[cfg(feature = "train")]
pub use sentiment::Sentiment;
pub use suite::{Contest, Judged, Measure, Suite};
pub use tally::Tally;
#[cfg(feature = "train")]
pub use workers::Cast;
