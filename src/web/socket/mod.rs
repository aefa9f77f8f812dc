//! One socket: a guarded upgrade, then one task that owns both directions.
//!
//! What the client says goes to the desk, what the desk's hub tells goes to the client in order, without gaps and without
//! repeats ([`follow`]). One task, so that a client which does not read is not read from either. Decides nothing about a
//! conversation.

mod commands;
mod end;
mod follow;
mod list;
mod out;
mod parts;
mod session;
mod sessions;
mod upgrade;

pub(super) use sessions::Sessions;
pub(super) use upgrade::{Held, open};

use std::time::Duration;

/// Heartbeats in a row a client may leave unanswered.
pub(super) const MISSES: u8 = 2;
/// The longest one frame may wait for a reader.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Notices that may wait for one socket.
pub(super) const INBOX: usize = 256;
/// What those may keep in memory, in bytes.
pub(super) const INBOX_BYTES: usize = 64 * 1024;
/// Pieces of a reply are gathered this long, or up to [`BATCH_PIECES`]: the size of single words tells too much, and
/// costs a packet each.
pub(super) const BATCH_FOR: Duration = Duration::from_millis(50);
/// Changes of the list are gathered this long.
pub(super) const ROWS_FOR: Duration = Duration::from_millis(30);
/// Conversations one member of staff may have open on one socket.
pub(super) const MAX_OPEN: usize = 16;
/// Pieces that go out together at once.
pub(super) const BATCH_PIECES: usize = 4;

/// Why a socket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed, or is gone.
    Gone,
    /// The server is going down.
    Drain,
    /// Close with a code and a reason.
    Close(u16, &'static str),
    /// The client does not read.
    Stuck,
}

/// Close codes of the contract.
pub(super) mod code {
    pub(crate) const INVALID_UTF8: u16 = 1007;
    pub(crate) const POLICY: u16 = 1008;
    pub(crate) const TOO_BIG: u16 = 1009;
    pub(crate) const RESTART: u16 = 1012;
    pub(crate) const PROTOCOL: u16 = 1002;
    pub(crate) const UNSUPPORTED: u16 = 1003;
    pub(crate) const TOKEN_EXPIRED: u16 = 4001;
    pub(crate) const FORBIDDEN: u16 = 4003;
    pub(crate) const SLOW: u16 = 4008;
    pub(crate) const REPLACED: u16 = 4009;
    pub(crate) const RATE_LIMITED: u16 = 4029;
}
