//! The catalogue of every key in the index. One tree, so that a batch is atomic; numbers are big-endian, so that keys
//! sort like numbers. Values are JSON in the frame of [`super::frame`].
//!
//! | key | value |
//! | --- | --- |
//! | `c` conv | [`Head`](crate::domain::Head) |
//! | `d` conv cmid | `Seq` of the message with this client id |
//! | `e` conv seq | [`Location`](super::record::Location) of the event in the journal |
//! | `j` conv | [`Job`](crate::domain::Job) in the making |
//! | `m` name | what the index says about itself |
//! | `o` conv | `null`: the conversation owes the shopper something: a job in the making, or an answer |
//! | `p` shopper | [`Shopper`](crate::domain::Shopper) |
//! | `s` shopper opened-at conv | `null`: a conversation of this shopper |

use crate::clock::Millis;
use crate::domain::{Cmid, ConvId, Seq, ShopperId};

/// `{format}` of the index: rebuilt if older than this program's, refused if newer.
pub(super) const SCHEMA: &[u8] = b"mschema";
/// The random name of this index; clients that know another read again.
pub(super) const EPOCH: &[u8] = b"mepoch";
/// The last journal entry whose rows are in the index.
pub(super) const APPLIED: &[u8] = b"mapplied";
/// The last journal entry whose rows are in the index and known to be on the disk's surface.
pub(super) const CHECKPOINT: &[u8] = b"mcheckpoint";

pub(super) const HEADS: &[u8] = b"c";
pub(super) const CMIDS: &[u8] = b"d";
pub(super) const EVENTS: &[u8] = b"e";
pub(super) const JOBS: &[u8] = b"j";
pub(super) const OWED: &[u8] = b"o";
pub(super) const SHOPPERS: &[u8] = b"p";
pub(super) const OPENED: &[u8] = b"s";

fn key(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(super) fn head(conv: ConvId) -> Vec<u8> {
    key(HEADS, &[conv.as_bytes()])
}

pub(super) fn cmid(conv: ConvId, cmid: Cmid) -> Vec<u8> {
    key(CMIDS, &[conv.as_bytes(), cmid.as_bytes()])
}

pub(super) fn event(conv: ConvId, seq: Seq) -> Vec<u8> {
    key(EVENTS, &[conv.as_bytes(), &seq.to_be_bytes()])
}

pub(super) fn job(conv: ConvId) -> Vec<u8> {
    key(JOBS, &[conv.as_bytes()])
}

pub(super) fn owed(conv: ConvId) -> Vec<u8> {
    key(OWED, &[conv.as_bytes()])
}

pub(super) fn shopper(shopper: ShopperId) -> Vec<u8> {
    key(SHOPPERS, &[shopper.as_bytes()])
}

pub(super) fn opened(shopper: ShopperId, at: Millis, conv: ConvId) -> Vec<u8> {
    key(OPENED, &[shopper.as_bytes(), &at.to_be_bytes(), conv.as_bytes()])
}

/// The common beginning of every [`opened`] key of one shopper.
pub(super) fn opened_by(shopper: ShopperId) -> Vec<u8> {
    key(OPENED, &[shopper.as_bytes()])
}

/// The common beginning of every [`cmid`] key of one conversation.
pub(super) fn cmids_of(conv: ConvId) -> Vec<u8> {
    key(CMIDS, &[conv.as_bytes()])
}

/// The conversation a key of `c`, `j` or `o` names, or the last one in a key of `s`.
pub(super) fn conv_at_end(key: &[u8]) -> Option<ConvId> {
    key.last_chunk::<16>().map(|id| ConvId::from_bytes(*id))
}
