//! The task of one socket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::web;
use actix_ws::{Message, MessageStream, ProtocolError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::end::fault_end;
use super::follow::{Follow, Outgoing, Piece, Step};
use super::out::Out;
use super::parts::{Part, Parts};
use super::sessions::{Member, Session};
use super::{End, INBOX, INBOX_BYTES, MISSES, ROWS_FOR, code};
use crate::chat::Suggesting;
use crate::chat::hub::{Inbox, Notice, Outlet, Who};
use crate::domain::{ConvId, Event};
use crate::staff::Seat;
use crate::staff::board::Watcher;
use crate::telemetry::metric;
use crate::web::auth::extract::Caller;
use crate::web::auth::{Claims, Principal};
use crate::web::guard::{MAX_FRAME, VerdictCell};
use crate::web::state::State;
use crate::web::wire::{ClientFrame, ServerFrame, Viewer, WireEvent};

/// Both directions of one socket.
pub(super) struct Socket {
    pub(super) state: web::Data<State>,
    pub(super) out: Out,
    pub(super) inbox: Inbox,
    pub(super) outlet: Outlet,
    pub(super) principal: Principal,
    pub(super) claims: Option<Claims>,
    pub(super) seat: Option<Seat>,
    pub(super) key: Option<String>,
    /// Its place among the sockets of its session.
    member: Option<Member>,
    /// For staff who asked for the list: what changed in it, when that has to go out, and when the last did.
    pub(super) watcher: Option<Arc<Watcher>>,
    pub(super) rows_due: Option<Instant>,
    pub(super) rows_at: Instant,
    /// For staff: accounts, sessions or keys changed. For shoppers: who is blocked may have.
    standing: Option<watch::Receiver<u64>>,
    pub(super) ip: IpAddr,
    pub(super) expired: bool,
    leaving: watch::Receiver<bool>,
    pub(super) drain: watch::Receiver<bool>,
    pub(super) follows: Vec<Follow>,
    /// For staff: the draft that was asked for last.
    pub(super) suggesting: Option<Suggesting>,
    pub(super) greeted: bool,
    /// When the next heartbeat is due, or the client has to have said `hello`.
    beat: Instant,
    missed: u8,
    parts: Parts,
}

impl Socket {
    pub(super) fn new(state: web::Data<State>, out: Out, caller: Caller, ip: IpAddr) -> Self {
        let (outlet, inbox) = Outlet::new(INBOX, INBOX_BYTES);
        let (leaving, drain) = (state.leaving.subscribe(), state.drain.subscribe());
        let standing = if caller.claims.is_some() {
            Some(state.staff.team.changes())
        } else {
            (caller.seat.is_some() || caller.key.is_some()).then(|| state.staff.accounts.changes())
        };
        Self {
            out,
            inbox,
            outlet,
            member: Session::of(&caller).map(|session| state.sessions.enter(session)),
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
            beat: Instant::now() + state.settings.hello_within(),
            missed: 0,
            parts: Parts::default(),
            state,
        }
    }

    /// Runs until either side ends it.
    pub(super) async fn run(mut self: Box<Self>, mut messages: Box<MessageStream>, verdict: VerdictCell) {
        metrics::gauge!(metric::CONNECTIONS).increment(1.0);
        let end = self.live(&mut messages, &verdict).await;
        self.state.desk.unsubscribe(&self.outlet);
        self.leave_all();
        metrics::counter!(metric::SOCKETS_ENDED, "code" => end.label()).increment(1);
        Box::pin(self.finish(end, messages)).await;
        metrics::gauge!(metric::CONNECTIONS).decrement(1.0);
    }

    async fn live(&mut self, messages: &mut MessageStream, verdict: &VerdictCell) -> End {
        if let Err(end) = self.check_standing() {
            return end;
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
                () = replaced(self.member.as_ref()) => Err(End::Close(code::REPLACED, "replaced")),
                () = sleep_until(due) => Box::pin(self.tick()).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn due(&self) -> Instant {
        self.follows.iter().filter_map(Follow::due).chain(self.rows_due).fold(self.beat, Instant::min)
    }

    async fn heard(
        &mut self,
        message: Option<Result<Message, ProtocolError>>,
        verdict: &VerdictCell,
    ) -> Result<(), End> {
        self.missed = 0;
        match message {
            None => Err(End::Gone),
            Some(Err(fault)) => Err(fault_end(&fault, verdict)),
            Some(Ok(Message::Text(text))) => self.text(&text).await,
            Some(Ok(Message::Binary(_))) => Err(End::Close(code::UNSUPPORTED, "text frames only")),
            Some(Ok(Message::Ping(bytes))) => self.out.pong(&bytes).await,
            Some(Ok(Message::Pong(_) | Message::Nop)) => Ok(()),
            Some(Ok(Message::Continuation(item))) => match self.parts.take(item) {
                Part::More => Ok(()),
                Part::Whole(text) => self.text(&text).await,
                Part::TooLong => self.refuse("bad_frame", format!("longer than {MAX_FRAME} bytes")).await,
                Part::Binary => Err(End::Close(code::UNSUPPORTED, "text frames only")),
                Part::NotText => Err(End::Close(code::INVALID_UTF8, "invalid UTF-8")),
            },
            Some(Ok(Message::Close(reason))) => {
                self.out.close_back(reason).await;
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
            return Err(End::Close(code::POLICY, "no hello in time"));
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
        self.beat = now + self.state.settings.heartbeat();
        let heads = self.heads();
        self.send(&ServerFrame::Hb { heads }).await?;
        self.out.ping().await
    }

    /// From now on the heart beats.
    pub(super) fn greet(&mut self) {
        if !self.greeted {
            self.greeted = true;
            self.beat = Instant::now() + self.state.settings.heartbeat();
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

    pub(super) async fn flush_all(&mut self) -> Result<(), End> {
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
        self.out.text(text).await
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

/// Never for those who are not counted.
async fn replaced(member: Option<&Member>) {
    match member {
        Some(member) => member.replaced().await,
        None => std::future::pending().await,
    }
}
