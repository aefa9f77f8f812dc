//! One-time links: for the first admin, for an invited colleague, for somebody who is locked out.
//!
//! A link holds a secret of 256 bits, of which only the hash is kept. Making a new one for the same purpose ends the old one.

use super::StaffError;
use super::accounts::{Accounts, Profile, check_display, check_name};
use super::data::{Account, From, Link, LinkKind, Role};
use super::secret::{Hashed, fresh};
use super::sessions::Entered;
use crate::clock::Millis;

/// How long the first admin has.
const SETUP_FOR: Millis = 24 * 3_600_000;
/// How long an invited colleague has.
const INVITE_FOR: Millis = 72 * 3_600_000;

/// A link somebody can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// Shown once.
    pub token: String,
    pub expires_at: Millis,
}

/// Whom a link is for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct LinkFor {
    pub kind: LinkKind,
    pub name: Option<String>,
    pub display: Option<String>,
    pub role: Role,
}

impl Accounts {
    /// A link for the first admin, in place of any before; none if there is somebody already.
    pub fn setup_link(&self) -> Result<Option<NewLink>, StaffError> {
        if !self.is_empty() {
            return Ok(None);
        }
        self.link(LinkKind::Setup, None, SETUP_FOR, |_| Ok(())).map(Some)
    }

    /// A new account without a password, and the link with which its owner chooses one.
    pub fn invite(&self, name: &str, display: &str, role: Role) -> Result<NewLink, StaffError> {
        let (name, display) = (check_name(name)?, check_display(display)?);
        let now = self.0.clock.now();
        self.link(LinkKind::Invite, Some(&name), INVITE_FOR, |data| {
            data.add(&name, Account::new(&display, role, now))
        })
    }

    /// Takes an account's password, second factor and sessions, and makes a link to choose a new password.
    pub fn reset(&self, name: &str) -> Result<NewLink, StaffError> {
        self.link(LinkKind::Reset, Some(name), INVITE_FOR, |data| {
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            account.password = None;
            account.totp = None;
            account.pending = None;
            data.end_sessions(name);
            Ok(())
        })
    }

    fn link(
        &self,
        kind: LinkKind,
        name: Option<&str>,
        lasts: Millis,
        first: impl FnOnce(&mut super::data::Data) -> Result<(), StaffError>,
    ) -> Result<NewLink, StaffError> {
        let token = fresh("");
        let expires_at = self.0.clock.now() + lasts;
        self.0.file.change(|data| {
            first(data)?;
            data.links.retain(|link| link.name.as_deref() != name);
            let name = name.map(str::to_owned);
            data.links.push(Link { token: Hashed::of(&token), kind, name, expires_at });
            Ok(())
        })?;
        Ok(NewLink { token, expires_at })
    }

    /// Whom the link `token` is for.
    pub fn link_for(&self, token: &str) -> Result<LinkFor, StaffError> {
        let data = self.0.file.get();
        let link = find(&data.links, token, self.0.clock.now())?;
        let account = link.name.as_deref().and_then(|name| data.account(name));
        match (link.kind, account) {
            (LinkKind::Setup, _) => {
                Ok(LinkFor { kind: link.kind, name: None, display: None, role: Role::Admin })
            }
            (_, Some(account)) => Ok(LinkFor {
                kind: link.kind,
                name: link.name.clone(),
                display: Some(account.display.clone()),
                role: account.role,
            }),
            (_, None) => Err(StaffError::LinkInvalid),
        }
    }

    /// Uses up the first link: makes the first admin with `password` (PHC form), and lets them in.
    pub fn set_up(
        &self,
        token: &str,
        new: (&str, &str),
        password: String,
        from: From,
    ) -> Result<Entered, StaffError> {
        let (name, display) = (check_name(new.0)?, check_display(new.1)?);
        let now = self.0.clock.now();
        self.0.file.change(|data| {
            if find(&data.links, token, now)?.kind != LinkKind::Setup
                || data.accounts.values().any(|account| account.removed_at.is_none())
            {
                return Err(StaffError::LinkInvalid);
            }
            data.add(
                &name,
                Account { password: Some(password), ..Account::new(&display, Role::Admin, now) },
            )?;
            data.links.retain(|link| link.kind != LinkKind::Setup);
            Ok(data.enter(&name, from, now))
        })
    }

    /// Uses up a colleague's link: sets `password` (PHC form), ends every other session, and lets them in.
    pub fn accept(&self, token: &str, password: String, from: From) -> Result<Entered, StaffError> {
        let now = self.0.clock.now();
        self.0.file.change(|data| {
            let link = find(&data.links, token, now)?.clone();
            let name = link.name.filter(|_| link.kind != LinkKind::Setup).ok_or(StaffError::LinkInvalid)?;
            let account = data.account_mut(&name).ok_or(StaffError::LinkInvalid)?;
            account.password = Some(password);
            data.end_sessions(&name);
            data.links.retain(|other| other.token != link.token);
            Ok(data.enter(&name, from, now))
        })
    }

    /// For the command line: the profile of an account.
    pub fn must(&self, name: &str) -> Result<Profile, StaffError> {
        self.profile(name).ok_or(StaffError::NoSuchAccount)
    }
}

fn find<'a>(links: &'a [Link], token: &str, now: Millis) -> Result<&'a Link, StaffError> {
    // Hashes are compared: how long it takes tells nothing about the token.
    let token = Hashed::of(token);
    links.iter().find(|link| link.token == token && now < link.expires_at).ok_or(StaffError::LinkInvalid)
}
