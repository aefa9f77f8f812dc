//! The frames of `shopclerk.v1`, exactly as the contract names them, and their TypeScript twins.
//!
//! [`ClientFrame`] is parsed once, bounded and without unknown fields; [`ServerFrame`] is what a viewer may see of what
//! happened. Knows nothing of sockets, tokens or the store.

mod client;
mod event;
mod server;
mod typescript;

pub use client::{ClientFrame, FrameError, MAX_COMMENT, MAX_RESUME, ResumePoint};
pub use event::{By, Party, Viewer, WireEvent, WireKind, WireProvenance};
pub use server::{ServerFrame, Typist};
pub use typescript::typescript;

/// The name of the subprotocol, selected at the upgrade.
pub const SUBPROTOCOL: &str = "shopclerk.v1";

/// In front of a token in `Sec-WebSocket-Protocol`: `shopclerk.v1, token.<jwt>`.
pub const TOKEN_PREFIX: &str = "token.";

/// In front of a one-time ticket of the staff in `Sec-WebSocket-Protocol`.
pub const TICKET_PREFIX: &str = "ticket.";
