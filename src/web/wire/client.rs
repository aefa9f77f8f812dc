//! What a client may say.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::domain::{Cmid, ConvId, Seq, Thumb};
use crate::staff::board::Tab;

/// The most conversations one `hello` may name.
pub const MAX_RESUME: usize = 64;
/// The longest comment beside a thumb, in characters.
pub const MAX_COMMENT: usize = 1_000;
/// The longest filter or cursor of the list, in bytes.
const MAX_FILTER: usize = 200;
/// The longest epoch a client can have been given, in bytes.
const MAX_EPOCH: usize = 64;
/// The longest address that is looked at, in bytes.
const MAX_EMAIL: usize = 320;
/// The longest address of a page that is looked at, and its title, in bytes.
const MAX_PAGE: usize = 8_192;
/// The longest name of a colleague, in bytes.
const MAX_NAME: usize = 64;

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "t", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// The first frame; again at any time by a client that is behind.
    Hello {
        resume: Vec<ResumePoint>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        epoch: Option<String>,
    },
    Say {
        #[ts(type = "string")]
        conv: ConvId,
        /// A UUIDv7 made by the client; sending it twice has the effect of once.
        #[ts(type = "string")]
        cmid: Cmid,
        text: String,
        /// Staff only: what the model had suggested, before it was edited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        draft: Option<String>,
    },
    /// Stops the reply being made.
    Stop {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Asks for the last answer again.
    Retry {
        #[ts(type = "string")]
        conv: ConvId,
    },
    Rate {
        #[ts(type = "string")]
        conv: ConvId,
        seq: Seq,
        #[ts(type = "\"up\" | \"down\"")]
        value: Thumb,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        comment: Option<String>,
    },
    /// Asks for a person.
    Person {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Back to the assistant, while nobody has taken over yet.
    Assistant {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Leaves an e-mail address for an answer when somebody is there again.
    Contact {
        #[ts(type = "string")]
        conv: ConvId,
        email: String,
    },
    /// The page of the shop the shopper looks at.
    Page {
        #[ts(type = "string")]
        conv: ConvId,
        address: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        title: Option<String>,
    },
    Typing {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only.
    Take {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only: `staff` answers from now on, if whoever held it when this was decided still does (`from`; nobody if left out).
    Assign {
        #[ts(type = "string")]
        conv: ConvId,
        staff: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        from: Option<String>,
    },
    /// Staff only.
    Release {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only.
    Note {
        #[ts(type = "string")]
        conv: ConvId,
        text: String,
    },
    /// Staff only: what the model should have said in its reply `seq`.
    Correct {
        #[ts(type = "string")]
        conv: ConvId,
        seq: Seq,
        text: String,
    },
    /// Staff only: the conversation's tags, all of them.
    Tag {
        #[ts(type = "string")]
        conv: ConvId,
        tags: Vec<String>,
    },
    /// Staff only.
    Resolve {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only: a resolved conversation is open again.
    Reopen {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only: the model drafts a reply; the draft comes as `suggestion`. One at a time on a socket: asking again ends the
    /// one before.
    Suggest {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only: no more of the draft.
    Unsuggest {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only: a page of the list; from the first one on, changes come as `rows`.
    List {
        tab: Tab,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        tag: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        staff: Option<String>,
        /// The last page's `next`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        after: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        limit: Option<usize>,
    },
    /// Staff only: follow a conversation after event `seq`.
    Open {
        #[ts(type = "string")]
        conv: ConvId,
        seq: Seq,
    },
    /// Staff only: stop following.
    Close {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Staff only: everything up to `seq` was read by a person.
    Seen {
        #[ts(type = "string")]
        conv: ConvId,
        seq: Seq,
    },
}

/// The newest event a client has of one conversation; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ResumePoint {
    #[ts(type = "string")]
    pub conv: ConvId,
    pub seq: Seq,
}

/// Why a frame was not understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("this is not a frame of shopclerk.v1: {0}")]
    Json(String),
    #[error("`resume` names more than {MAX_RESUME} conversations")]
    TooManyResumes,
    #[error("`epoch` is longer than any the server gives out")]
    Epoch,
    #[error("`tag`, `staff` or `after` is longer than any there is")]
    Filter,
    #[error("`email` is longer than an address can be")]
    Email,
    #[error("`address` or `title` is longer than that of a page")]
    Page,
    #[error("`staff` or `from` is longer than a name")]
    Name,
    #[error("the comment is longer than {MAX_COMMENT} characters")]
    Comment,
}

impl FrameError {
    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        "bad_frame"
    }
}

impl ClientFrame {
    /// Parses one text message and checks its bounds.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        // A list of the fields' values would parse too.
        if !text.trim_start().starts_with('{') {
            return Err(FrameError::Json("a frame is one JSON object".to_owned()));
        }
        let frame: Self = serde_json::from_str(text).map_err(|fault| FrameError::Json(explain(&fault)))?;
        match &frame {
            Self::Hello { resume, .. } if resume.len() > MAX_RESUME => Err(FrameError::TooManyResumes),
            Self::Hello { epoch: Some(epoch), .. } if epoch.len() > MAX_EPOCH => Err(FrameError::Epoch),
            Self::Contact { email, .. } if email.len() > MAX_EMAIL => Err(FrameError::Email),
            Self::Page { address, title, .. }
                if [Some(address), title.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|text| text.len() > MAX_PAGE) =>
            {
                Err(FrameError::Page)
            }
            Self::Assign { staff, from, .. }
                if [Some(staff), from.as_ref()].into_iter().flatten().any(|name| name.len() > MAX_NAME) =>
            {
                Err(FrameError::Name)
            }
            Self::Rate { comment: Some(comment), .. } if comment.chars().count() > MAX_COMMENT => {
                Err(FrameError::Comment)
            }
            Self::List { tag, staff, after, .. }
                if [tag, staff, after].into_iter().flatten().any(|text| text.len() > MAX_FILTER) =>
            {
                Err(FrameError::Filter)
            }
            _ => Ok(frame),
        }
    }

    /// The conversation a frame is about; `hello` is about several.
    pub fn conv(&self) -> Option<ConvId> {
        match self {
            Self::Hello { .. } | Self::List { .. } => None,
            Self::Say { conv, .. }
            | Self::Stop { conv }
            | Self::Retry { conv }
            | Self::Rate { conv, .. }
            | Self::Person { conv }
            | Self::Assistant { conv }
            | Self::Contact { conv, .. }
            | Self::Page { conv, .. }
            | Self::Typing { conv }
            | Self::Take { conv }
            | Self::Assign { conv, .. }
            | Self::Release { conv }
            | Self::Note { conv, .. }
            | Self::Correct { conv, .. }
            | Self::Tag { conv, .. }
            | Self::Resolve { conv }
            | Self::Reopen { conv }
            | Self::Suggest { conv }
            | Self::Unsuggest { conv }
            | Self::Open { conv, .. }
            | Self::Close { conv }
            | Self::Seen { conv, .. } => Some(*conv),
        }
    }

    /// The client's own id of the message, so that an error can name it.
    pub fn cmid(&self) -> Option<Cmid> {
        match self {
            Self::Say { cmid, .. } => Some(*cmid),
            _ => None,
        }
    }
}

/// What is wrong and where, without what the client sent: it may be a shopper's text.
fn explain(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    if text.starts_with("missing field") || text.starts_with("unknown field") {
        return text.chars().take(200).collect();
    }
    let what = match fault.classify() {
        serde_json::error::Category::Data => "a field has a wrong value, or `t` is unknown",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    };
    format!("{what} (column {})", fault.column())
}
