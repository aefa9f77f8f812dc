//! Who belongs to the staff. Changes block until they are on the disk; looking is cheap.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::sync::watch;

use super::StaffError;
use super::data::{Account, Data, Role};
use super::file::Durable;
use super::secret::Hashed;
use crate::clock::{Clock, Millis};

/// Accounts, removed ones included.
const MAX_ACCOUNTS: usize = 1_000;

/// Accounts, their sessions, links and keys. Clones are one.
#[derive(Clone, Debug)]
pub struct Accounts(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) file: Durable<Data>,
    pub(super) clock: Clock,
    /// When sessions and keys were used since the file was written.
    pub(super) seen: Mutex<HashMap<Hashed, Millis>>,
}

/// An account as colleagues see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    pub name: String,
    pub display: String,
    pub role: Role,
    /// False until the invited person has chosen a password.
    pub active: bool,
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery_left: usize,
    pub created_at: Millis,
    pub login_at: Option<Millis>,
}

impl Profile {
    fn of(name: &str, account: &Account) -> Self {
        Self {
            name: name.to_owned(),
            display: account.display.clone(),
            role: account.role,
            active: account.is_active(),
            totp: account.totp.is_some(),
            recovery_left: account.totp.as_ref().map_or(0, |totp| totp.recovery.len()),
            created_at: account.created_at,
            login_at: account.login_at,
        }
    }
}

impl Accounts {
    /// The accounts in `folder/accounts.json`; none if there is no such file.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, StaffError> {
        let file = Durable::open(folder.join("accounts.json"))?;
        Ok(Self(Arc::new(Inner { file, clock, seen: Mutex::default() })))
    }

    /// Grows whenever an account, a session or a key changed: whoever relies on one looks again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.file.changes()
    }

    /// Notices changes that another process made.
    pub fn look(&self) {
        self.0.file.get();
    }

    /// True while there is nobody: the first admin has to be set up.
    pub fn is_empty(&self) -> bool {
        self.0.file.get().accounts.values().all(|account| account.removed_at.is_some())
    }

    pub fn profile(&self, name: &str) -> Option<Profile> {
        self.0.file.get().account(name).map(|account| Profile::of(name, account))
    }

    /// Everybody, by name.
    pub fn profiles(&self) -> Vec<Profile> {
        let data = self.0.file.get();
        let there = data.accounts.iter().filter(|(_, account)| account.removed_at.is_none());
        there.map(|(name, account)| Profile::of(name, account)).collect()
    }

    /// What everybody is or was called: who left is still named in what was written.
    pub fn displays(&self) -> Vec<String> {
        self.0.file.get().accounts.values().map(|account| account.display.clone()).collect()
    }

    /// The hash of an account's password, in PHC form.
    pub fn password_of(&self, name: &str) -> Option<String> {
        self.0.file.get().account(name).and_then(|account| account.password.clone())
    }

    /// A new display name or role.
    pub fn edit(&self, name: &str, display: Option<&str>, role: Option<Role>) -> Result<Profile, StaffError> {
        let display = display.map(check_display).transpose()?;
        self.0.file.change(|data| {
            if role == Some(Role::Agent) && data.is_last_admin(name) {
                return Err(StaffError::LastAdmin);
            }
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            if let Some(display) = display {
                account.display = display;
            }
            if let Some(role) = role {
                account.role = role;
            }
            Ok(Profile::of(name, account))
        })
    }

    /// Removes an account, its sessions and its links. Its name stays taken, what it wrote stays written.
    pub fn remove(&self, name: &str) -> Result<(), StaffError> {
        let now = self.0.clock.now();
        self.0.file.change(|data| {
            if data.is_last_admin(name) {
                return Err(StaffError::LastAdmin);
            }
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            *account = Account {
                removed_at: Some(now),
                ..Account::new(&account.display, account.role, account.created_at)
            };
            data.end_sessions(name);
            data.links.retain(|link| link.name.as_deref() != Some(name));
            Ok(())
        })
    }

    /// Writes down what was only remembered, and drops what is over. To be called now and then.
    pub fn tidy(&self) -> Result<(), StaffError> {
        let now = self.0.clock.now();
        let seen = std::mem::take(&mut *self.seen());
        let stale = self.0.file.get().has_stale(now);
        if seen.is_empty() && !stale {
            return Ok(());
        }
        self.0.file.change(|data| {
            for (hash, at) in seen {
                if let Some(session) = data.sessions.get_mut(&hash) {
                    session.seen_at = session.seen_at.max(at);
                } else if let Some(key) = data.keys.values_mut().find(|key| key.secret == hash) {
                    key.used_at = key.used_at.max(Some(at));
                }
            }
            data.drop_stale(now);
            Ok(())
        })
    }

    pub(super) fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<Hashed, Millis>> {
        self.0.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Data {
    /// A new account, or why not.
    pub(super) fn add(&mut self, name: &str, account: Account) -> Result<(), StaffError> {
        if self.accounts.contains_key(name) {
            return Err(StaffError::NameTaken);
        }
        if self.accounts.len() >= MAX_ACCOUNTS {
            return Err(StaffError::TooMany { what: "accounts", limit: MAX_ACCOUNTS });
        }
        self.accounts.insert(name.to_owned(), account);
        Ok(())
    }

    fn has_stale(&self, now: Millis) -> bool {
        self.links.iter().any(|link| link.expires_at <= now)
            || self.sessions.values().any(|session| session.is_over(now))
    }

    fn drop_stale(&mut self, now: Millis) {
        self.links.retain(|link| link.expires_at > now);
        self.sessions.retain(|_, session| !session.is_over(now));
    }
}

/// A login name: 2 to 32 of `a-z 0-9 . _ -`, beginning with a letter. `api` is what the key of the environment is called.
pub(super) fn check_name(name: &str) -> Result<String, StaffError> {
    let fits = (2..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    if fits && name != "api" { Ok(name.to_owned()) } else { Err(StaffError::BadName) }
}

pub(super) fn check_display(raw: &str) -> Result<String, StaffError> {
    let clean = crate::domain::text::clean(raw).replace(['\n', '\t'], " ");
    let clean = clean.trim();
    if (1..=64).contains(&clean.chars().count()) { Ok(clean.to_owned()) } else { Err(StaffError::BadDisplay) }
}

/// Length is what counts (NIST SP 800-63B); rules about kinds of characters are left out on purpose.
pub fn check_password(password: &str, name: &str) -> Result<(), StaffError> {
    let length = password.chars().count();
    let fits =
        (10..=256).contains(&length) && password.len() <= 1_024 && !password.eq_ignore_ascii_case(name);
    if fits { Ok(()) } else { Err(StaffError::BadPassword) }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
