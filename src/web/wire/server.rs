//! What the server says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::WireEvent;
use crate::chat::Suggested;
use crate::chat::hub::Who;
use crate::clock::Millis;
use crate::domain::{Cmid, ConvId, MessageId, Seq};
use crate::staff::board::{Counts, Row, Tab};

/// One frame of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The answer to `hello`; then the missed events, then live.
    Welcome {
        epoch: String,
        #[ts(type = "{ [conv: string]: number }")]
        heads: BTreeMap<ConvId, Seq>,
    },
    /// The message is on disk.
    Ack {
        #[ts(type = "string")]
        cmid: Cmid,
        seq: Seq,
    },
    /// Durable, and numbered without gaps in each conversation.
    Event(WireEvent),
    /// A piece of a reply, `off` characters into it. Ephemeral.
    Delta {
        #[ts(type = "string")]
        conv: ConvId,
        #[ts(type = "string")]
        mid: MessageId,
        off: usize,
        text: String,
    },
    /// The place in the queue for the model; 0 means that it is this conversation's turn.
    Queued {
        #[ts(type = "string")]
        conv: ConvId,
        position: usize,
    },
    Typing {
        #[ts(type = "string")]
        conv: ConvId,
        who: Typist,
        /// Which colleague; staff only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        staff: Option<String>,
    },
    Error {
        code: String,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "string")]
        cmid: Option<Cmid>,
        /// Seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        retry_after: Option<u64>,
    },
    /// The address is kept.
    Contact {
        #[ts(type = "string")]
        conv: ConvId,
        email: String,
    },
    /// What the client has cannot be continued: forget it. The newest events follow, from wherever they begin; older
    /// ones are at `GET /v1/shopper/history`.
    Reset {
        #[ts(type = "string")]
        conv: ConvId,
    },
    /// Every 25 s; a client that is behind says `hello` again.
    Hb {
        #[ts(type = "{ [conv: string]: number }")]
        heads: BTreeMap<ConvId, Seq>,
    },
    /// Before a restart; then Close 1012.
    Bye { reconnect_in_ms: u64 },
    /// Staff only: a page of the list, with what was asked.
    List {
        /// When it was read, by the server's clock: who began to wait later is news.
        at: Millis,
        tab: Tab,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        tag: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        staff: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        after: Option<String>,
        rows: Vec<Row>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        next: Option<String>,
        counts: Counts,
    },
    /// Staff only: rows that changed, and conversations that were erased.
    Rows {
        rows: Vec<Row>,
        #[ts(type = "string[]")]
        gone: Vec<ConvId>,
        counts: Counts,
    },
    /// Staff only: too much changed while the client did not read; ask for the list again.
    Relist,
    /// Staff only, to the one who asked: a piece of a draft. What the client has from character `off` on gives way to `text`.
    Suggestion {
        #[ts(type = "string")]
        conv: ConvId,
        off: usize,
        text: String,
        /// With the last piece: why there are no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "\"complete\" | \"length\" | \"stopped\" | \"failed\" | \"nothing\"")]
        ended: Option<Suggested>,
    },
    /// Staff only: the answer to `open`; what was missed follows.
    Opened {
        #[ts(type = "string")]
        conv: ConvId,
        head: Seq,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Typist {
    Shopper,
    Staff,
    /// The model, before its first word.
    Ai,
}

impl From<Who> for Typist {
    fn from(who: Who) -> Self {
        match who {
            Who::Shopper => Self::Shopper,
            Who::Staff => Self::Staff,
            Who::Ai => Self::Ai,
        }
    }
}

impl ServerFrame {
    /// The frame as text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("frames hold nothing JSON cannot say. This is a bug.")
    }

    /// The frame as text, with blanks up to a multiple of 64 bytes: the size of an encrypted packet must not tell which
    /// words a reply is made of.
    pub fn to_padded_text(&self) -> String {
        let mut text = self.to_text();
        let padded = text.len().next_multiple_of(64);
        text.extend(std::iter::repeat_n(' ', padded - text.len()));
        text
    }
}
