//! What the state machine of a conversation says no with.

/// Why a command cannot happen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    Unknown,
    #[error("the conversation exists already")]
    Exists,
    #[error("somebody else answers this conversation now")]
    NotOwner,
    #[error("there is nothing to answer")]
    NothingToDo,
    #[error("there is no such message")]
    NoSuchMessage,
    #[error("nobody of the team has this name")]
    NoSuchColleague,
}

impl Refusal {
    /// The stable code a client sees.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_conversation",
            Self::Exists => "conversation_exists",
            Self::NotOwner => "not_owner",
            Self::NothingToDo => "nothing_to_do",
            Self::NoSuchMessage => "no_such_message",
            Self::NoSuchColleague => "no_such_colleague",
        }
    }
}
