//! How a socket ends: what its standing is worth, which code is said, and how far the client is waited for.

use actix_ws::{CloseCode, CloseReason, MessageStream, ProtocolError};
use tokio::time::timeout;

use super::session::Socket;
use super::{End, SEND_WITHIN, code};
use crate::web::auth::Principal;
use crate::web::guard::{Verdict, VerdictCell};
use crate::web::wire::ServerFrame;

impl End {
    /// The code, and the reason that goes with it; `None` if there is nobody to tell.
    fn close(&self) -> Option<(u16, &'static str)> {
        match self {
            Self::Gone => None,
            Self::Drain => Some((code::RESTART, "restart")),
            Self::Stuck => Some((code::SLOW, "slow consumer")),
            Self::Close(code, reason) => Some((*code, reason)),
        }
    }

    /// The value of a metric's label.
    pub(super) fn label(&self) -> String {
        self.close().map_or_else(|| "none".to_owned(), |(code, _)| code.to_string())
    }
}

impl Socket {
    /// Ends the socket once what opened it no longer would: an end of the session is 4001, a right taken away 4003.
    pub(super) fn check_standing(&self) -> Result<(), End> {
        let over = |reason| Err(End::Close(code::TOKEN_EXPIRED, reason));
        let forbidden = |reason| Err(End::Close(code::FORBIDDEN, reason));
        if self.expired || self.claims.as_ref().is_some_and(|claims| self.state.tokens.is_expired(claims)) {
            return over("token expired");
        }
        let staff = &self.state.staff;
        if let Principal::Shopper(shopper) = &self.principal
            && staff.team.is_blocked(*shopper)
        {
            return forbidden("blocked");
        }
        if let Some(seat) = &self.seat {
            match staff.accounts.seat(&seat.session) {
                Some(now) if now.role != seat.role => return forbidden("role changed"),
                None if staff.accounts.profile(&seat.name).is_none() => return forbidden("account removed"),
                None => return over("session ended"),
                Some(_) => {}
            }
        }
        if self.key.as_ref().is_some_and(|key| !staff.accounts.has_key(key)) {
            return over("key ended");
        }
        Ok(())
    }

    /// Says goodbye as far as the client still listens.
    pub(super) async fn finish(mut self: Box<Self>, end: End, mut messages: Box<MessageStream>) {
        let Some((code, reason)) = end.close() else { return };
        if end == End::Drain {
            let _ = self.flush_all().await;
            let bye = ServerFrame::Bye { reconnect_in_ms: rand::random_range(500..8_000) };
            if self.send(&bye).await.is_err() {
                return;
            }
        }
        // What waits in the inbox is not kept for a client that takes its time to leave.
        let Self { out, inbox, drain: _drain, .. } = *self;
        drop(inbox);
        let reason = CloseReason { code: CloseCode::from(code), description: Some(reason.to_owned()) };
        if !out.close(Some(reason)).await {
            return;
        }
        // What still arrives is read for a moment: closing on unread bytes would reset the connection, and the client
        // would never see why.
        let _ = timeout(SEND_WITHIN, async { while let Some(Ok(_)) = messages.recv().await {} }).await;
    }
}

pub(super) fn fault_end(fault: &ProtocolError, verdict: &VerdictCell) -> End {
    match verdict.get() {
        Some(Verdict::TooBig) => return End::Close(code::TOO_BIG, "too big"),
        Some(Verdict::Flood) => return End::Close(code::RATE_LIMITED, "too many frames"),
        Some(Verdict::Malformed) => return End::Close(code::PROTOCOL, "not RFC 6455"),
        None => {}
    }
    match fault {
        ProtocolError::Overflow => End::Close(code::TOO_BIG, "too big"),
        ProtocolError::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            End::Close(code::INVALID_UTF8, "invalid UTF-8")
        }
        ProtocolError::Io(_) => End::Gone,
        _ => End::Close(code::PROTOCOL, "not RFC 6455"),
    }
}
