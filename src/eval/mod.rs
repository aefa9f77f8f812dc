//! Suites and scores: how good is an adapter, with the base and a trivial rule beside every number.
//!
//! A [`Suite`] asks the model and keeps a [`Tally`] a row; [`compare`] turns tallies into scores with bootstrap intervals, [`gate`]
//! into a verdict, [`table`] into text. What is judged is what serves: merged, quantised, through the model's own engine.
//! `counts` and `overlap` are the formulas. Knows neither HTTP nor the store; reads training rows with the trainer's own reader,
//! so that what is held out here is what was held out there.

mod compare;
pub mod counts;
pub mod gate;
#[cfg(feature = "train")]
mod held_out;
#[cfg(feature = "train")]
mod material;
pub mod overlap;
#[cfg(feature = "train")]
mod replies;
mod suite;
pub mod table;
pub mod tally;

pub use compare::compare;
#[cfg(feature = "train")]
pub use held_out::HeldOut;
#[cfg(feature = "train")]
pub use material::Material;
#[cfg(feature = "train")]
pub use replies::Replies;
pub use suite::{Contest, Judged, Measure, Suite};
pub use tally::Tally;
