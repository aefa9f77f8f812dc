//! The task of one socket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::web;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::follow::{Follow, Outgoing, Piece, Step};
use super::{BEAT, End, HELLO_WITHIN, INBOX, MISSES, ROWS_FOR, SEND_WITHIN, code};
use crate::chat::Suggesting;
use crate::chat::hub::{Inbox, Notice, Outlet, Who};
use crate::domain::{ConvId, Event};
use crate::staff::Seat;
use crate::staff::board::Watcher;
use crate::telemetry::metric;
use crate::web::auth::extract::Caller;
use crate::web::auth::{Claims, Principal};
use crate::web::guard::{Verdict, VerdictCell};
use crate::web::state::State;
use crate::web::wire::{ClientFrame, ServerFrame, Viewer, WireEvent};

/// Both directions of one socket.
pub(super) struct Socket {
    pub(super) state: web::Data<State>,
    session: Session,
    inbox: Inbox,
    pub(super) outlet: Outlet,
    pub(super) principal: Principal,
    pub(super) claims: Option<Claims>,
    pub(super) seat: Option<Seat>,
    key: Option<String>,
    /// For staff who asked for the list: what changed in it, when that has to go out, and when the last did.
    pub(super) watcher: Option<Arc<Watcher>>,
    pub(super) rows_due: Option<Instant>,
    pub(super) rows_at: Instant,
    /// For staff: accounts, sessions or keys changed.
    standing: Option<watch::Receiver<u64>>,
    pub(super) ip: IpAddr,
    expired: bool,
    leaving: watch::Receiver<bool>,
    drain: watch::Receiver<bool>,
    pub(super) follows: Vec<Follow>,
    /// For staff: the draft that was asked for last.
    pub(super) suggesting: Option<Suggesting>,
    pub(super) greeted: bool,
    /// When the next heartbeat is due, or the client has to have said `hello`.
    beat: Instant,
    missed: u8,
}

impl Socket {
    pub(super) fn new(state: web::Data<State>, session: Session, caller: Caller, ip: IpAddr) -> Self {
        let (outlet, inbox) = Outlet::new(INBOX);
        let (leaving, drain) = (state.leaving.subscribe(), state.drain.subscribe());
        let lasting = caller.seat.is_some() || caller.key.is_some();
        let standing = lasting.then(|| state.staff.accounts.changes());
        Self {
            session,
            inbox,
            outlet,
            principal: caller.principal,
            claims: caller.claims,
            seat: caller.seat,
            key: caller.key,
            watcher: None,
            rows_due: None,
            rows_at: Instant::now(),
            standing,
            ip,
            expired: caller.expired,
            leaving,
            drain,
            follows: Vec::new(),
            suggesting: None,
            greeted: false,
            beat: Instant::now() + HELLO_WITHIN,
            missed: 0,
            state,
        }
    }

    /// Runs until either side ends it.
    pub(super) async fn run(
        mut self: Box<Self>,
        mut messages: Box<AggregatedMessageStream>,
        verdict: VerdictCell,
    ) {
        metrics::gauge!(metric::CONNECTIONS).increment(1.0);
        let end = self.live(&mut messages, &verdict).await;
        self.state.desk.unsubscribe(&self.outlet);
        self.leave_all();
        Box::pin(self.finish(end, messages)).await;
        metrics::gauge!(metric::CONNECTIONS).decrement(1.0);
    }

    async fn live(&mut self, messages: &mut AggregatedMessageStream, verdict: &VerdictCell) -> End {
        if self.expired {
            return End::Close(code::TOKEN_EXPIRED, "token expired");
        }
        loop {
            let due = self.due();
            // Who reads an answer reads it to its end, or until the server cuts it short.
            let told_all = self.inbox.is_empty();
            let idle = told_all && !self.follows.iter().any(Follow::is_answered);
            // Boxed, because a task is as large as its largest state, and most sockets are idle most of the time.
            let step = tokio::select! {
                message = messages.recv() => Box::pin(self.heard(message, verdict)).await,
                notice = self.inbox.next() => Box::pin(self.told(notice)).await,
                () = raised(&mut self.leaving), if idle => Err(End::Drain),
                () = raised(&mut self.drain), if told_all => Err(End::Drain),
                () = rung(self.watcher.as_deref().filter(|_| self.rows_due.is_none())) => {
                    // The first of a burst at once, what follows it together.
                    self.rows_due = Some(Instant::now().max(self.rows_at + ROWS_FOR));
                    Ok(())
                }
                () = changed(&mut self.standing) => self.check_standing(),
                () = sleep_until(due) => Box::pin(self.tick()).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Says goodbye as far as the client still listens.
    async fn finish(mut self: Box<Self>, end: End, mut messages: Box<AggregatedMessageStream>) {
        let (code, reason) = match end {
            End::Gone | End::Stuck => return,
            End::Drain => {
                let _ = self.flush_all().await;
                let bye = ServerFrame::Bye { reconnect_in_ms: rand::random_range(500..8_000) };
                if self.send(&bye).await.is_err() {
                    return;
                }
                (code::RESTART, "restart")
            }
            End::Close(code, reason) => (code, reason),
        };
        let reason = CloseReason { code: CloseCode::from(code), description: Some(reason.to_owned()) };
        if !matches!(timeout(SEND_WITHIN, self.session.close(Some(reason))).await, Ok(Ok(()))) {
            return;
        }
        // What still arrives is read for a moment: closing on unread bytes would reset the connection, and the client
        // would never see why.
        let _ = timeout(SEND_WITHIN, async { while let Some(Ok(_)) = messages.recv().await {} }).await;
    }

    fn due(&self) -> Instant {
        self.follows.iter().filter_map(Follow::due).chain(self.rows_due).fold(self.beat, Instant::min)
    }

    async fn heard(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
        verdict: &VerdictCell,
    ) -> Result<(), End> {
        self.missed = 0;
        match message {
            None => Err(End::Gone),
            Some(Err(fault)) => Err(fault_end(&fault, verdict)),
            Some(Ok(AggregatedMessage::Text(text))) => self.text(&text).await,
            Some(Ok(AggregatedMessage::Binary(_))) => Err(End::Close(code::UNSUPPORTED, "text frames only")),
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                let sent = timeout(SEND_WITHIN, self.session.pong(&bytes)).await;
                sent_or_end(sent)
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Close(reason))) => {
                let _ = timeout(SEND_WITHIN, self.session.clone().close(reason)).await;
                Err(End::Gone)
            }
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), End> {
        self.check_standing()?;
        match ClientFrame::parse(text) {
            Ok(frame) if self.greeted || matches!(frame, ClientFrame::Hello { .. }) => self.obey(frame).await,
            Ok(_) => Err(End::Close(code::POLICY, "say hello first")),
            Err(fault) => self.refuse(fault.code(), fault.to_string()).await,
        }
    }

    /// Ends the socket once what opened it no longer would.
    fn check_standing(&self) -> Result<(), End> {
        if self.claims.as_ref().is_some_and(|claims| self.state.tokens.is_expired(claims)) {
            return Err(End::Close(code::TOKEN_EXPIRED, "token expired"));
        }
        let accounts = &self.state.staff.accounts;
        if let Some(seat) = &self.seat
            && accounts.seat(&seat.session).is_none_or(|now| now.role != seat.role)
        {
            return Err(End::Close(code::TOKEN_EXPIRED, "session ended"));
        }
        if self.key.as_ref().is_some_and(|key| !accounts.has_key(key)) {
            return Err(End::Close(code::TOKEN_EXPIRED, "key ended"));
        }
        Ok(())
    }

    async fn told(&mut self, notice: Option<Notice>) -> Result<(), End> {
        match notice {
            None => Err(End::Close(code::SLOW, "slow consumer")),
            Some(Notice::Event(event)) => self.event(&event).await,
            // A shopper comes back by a new session, to a new conversation; staff hear of it by their list.
            Some(Notice::Gone(_)) if self.claims.is_some() => Err(End::Close(code::TOKEN_EXPIRED, "erased")),
            Some(Notice::Gone(conv)) => {
                self.follows.retain(|follow| follow.conv != conv);
                Ok(())
            }
            Some(Notice::Delta(delta)) => {
                let Some(follow) = self.follow(delta.conv) else { return Ok(()) };
                match follow.delta(&delta, Instant::now()) {
                    Piece::Send(piece) => self.piece(delta.conv, piece).await,
                    Piece::Wait => Ok(()),
                    Piece::Gap => self.catch_up(delta.conv).await,
                }
            }
            Some(Notice::Suggestion(piece)) => self.suggestion(*piece).await,
            Some(Notice::Queued { conv, .. } | Notice::Typing { conv, .. })
                if self.follow(conv).is_none() =>
            {
                Ok(())
            }
            Some(Notice::Queued { conv, position }) => {
                self.send(&ServerFrame::Queued { conv, position }).await
            }
            Some(Notice::Typing { conv, who, by }) => {
                // Other tabs of whoever types need not be told.
                let (own, staff) = match self.viewer() {
                    Viewer::Staff => (by.is_some() && by.as_ref() == self.principal.staff(), by),
                    Viewer::Shopper => (who == Who::Shopper, None),
                };
                if own {
                    return Ok(());
                }
                let staff = staff.map(|staff| staff.0);
                self.send(&ServerFrame::Typing { conv, who: who.into(), staff }).await
            }
        }
    }

    pub(super) async fn event(&mut self, event: &Event) -> Result<(), End> {
        let Some(follow) = self.follow(event.conv) else { return Ok(()) };
        let pieces = follow.flush();
        match follow.event(event) {
            Step::Skip => {}
            Step::Gap => return self.catch_up(event.conv).await,
            Step::Send => {
                if let Some(piece) = pieces {
                    self.piece(event.conv, piece).await?;
                }
                let frame = ServerFrame::Event(WireEvent::of(event, self.viewer()));
                return self.send(&frame).await;
            }
        }
        match pieces {
            Some(piece) => self.piece(event.conv, piece).await,
            None => Ok(()),
        }
    }

    /// Heartbeat, gathered pieces, and the end of those who never said hello or never answer.
    async fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let ready: Vec<ConvId> =
            self.follows.iter().filter(|f| f.due().is_some_and(|due| due <= now)).map(|f| f.conv).collect();
        for conv in ready {
            if let Some(piece) = self.follow(conv).and_then(Follow::flush) {
                self.piece(conv, piece).await?;
            }
        }
        if self.rows_due.is_some_and(|due| due <= now) {
            Box::pin(self.rows()).await?;
        }
        if now < self.beat {
            return Ok(());
        }
        if !self.greeted {
            return Err(End::Close(code::POLICY, "no hello within 10 s"));
        }
        self.check_standing()?;
        if let Some(seat) = &self.seat {
            // A socket that is open is a session in use.
            self.state.staff.accounts.touch(&seat.session);
        }
        if self.missed >= MISSES {
            return Err(End::Gone);
        }
        self.missed += 1;
        self.beat = now + BEAT;
        let heads = self.heads();
        self.send(&ServerFrame::Hb { heads }).await?;
        sent_or_end(timeout(SEND_WITHIN, self.session.ping(b"")).await)
    }

    /// From now on the heart beats.
    pub(super) fn greet(&mut self) {
        if !self.greeted {
            self.greeted = true;
            self.beat = Instant::now() + BEAT;
        }
    }

    fn heads(&self) -> BTreeMap<ConvId, u64> {
        let newest = |f: &Follow| match self.state.desk.head(f.conv) {
            Ok(Some(head)) => head.seq,
            Ok(None) | Err(_) => f.last,
        };
        self.follows.iter().map(|f| (f.conv, newest(f))).collect()
    }

    pub(super) fn viewer(&self) -> Viewer {
        if self.principal.staff().is_some() { Viewer::Staff } else { Viewer::Shopper }
    }

    pub(super) fn follow(&mut self, conv: ConvId) -> Option<&mut Follow> {
        self.follows.iter_mut().find(|f| f.conv == conv)
    }

    async fn flush_all(&mut self) -> Result<(), End> {
        let pieces: Vec<(ConvId, Outgoing)> =
            self.follows.iter_mut().filter_map(|f| f.flush().map(|piece| (f.conv, piece))).collect();
        for (conv, piece) in pieces {
            self.piece(conv, piece).await?;
        }
        Ok(())
    }

    pub(super) async fn piece(&mut self, conv: ConvId, piece: Outgoing) -> Result<(), End> {
        let Outgoing { mid, off, text } = piece;
        let frame = ServerFrame::Delta { conv, mid, off, text };
        self.send_text(frame.to_padded_text()).await
    }

    pub(super) async fn refuse(&mut self, code: &str, message: String) -> Result<(), End> {
        self.send(&ServerFrame::Error { code: code.to_owned(), message, cmid: None, retry_after: None }).await
    }

    pub(super) async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        self.send_text(frame.to_text()).await
    }

    pub(super) async fn send_text(&mut self, text: String) -> Result<(), End> {
        sent_or_end(timeout(SEND_WITHIN, self.session.text(text)).await)
    }
}

type Sent = Result<Result<(), actix_ws::Closed>, tokio::time::error::Elapsed>;

fn sent_or_end(sent: Sent) -> Result<(), End> {
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Stuck),
    }
}

async fn raised(flag: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = flag.wait_for(|on| *on).await;
}

/// Never for those who do not look at the list.
async fn rung(watcher: Option<&Watcher>) {
    match watcher {
        Some(watcher) => watcher.ring().await,
        None => std::future::pending().await,
    }
}

/// Never for those whose standing cannot change.
async fn changed(standing: &mut Option<watch::Receiver<u64>>) {
    // An error means that the server itself is gone; the drain says so.
    if let Some(standing) = standing
        && standing.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn fault_end(fault: &ProtocolError, verdict: &VerdictCell) -> End {
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
