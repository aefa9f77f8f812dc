//! Sessions: a random id in the browser, its hash here. They end after 12 hours without use and after 7 days in any case.

use serde::Serialize;

use super::StaffError;
use super::accounts::Accounts;
use super::data::{Data, From, Role, Session};
use super::second;
use super::secret::{Hashed, fresh};
use crate::clock::Millis;

/// Without use.
pub const IDLE: Millis = 12 * 3_600_000;
/// In any case.
pub const ABSOLUTE: Millis = 7 * 86_400_000;
/// Sessions one account may have; the oldest makes room.
const MAX_SESSIONS: usize = 20;
/// Longer than any session's id.
const MAX_TOKEN: usize = 128;

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub name: String,
    pub display: String,
    pub role: Role,
    pub session: Hashed,
    /// The session ends then, whatever happens.
    pub expires_at: Millis,
}

/// A session that has just begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    pub seat: Seat,
    /// The session's id, for the cookie; nobody else ever sees it.
    pub token: String,
}

/// A session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SessionView {
    pub id: String,
    pub created_at: Millis,
    pub seen_at: Millis,
    pub address: String,
    pub agent: String,
    pub current: bool,
}

impl Session {
    pub(super) fn is_over(&self, now: Millis) -> bool {
        now >= self.seen_at + IDLE || now >= self.created_at + ABSOLUTE
    }
}

impl Data {
    /// Begins a session.
    pub(super) fn enter(&mut self, name: &str, from: From, now: Millis) -> Entered {
        let token = fresh("");
        let session = Hashed::of(&token);
        let agent = crate::domain::text::clean(&from.agent).chars().take(200).collect();
        let from = From { agent, ..from };
        let row = Session { account: name.to_owned(), created_at: now, seen_at: now, from };
        self.sessions.retain(|_, other| !other.is_over(now));
        while self.sessions.values().filter(|other| other.account == name).count() >= MAX_SESSIONS {
            let oldest = self
                .sessions
                .iter()
                .filter(|(_, other)| other.account == name)
                .min_by_key(|(_, s)| s.seen_at);
            let Some(oldest) = oldest.map(|(hash, _)| hash.clone()) else { break };
            self.sessions.remove(&oldest);
        }
        self.sessions.insert(session.clone(), row);
        let account = self.accounts.get_mut(name).expect("its caller has just found it. This is a bug.");
        account.login_at = Some(now);
        let seat = Seat {
            name: name.to_owned(),
            display: account.display.clone(),
            role: account.role,
            session,
            expires_at: now + ABSOLUTE,
        };
        Entered { seat, token }
    }

    fn seat(&self, session: &Hashed, now: Millis, seen: Option<Millis>) -> Option<Seat> {
        let row = self.sessions.get(session)?;
        let row = Session { seen_at: row.seen_at.max(seen.unwrap_or(0)), ..row.clone() };
        let account = self.account(&row.account).filter(|account| account.is_active())?;
        (!row.is_over(now)).then(|| Seat {
            name: row.account.clone(),
            display: account.display.clone(),
            role: account.role,
            session: session.clone(),
            expires_at: row.created_at + ABSOLUTE,
        })
    }
}

impl Accounts {
    /// Who has the session `token`; counts as use.
    pub fn authenticate(&self, token: &str) -> Option<Seat> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let session = Hashed::of(token);
        let seat = self.seat(&session)?;
        self.touch(&session);
        Some(seat)
    }

    /// Who has the session with this hash, if it still runs.
    pub fn seat(&self, session: &Hashed) -> Option<Seat> {
        let seen = self.seen().get(session).copied();
        self.0.file.get().seat(session, self.0.clock.now(), seen)
    }

    /// The session is in use.
    pub fn touch(&self, session: &Hashed) {
        self.seen().insert(session.clone(), self.0.clock.now());
    }

    /// Lets somebody in whose password was found to fit `verified`. An account with a second factor needs `code`.
    pub fn enter(
        &self,
        name: &str,
        verified: &str,
        code: Option<&str>,
        from: From,
    ) -> Result<Entered, StaffError> {
        let now = self.0.clock.now();
        self.0.file.change(|data| {
            let account = data.account_mut(name).ok_or(StaffError::LoginFailed)?;
            // It may have changed while the hash was being computed.
            if account.password.as_deref() != Some(verified) {
                return Err(StaffError::LoginFailed);
            }
            if let Some(totp) = &mut account.totp {
                second::consume(totp, code.ok_or(StaffError::CodeRequired)?, now)?;
            }
            Ok(data.enter(name, from, now))
        })
    }

    /// A new password (PHC form) in place of `verified`: every session ends, and a new one begins.
    pub fn set_password(
        &self,
        name: &str,
        verified: &str,
        new: String,
        from: From,
    ) -> Result<Entered, StaffError> {
        let now = self.0.clock.now();
        self.0.file.change(|data| {
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            if account.password.as_deref() != Some(verified) {
                return Err(StaffError::PasswordWrong);
            }
            account.password = Some(new);
            data.end_sessions(name);
            data.links.retain(|link| link.name.as_deref() != Some(name));
            Ok(data.enter(name, from, now))
        })
    }

    /// Ends one session.
    pub fn leave(&self, session: &Hashed) -> Result<(), StaffError> {
        self.seen().remove(session);
        self.0.file.change(|data| {
            data.sessions.remove(session);
            Ok(())
        })
    }

    /// Ends all sessions of `name` but one.
    pub fn leave_others(&self, name: &str, keep: &Hashed) -> Result<(), StaffError> {
        self.0.file.change(|data| {
            data.sessions.retain(|hash, session| session.account != name || hash == keep);
            Ok(())
        })
    }

    /// The sessions of `name`, the newest use first.
    pub fn sessions(&self, name: &str, current: &Hashed) -> Vec<SessionView> {
        let now = self.0.clock.now();
        let seen = self.seen().clone();
        let data = self.0.file.get();
        let mut views: Vec<SessionView> = data
            .sessions
            .iter()
            .filter(|(_, session)| session.account == name && !session.is_over(now))
            .map(|(hash, session)| SessionView {
                id: hash.short().to_owned(),
                created_at: session.created_at,
                seen_at: session.seen_at.max(seen.get(hash).copied().unwrap_or(0)),
                address: session.from.address.clone(),
                agent: session.from.agent.clone(),
                current: hash == current,
            })
            .collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.seen_at));
        views
    }
}
