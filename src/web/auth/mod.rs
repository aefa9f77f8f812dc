//! Who asks, and what they may do: one function decides.
//!
//! An extractor turns headers into a [`Principal`]; [`authorize`] says yes only to what is listed, so that a new action is
//! forbidden until somebody allows it. Unguessable ids are never the control.

pub(super) mod cookie;
pub(super) mod csrf;
pub mod extract;
pub mod identity;
pub mod secret;
pub mod tickets;
pub mod tokens;

use crate::domain::{ShopperId, StaffId};
use crate::staff::Scope;

pub use identity::{Identities, Identity, IdentityError};
pub use tokens::{Claims, TokenError, Tokens};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    Shopper(ShopperId),
    /// The shop's own programs: what their scopes say, never the administration of staff.
    ApiKey(StaffId, Vec<Scope>),
    /// A person of the staff.
    Agent(StaffId),
    /// A person of the staff who also administers it.
    Admin(StaffId),
}

impl Principal {
    /// The principal of the one API key of the environment: every scope.
    pub fn api() -> Self {
        Self::ApiKey(StaffId("api".to_owned()), Scope::ALL.to_vec())
    }

    /// The name under which somebody of the shop's side acts.
    pub fn staff(&self) -> Option<&StaffId> {
        match self {
            Self::ApiKey(staff, _) | Self::Agent(staff) | Self::Admin(staff) => Some(staff),
            Self::Anonymous | Self::Shopper(_) => None,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Pages, the look of the shop, health, the API document, a shopper's first token.
    Public,
    /// To open a socket.
    Connect,
    /// To read or follow a conversation.
    Read,
    Say,
    Typing,
    Stop,
    /// Retry, rate, ask for a person or the assistant, leave an address, say which page is open: the shopper's own choices.
    Choose,
    /// Take, assign, release, note, correct, tag, resolve, reopen, have a reply drafted; to say what the model drafted.
    Staff,
    /// Completions and the list of models.
    Complete,
    /// Extraction, sentiment, question-answer pairs.
    Tools,
    /// The numbers at `/metrics`.
    Metrics,
    /// To start, watch and stop training runs.
    Train,
    /// To choose which adapter serves.
    Promote,
    /// One's own account: password, second factor, sessions, a ticket for a socket.
    Account,
    /// To read what the team reads: the list, search, numbers, canned replies.
    Browse,
    /// To change what the team shares: canned replies, who is blocked.
    Arrange,
    /// Accounts, keys, settings and the audit log.
    Administer,
}

impl Action {
    pub const ALL: [Self; 17] = [
        Self::Public,
        Self::Connect,
        Self::Read,
        Self::Say,
        Self::Typing,
        Self::Stop,
        Self::Choose,
        Self::Staff,
        Self::Complete,
        Self::Tools,
        Self::Metrics,
        Self::Train,
        Self::Promote,
        Self::Account,
        Self::Browse,
        Self::Arrange,
        Self::Administer,
    ];

    /// The scope a key needs; none where no key may.
    fn scope(self) -> Option<Scope> {
        match self {
            Self::Connect | Self::Read | Self::Browse => Some(Scope::Read),
            Self::Say | Self::Typing | Self::Stop | Self::Staff | Self::Arrange => Some(Scope::Write),
            Self::Complete | Self::Tools => Some(Scope::Complete),
            Self::Train | Self::Promote => Some(Scope::Train),
            Self::Metrics => Some(Scope::Metrics),
            Self::Public | Self::Choose | Self::Account | Self::Administer => None,
        }
    }
}

/// On what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The shop as a whole.
    Shop,
    /// A conversation of the one who asks.
    OwnConversation,
    /// A conversation of somebody else, or none at all: nobody can tell which.
    OtherConversation,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this needs a token: POST /v1/shopper/session gives one, or use an API key")]
    NeedsToken,
    #[error("this is not yours to do")]
    Forbidden,
}

impl Denied {
    /// The stable code a client sees.
    pub fn code(self) -> &'static str {
        match self {
            Self::NeedsToken => "unauthorized",
            Self::Forbidden => "forbidden",
        }
    }
}

/// The one decision. Everything not listed is denied.
pub fn authorize(who: &Principal, action: Action, on: Resource) -> Result<(), Denied> {
    match (who, action, on) {
        (_, Action::Public, Resource::Shop) => Ok(()),
        (Principal::Anonymous, _, _) => Err(Denied::NeedsToken),
        (Principal::Shopper(_), Action::Connect, Resource::Shop) => Ok(()),
        (
            Principal::Shopper(_),
            Action::Read | Action::Say | Action::Typing | Action::Stop | Action::Choose,
            Resource::OwnConversation,
        ) => Ok(()),
        (
            Principal::ApiKey(_, scopes),
            Action::Connect
            | Action::Complete
            | Action::Tools
            | Action::Metrics
            | Action::Train
            | Action::Promote
            | Action::Browse
            | Action::Arrange,
            Resource::Shop,
        )
        | (
            Principal::ApiKey(_, scopes),
            Action::Read | Action::Say | Action::Typing | Action::Stop | Action::Staff,
            Resource::OwnConversation | Resource::OtherConversation,
        ) if action.scope().is_some_and(|scope| scopes.contains(&scope)) => Ok(()),
        (
            Principal::Agent(_) | Principal::Admin(_),
            Action::Connect | Action::Account | Action::Browse | Action::Arrange | Action::Tools,
            Resource::Shop,
        )
        | (
            Principal::Agent(_) | Principal::Admin(_),
            Action::Read | Action::Say | Action::Typing | Action::Stop | Action::Staff,
            Resource::OwnConversation | Resource::OtherConversation,
        )
        | (Principal::Admin(_), Action::Administer | Action::Train | Action::Promote, Resource::Shop) => {
            Ok(())
        }
        _ => Err(Denied::Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, written out: a change of rights has to change this test too.
    #[test]
    fn the_matrix_of_rights() {
        let shopper = Principal::Shopper(ShopperId::from_bytes([1; 16]));
        let name = || StaffId("x".to_owned());
        let key = |scope| Principal::ApiKey(name(), vec![scope]);
        let mut allowed = Vec::new();
        for (name, who) in [
            ("anonymous", Principal::Anonymous),
            ("shopper", shopper),
            ("agent", Principal::Agent(name())),
            ("reader", key(Scope::Read)),
            ("writer", key(Scope::Write)),
            ("trainer", key(Scope::Train)),
            ("completer", key(Scope::Complete)),
            ("meter", key(Scope::Metrics)),
        ] {
            for action in Action::ALL {
                for on in [Resource::Shop, Resource::OwnConversation, Resource::OtherConversation] {
                    if authorize(&who, action, on).is_ok() {
                        allowed.push(format!("{name} {action:?} {on:?}"));
                    }
                }
            }
        }
        let expected = [
            "anonymous Public Shop",
            "shopper Public Shop",
            "shopper Connect Shop",
            "shopper Read OwnConversation",
            "shopper Say OwnConversation",
            "shopper Typing OwnConversation",
            "shopper Stop OwnConversation",
            "shopper Choose OwnConversation",
            "agent Public Shop",
            "agent Connect Shop",
            "agent Read OwnConversation",
            "agent Read OtherConversation",
            "agent Say OwnConversation",
            "agent Say OtherConversation",
            "agent Typing OwnConversation",
            "agent Typing OtherConversation",
            "agent Stop OwnConversation",
            "agent Stop OtherConversation",
            "agent Staff OwnConversation",
            "agent Staff OtherConversation",
            "agent Tools Shop",
            "agent Account Shop",
            "agent Browse Shop",
            "agent Arrange Shop",
            "reader Public Shop",
            "reader Connect Shop",
            "reader Read OwnConversation",
            "reader Read OtherConversation",
            "reader Browse Shop",
            "writer Public Shop",
            "writer Say OwnConversation",
            "writer Say OtherConversation",
            "writer Typing OwnConversation",
            "writer Typing OtherConversation",
            "writer Stop OwnConversation",
            "writer Stop OtherConversation",
            "writer Staff OwnConversation",
            "writer Staff OtherConversation",
            "writer Arrange Shop",
            "trainer Public Shop",
            "trainer Train Shop",
            "trainer Promote Shop",
            "completer Public Shop",
            "completer Complete Shop",
            "completer Tools Shop",
            "meter Public Shop",
            "meter Metrics Shop",
        ];
        assert_eq!(allowed, expected);
        for action in Action::ALL {
            for on in [Resource::Shop, Resource::OwnConversation, Resource::OtherConversation] {
                let may = |who: &Principal| authorize(who, action, on).is_ok();
                let administers = matches!(action, Action::Administer | Action::Train | Action::Promote)
                    && on == Resource::Shop;
                let (agent, admin) = (may(&Principal::Agent(name())), may(&Principal::Admin(name())));
                assert_eq!(
                    admin,
                    agent || administers,
                    "an admin is an agent who administers: {action:?} {on:?}"
                );
                let one = Scope::ALL.iter().any(|scope| may(&key(*scope)));
                assert_eq!(
                    may(&Principal::api()),
                    one,
                    "the key of the environment has every scope: {action:?}"
                );
            }
        }
    }
}
