//! What only staff have on a socket: the list, several conversations open at once, colleagues to give one to, and drafts.

use tokio::time::Instant;

use super::session::Socket;
use super::{End, MAX_OPEN};
use crate::chat::{DeskError, Suggestion};
use crate::domain::{ConvId, Refusal, Seq, StaffId};
use crate::staff::Entry;
use crate::staff::board::{Changed, MAX_PAGE, Query, RowPage};
use crate::web::staff;
use crate::web::wire::{ClientFrame, ServerFrame};

/// Rows of a page whose client does not say how many it wants.
const PAGE: usize = 100;

impl Socket {
    /// Answers `list` with a page; from the first one on the socket hears of changes. Listens first, then reads.
    pub(super) async fn list(&mut self, frame: ClientFrame) -> Result<(), End> {
        let ClientFrame::List { tab, tag, staff, after, limit } = frame else { return Ok(()) };
        let board = self.state.staff.board.clone();
        if self.watcher.is_none() {
            self.watcher = Some(board.watch());
        }
        let (me, at) = (self.me(), self.state.clock.now());
        let query = Query {
            tab: Some(tab),
            tag: tag.clone(),
            staff: staff.clone(),
            after: after.clone(),
            limit: limit.unwrap_or(PAGE),
            ..Query::default()
        };
        let page = board.page(&query, &me);
        let counts = board.counts(&me);
        let RowPage { rows, next } = page;
        self.send(&ServerFrame::List { at, tab, tag, staff, after, rows, next, counts }).await
    }

    /// Sends what changed in the list since the last time.
    pub(super) async fn rows(&mut self) -> Result<(), End> {
        (self.rows_due, self.rows_at) = (None, Instant::now());
        let Some(watcher) = &self.watcher else { return Ok(()) };
        let Changed { rows, gone, all } = watcher.take();
        if all {
            return self.send(&ServerFrame::Relist).await;
        }
        let board = self.state.staff.board.clone();
        let counts = board.counts(&self.me());
        let mut rows = board.rows(rows);
        rows.sort_by_key(|row| (row.updated_at, row.conv));
        let mut gone: Vec<ConvId> = gone.into_iter().collect();
        while !rows.is_empty() || !gone.is_empty() {
            let rest = rows.split_off(rows.len().min(MAX_PAGE));
            let part = std::mem::replace(&mut rows, rest);
            self.send(&ServerFrame::Rows { rows: part, gone: std::mem::take(&mut gone), counts }).await?;
        }
        Ok(())
    }

    /// Follows one more conversation.
    pub(super) async fn open(&mut self, conv: ConvId, seq: Seq) -> Result<(), End> {
        if self.follow(conv).is_none() && self.follows.len() >= MAX_OPEN {
            let message = format!("close a conversation first: {MAX_OPEN} are open");
            return self.refuse("too_many_open", message).await;
        }
        match self.state.desk.attach(conv, &self.outlet) {
            Ok(0) => {
                self.state.desk.leave(conv, &self.outlet);
                let fault = Refusal::Unknown;
                self.refuse(fault.code(), fault.to_string()).await
            }
            Ok(head) => {
                self.start_following(conv, seq);
                self.send(&ServerFrame::Opened { conv, head }).await?;
                self.catch_up(conv).await
            }
            Err(fault) => self.refuse(fault.code(), fault.to_string()).await,
        }
    }

    /// Gives a conversation to somebody who can answer, and writes down who did.
    pub(super) async fn assign(
        &self,
        conv: ConvId,
        staff: String,
        from: Option<String>,
    ) -> Result<(), DeskError> {
        let accounts = &self.state.staff.accounts;
        if accounts.profile(&staff).is_none_or(|profile| !profile.active) {
            return Err(Refusal::NoSuchColleague.into());
        }
        let by = self.me();
        let entry = Entry::new(&by.0, "conversation_assigned").on(&conv.to_string()).detail(&staff);
        self.state.desk.assign(conv, StaffId(staff), from.map(StaffId), by).await?;
        if let Err(fault) = staff::note(&self.state, entry.from(&self.ip.to_string())).await {
            tracing::error!(%conv, %fault, "who assigned a conversation could not be written down");
        }
        Ok(())
    }

    /// Follows a conversation no more.
    pub(super) fn close(&mut self, conv: ConvId) {
        let before = self.follows.len();
        self.follows.retain(|follow| follow.conv != conv);
        if self.follows.len() < before {
            self.state.desk.leave(conv, &self.outlet);
            self.leave(conv);
        }
        self.unsuggest(conv);
    }

    /// Colleagues see that a person has the conversation open; programs are not shown.
    pub(super) fn enter(&self, conv: ConvId) {
        if self.seat.is_some() {
            self.state.staff.board.enter(conv, &self.me());
        }
    }

    fn leave(&self, conv: ConvId) {
        if self.seat.is_some() {
            self.state.staff.board.leave(conv, &self.me());
        }
    }

    pub(super) fn leave_all(&self) {
        self.follows.iter().for_each(|follow| self.leave(follow.conv));
    }

    /// No more of the draft for `conv`, if one is being made.
    pub(super) fn unsuggest(&self, conv: ConvId) {
        if let Some(suggesting) = self.suggesting.as_ref().filter(|one| one.conv == conv) {
            suggesting.stop();
        }
    }

    /// A piece of the draft this client asked for last; those of an older one are late.
    pub(super) async fn suggestion(&mut self, piece: Suggestion) -> Result<(), End> {
        if self.suggesting.as_ref().is_none_or(|one| one.id != piece.id) {
            return Ok(());
        }
        let Suggestion { conv, off, text, ended, .. } = piece;
        if ended.is_some() {
            self.suggesting = None;
        }
        self.send_text(ServerFrame::Suggestion { conv, off, text, ended }.to_padded_text()).await
    }

    fn me(&self) -> StaffId {
        self.principal.staff().cloned().unwrap_or_else(|| StaffId(String::new()))
    }
}
