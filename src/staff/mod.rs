//! The shop's people: their accounts and sessions, what they share, what they see of all conversations at once.
//!
//! Accounts, sessions, links and keys are one small document ([`accounts`]), what the team shares another ([`team`]), who did
//! what a log ([`audit`]). [`board`] is the list of conversations, kept right by [`follow`], [`search`] finds what was said,
//! [`numbers`] counts what happened. Does not know HTTP, cookies or sockets, and decides nothing about a conversation.

pub mod accounts;
pub mod audit;
pub mod board;
mod data;
mod error;
mod file;
mod follow;
mod keys;
mod links;
pub mod numbers;
mod password;
pub mod search;
mod second;
mod secret;
mod sessions;
pub mod shop;
pub mod team;

use std::path::Path;
use std::sync::Arc;

pub use accounts::{Accounts, Profile, check_password};
pub use audit::{Audit, Entry};
pub use board::Board;
pub use data::{From, LinkKind, Role, Scope};
pub use error::StaffError;
pub use keys::{KEY_PREFIX, KeyGrant, KeyView};
pub use links::{LinkFor, NewLink};
pub use numbers::Numbers;
pub use password::Passwords;
pub use search::Search;
pub use second::Enrolment;
pub use secret::Hashed;
pub use sessions::{ABSOLUTE, Entered, IDLE, Seat, SessionView};
pub use team::Team;

pub(crate) use file::Durable;
pub use shop::{ShopDesk, ShopSettings, words_in};

use crate::clock::Clock;
use crate::domain::ConvId;
use crate::store::Store;

/// Everything of the staff's side. Clones are one.
#[derive(Clone, Debug)]
pub struct Staff {
    pub accounts: Accounts,
    pub passwords: Passwords,
    pub team: Team,
    pub audit: Audit,
    pub board: Board,
    pub search: Search,
    pub numbers: Numbers,
    /// What the owner sets from the dashboard in place of the files.
    pub shop: ShopDesk,
    following: Arc<follow::Following>,
}

impl Staff {
    /// What is kept in `folder`, or nothing yet; begins to follow `store`. Blocks.
    pub fn open(folder: &Path, store: &Store, clock: Clock) -> Result<Self, StaffError> {
        let team = Team::open(folder, clock.clone())?;
        let board = Board::open(folder, store.clone(), team.clone())?;
        let search = Search::open(&folder.join("search"), store.clone())?;
        let numbers = Numbers::open(folder, store.clone(), clock.clone())?;
        let followers =
            follow::Followers { board: board.clone(), search: search.clone(), numbers: numbers.clone() };
        let following = follow::start(store, followers).map_err(|e| StaffError::io(folder, &e))?;
        Ok(Self {
            accounts: Accounts::open(folder, clock.clone())?,
            passwords: Passwords::default(),
            team,
            audit: Audit::open(folder, clock),
            board,
            search,
            numbers,
            shop: ShopDesk::open(folder)?,
            following: Arc::new(following),
        })
    }

    /// A conversation that was erased from the store leaves the list, the index and the questions.
    pub fn forget(&self, conv: ConvId) {
        // At once, for whoever looks next; and again behind what was committed just before.
        self.board.forget(conv);
        self.search.forget(conv);
        self.numbers.forget(conv);
        self.following.gone(conv);
    }
}
