//! Adapters: immutable versions on the disk, which of them serve, and their way into the running model.
//!
//! `registry` knows the folders, `check` judges one before a byte of it is used, `state` decides what serves, and
//! [`Adapters`] brings the model in line with that while it goes on answering. Does not know mistralrs, conversations or HTTP:
//! whoever wants an answer asks for a [`Lease`] and names its adapter in the prompt.

mod base;
mod check;
mod error;
mod extras;
mod files;
mod id;
mod lease;
mod registry;
mod service;
mod state;
mod swap;
mod trial;

pub use base::{Base, TARGETS, fingerprint};
pub use check::{Bundle, CONFIG, Lora, MANIFEST, WEIGHTS};
pub use error::AdapterError;
pub use extras::Judge;
pub use id::AdapterId;
pub use lease::Lease;
pub use registry::{Listed, Registry, Role};
pub use service::{Adapters, Parts, Shown, Status};
pub use state::{Candidate, Force, Promotion, Served, State, objections};
