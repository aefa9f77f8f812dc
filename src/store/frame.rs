//! How bytes are wrapped, so that damage is noticed where it happened.
//!
//! A row of the index is `version, JSON, CRC32C(key, version, JSON)`. A frame of the journal is
//! `magic, version, length, check of those two, JSON, CRC32C(JSON)`: the length has its own check, so that a torn last
//! frame can be told from a damaged one, and the magic is not UTF-8, so that the next frame can be found after damage.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of both wrappings.
const VERSION: u8 = 1;
/// 0xF5 cannot occur in UTF-8, so no JSON text contains it.
const MAGIC: [u8; 4] = [0xF5, b'S', b'C', b'J'];
/// Magic, version, length, check of version and length.
const HEADER: usize = 13;
/// Bytes of a frame that are not payload.
pub(super) const OVERHEAD: usize = HEADER + 4;
/// The largest payload of a frame.
pub(super) const MAX_PAYLOAD: usize = 256 * 1024;

/// Why bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFrame {
    #[error("too short")]
    Short,
    #[error("format {0} is not known")]
    Version(u8),
    #[error("the checksum does not match")]
    Checksum,
    #[error("the contents cannot be read")]
    Contents,
}

/// A value for the index, bound to its key.
pub(super) fn seal_row<T: Serialize>(key: &[u8], value: &T) -> Vec<u8> {
    let mut row = vec![VERSION];
    serde_json::to_writer(&mut row, value).expect("plain values become JSON. This is a bug.");
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), &row);
    row.extend_from_slice(&sum.to_le_bytes());
    row
}

/// The JSON `seal_row` wrapped under the same key.
pub(super) fn check_row<'a>(key: &[u8], row: &'a [u8]) -> Result<&'a [u8], BadFrame> {
    let (body, sum) = row.split_last_chunk::<4>().ok_or(BadFrame::Short)?;
    if crc32c::crc32c_append(crc32c::crc32c(key), body) != u32::from_le_bytes(*sum) {
        return Err(BadFrame::Checksum);
    }
    match body.split_first() {
        Some((&VERSION, json)) => Ok(json),
        Some((&other, _)) => Err(BadFrame::Version(other)),
        None => Err(BadFrame::Short),
    }
}

/// The value `seal_row` wrapped under the same key.
pub(super) fn open_row<T: DeserializeOwned>(key: &[u8], row: &[u8]) -> Result<T, BadFrame> {
    serde_json::from_slice(check_row(key, row)?).map_err(|_| BadFrame::Contents)
}

/// Appends `payload` to `into` as one frame of the journal.
pub(super) fn push_frame(into: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a payload is bounded. This is a bug.").to_le_bytes();
    into.extend_from_slice(&MAGIC);
    into.push(VERSION);
    into.extend_from_slice(&length);
    into.extend_from_slice(&head_check(VERSION, length).to_le_bytes());
    into.extend_from_slice(payload);
    into.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
}

fn head_check(version: u8, length: [u8; 4]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[version]), &length)
}

/// The payload's length if `bytes` starts with a sound header.
fn header(bytes: &[u8]) -> Option<usize> {
    let head = bytes.first_chunk::<HEADER>()?;
    let length: [u8; 4] = head[5..9].try_into().ok()?;
    let check: [u8; 4] = head[9..13].try_into().ok()?;
    let sound = head[..4] == MAGIC && head_check(head[4], length) == u32::from_le_bytes(check);
    let length = u32::from_le_bytes(length) as usize;
    (sound && length <= MAX_PAYLOAD).then_some(length)
}

/// The payload of the one frame that `bytes` starts with.
pub(super) fn open_frame(bytes: &[u8]) -> Result<&[u8], BadFrame> {
    let length = header(bytes).ok_or(BadFrame::Checksum)?;
    if bytes[4] != VERSION {
        return Err(BadFrame::Version(bytes[4]));
    }
    let payload = bytes.get(HEADER..HEADER + length).ok_or(BadFrame::Short)?;
    let sum = bytes.get(HEADER + length..).and_then(|rest| rest.first_chunk::<4>()).ok_or(BadFrame::Short)?;
    if crc32c::crc32c(payload) == u32::from_le_bytes(*sum) { Ok(payload) } else { Err(BadFrame::Checksum) }
}

/// What [`Scan`] finds, each with its place in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Frame {
        at: usize,
        payload: &'a [u8],
    },
    /// Bytes that are no frame although frames were written there.
    Damage {
        at: usize,
        len: usize,
    },
    /// The beginning of a frame whose end was never written.
    Torn {
        at: usize,
        len: usize,
    },
}

/// Walks over the frames of a journal file, over damage to the next sound frame, and tells a torn end from damage.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let at = self.at;
        let rest = &self.bytes[at..];
        if rest.is_empty() {
            return None;
        }
        if let Ok(payload) = open_frame(rest) {
            self.at += payload.len() + OVERHEAD;
            return Some(Found::Frame { at, payload });
        }
        let next = (1..rest.len()).find(|&n| rest[n] == MAGIC[0] && open_frame(&rest[n..]).is_ok());
        let len = next.unwrap_or(rest.len());
        self.at += len;
        if next.is_none() && is_torn(rest) {
            Some(Found::Torn { at, len })
        } else {
            Some(Found::Damage { at, len })
        }
    }
}

/// True for the first part of a frame, and for zeros: what a stop in the middle of a write leaves behind.
fn is_torn(rest: &[u8]) -> bool {
    let cut_header = rest.len() < HEADER && rest.iter().zip(MAGIC).all(|(a, b)| *a == b);
    let cut_payload = header(rest).is_some_and(|length| rest.len() < length + OVERHEAD);
    cut_header || cut_payload || rest.iter().all(|b| *b == 0)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
