//! Who asks, and what they may do: one function decides.
//!
//! An extractor turns headers into a [`Principal`]; [`authorize`] says yes only to what is listed, so that a new action is
//! forbidden until somebody allows it. Unguessable ids are never the control.

pub mod extract;
pub mod identity;
pub mod secret;
pub mod tokens;

use crate::domain::{ShopperId, StaffId};

pub use identity::{Identities, Identity, IdentityError};
pub use tokens::{Claims, TokenError, Tokens};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    Shopper(ShopperId),
    /// The shop's own programs: every scope but the administration of staff.
    ApiKey(StaffId),
}

impl Principal {
    /// The principal of the one API key.
    pub fn api() -> Self {
        Self::ApiKey(StaffId("api".to_owned()))
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
    /// Retry, rate, ask for a person or the assistant: the shopper's own choices.
    Choose,
    /// Take, release, note, correct, tag, resolve; to say what the model drafted.
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
}

impl Action {
    pub const ALL: [Self; 13] = [
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
    ];
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
            Principal::ApiKey(_),
            Action::Connect
            | Action::Complete
            | Action::Tools
            | Action::Metrics
            | Action::Train
            | Action::Promote,
            Resource::Shop,
        ) => Ok(()),
        (
            Principal::ApiKey(_),
            Action::Read | Action::Say | Action::Typing | Action::Stop | Action::Staff,
            Resource::OwnConversation | Resource::OtherConversation,
        ) => Ok(()),
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
        let mut allowed = Vec::new();
        for (name, who) in
            [("anonymous", Principal::Anonymous), ("shopper", shopper), ("api", Principal::api())]
        {
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
            "api Public Shop",
            "api Connect Shop",
            "api Read OwnConversation",
            "api Read OtherConversation",
            "api Say OwnConversation",
            "api Say OtherConversation",
            "api Typing OwnConversation",
            "api Typing OtherConversation",
            "api Stop OwnConversation",
            "api Stop OtherConversation",
            "api Staff OwnConversation",
            "api Staff OtherConversation",
            "api Complete Shop",
            "api Tools Shop",
            "api Metrics Shop",
            "api Train Shop",
            "api Promote Shop",
        ];
        assert_eq!(allowed, expected);
    }
}
