//! What the accounts file says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::secret::Hashed;
use crate::clock::Millis;

/// The whole of `accounts.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    /// By login name. Removed ones stay, so that nobody else can get their name and their past.
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) links: Vec<Link>,
    pub(super) sessions: BTreeMap<Hashed, Session>,
    pub(super) keys: BTreeMap<String, Key>,
}

/// What somebody of the staff may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Agent,
    Admin,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) display: String,
    pub(super) role: Role,
    /// PHC form; none until the invited person has chosen one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) totp: Option<Totp>,
    /// A second factor that was shown but not confirmed yet (base32).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<String>,
    pub(super) created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) login_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) removed_at: Option<Millis>,
}

/// A second factor (RFC 6238).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Totp {
    /// Base32.
    pub(super) secret: String,
    /// The step of 30 s whose code was used last: it and older ones are refused.
    pub(super) last_step: u64,
    /// Hashes of the recovery codes that are left.
    pub(super) recovery: Vec<Hashed>,
}

/// What a one-time link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The first admin.
    Setup,
    Invite,
    /// A new password for an account that exists.
    Reset,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) token: Hashed,
    pub(super) kind: LinkKind,
    /// The account; none for the first admin, who chooses a name.
    pub(super) name: Option<String>,
    pub(super) expires_at: Millis,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) account: String,
    pub(super) created_at: Millis,
    pub(super) seen_at: Millis,
    pub(super) from: From,
}

/// Where a session came from, for its owner to recognise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct From {
    pub address: String,
    /// The browser's name for itself.
    pub agent: String,
}

/// What a key may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Reads conversations, search and numbers.
    Read,
    /// Writes in conversations; canned replies and blocking.
    Write,
    /// Starts fine-tuning and promotes what comes out.
    Train,
    /// Completions and tools.
    Complete,
    /// The numbers at `/metrics`.
    Metrics,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Train, Self::Complete, Self::Metrics];
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) secret: Hashed,
    pub(super) scopes: Vec<Scope>,
    pub(super) by: String,
    pub(super) created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) used_at: Option<Millis>,
}

impl Account {
    pub(super) fn new(display: &str, role: Role, at: Millis) -> Self {
        Self {
            display: display.to_owned(),
            role,
            password: None,
            totp: None,
            pending: None,
            created_at: at,
            login_at: None,
            removed_at: None,
        }
    }

    /// Somebody can log in with it.
    pub(super) fn is_active(&self) -> bool {
        self.removed_at.is_none() && self.password.is_some()
    }
}

impl Data {
    /// The account `name`, unless it was removed.
    pub(super) fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.get(name).filter(|account| account.removed_at.is_none())
    }

    pub(super) fn account_mut(&mut self, name: &str) -> Option<&mut Account> {
        self.accounts.get_mut(name).filter(|account| account.removed_at.is_none())
    }

    /// Ends every session of `name`.
    pub(super) fn end_sessions(&mut self, name: &str) {
        self.sessions.retain(|_, session| session.account != name);
    }

    /// True if `name` is the only admin who can log in.
    pub(super) fn is_last_admin(&self, name: &str) -> bool {
        let admin = |account: &Account| account.is_active() && account.role == Role::Admin;
        self.account(name).is_some_and(admin)
            && !self.accounts.iter().any(|(other, account)| other != name && admin(account))
    }
}
