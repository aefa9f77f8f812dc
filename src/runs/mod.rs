//! Fine-tuning as the server sees it: what its own chats teach.
//!
//! Conversations of the store become rows of training data in [`rows`], redacted and counted. Knows the store and the
//! prompt; knows nothing of HTTP, sockets or gradients.

pub mod rows;
