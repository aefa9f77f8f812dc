//! Conversations on disk. The only room that knows sled.
//!
//! One writer thread takes commands from a bounded channel, decides each with the domain's state machine against the
//! current head, commits the batch, flushes, fsyncs, and only then answers: what a caller hears of is on disk. Does not
//! know models, prompts, sockets or who may do what.

mod settings;

pub use settings::Settings;
