//! The shop's people: their accounts and sessions, what they share, what they see of all conversations at once.
//!
//! Accounts, sessions, links and keys are one small document ([`accounts`]), what the team shares another ([`team`]), who did
//! what a log ([`audit`]). Does not know HTTP, cookies or sockets, and decides nothing about a conversation.

pub mod accounts;
pub mod audit;
mod data;
mod error;
mod file;
mod keys;
mod links;
mod password;
mod second;
mod secret;
mod sessions;
pub mod team;

use std::path::Path;

pub use accounts::{Accounts, Profile, check_password};
pub use audit::{Audit, Entry};
pub use data::{From, LinkKind, Role, Scope};
pub use error::StaffError;
pub use keys::{KEY_PREFIX, KeyGrant, KeyView};
pub use links::{LinkFor, NewLink};
pub use password::Passwords;
pub use second::Enrolment;
pub use secret::Hashed;
pub use sessions::{ABSOLUTE, Entered, IDLE, Seat, SessionView};
pub use team::Team;

use crate::clock::Clock;

/// Everything of the staff's side. Clones are one.
#[derive(Clone, Debug)]
pub struct Staff {
    pub accounts: Accounts,
    pub passwords: Passwords,
    pub team: Team,
    pub audit: Audit,
}

impl Staff {
    /// What is kept in `folder`, or nothing yet. Blocks.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, StaffError> {
        Ok(Self {
            accounts: Accounts::open(folder, clock.clone())?,
            passwords: Passwords::default(),
            team: Team::open(folder, clock.clone())?,
            audit: Audit::open(folder, clock),
        })
    }
}
