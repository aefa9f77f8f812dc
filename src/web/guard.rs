//! A guard in front of actix-ws: it reads frame headers as bytes arrive and ends the stream before a frame that may not be.
//!
//! actix-http 3 waits for a whole frame before it looks at its length, so a client could declare 1 GiB and make the server
//! collect it. The guard fails on the header alone. It also counts frames, so that a flood of tiny ones ends too. Bytes
//! pass through unchanged; texts are not read here.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// The longest frame, in bytes of payload.
pub const MAX_FRAME: u64 = 64 * 1024;
/// The longest message with all its continuations, in bytes.
pub const MAX_MESSAGE: u64 = 128 * 1024;
/// The longest control frame (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;
/// The longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// Frames a client may send at once, and per second after that.
const FRAME_BURST: f64 = 120.0;
const FRAMES_PER_SECOND: f64 = 30.0;

/// Why the guard ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Verdict {
    #[error("a frame is longer than 64 KiB, or a message longer than 128 KiB")]
    TooBig,
    #[error("a frame breaks RFC 6455")]
    Malformed,
    #[error("too many frames")]
    Flood,
}

/// Where the socket finds out why the stream ended.
pub type VerdictCell = Rc<Cell<Option<Verdict>>>;

/// The state between two bytes.
#[derive(Debug)]
pub struct Headers {
    header: [u8; MAX_HEADER],
    have: u8,
    /// Bytes of payload still to pass.
    payload: u64,
    /// Bytes of the unfinished message so far; `None` between messages.
    message: Option<u64>,
}

impl Default for Headers {
    fn default() -> Self {
        Self { header: [0; MAX_HEADER], have: 0, payload: 0, message: None }
    }
}

impl Headers {
    /// Reads on through `bytes`; the number of frames that began in them, or why they may not pass.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<u32, Verdict> {
        let mut frames = 0;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let step = self.payload.min(bytes.len() as u64);
                self.payload -= step;
                bytes = &bytes[step as usize..];
                continue;
            }
            self.header[self.have as usize] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.check()? {
                frames += 1;
            }
        }
        Ok(frames)
    }

    /// Looks at the header as far as it is known; true once it is complete.
    fn check(&mut self) -> Result<bool, Verdict> {
        let have = self.have as usize;
        let first = self.header[0];
        let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
        let control = opcode >= 8;
        if have == 1 {
            self.check_first(first, last, opcode)?;
            return Ok(false);
        }
        let second = self.header[1];
        if second & 0x80 == 0 {
            return Err(Verdict::Malformed);
        }
        let (length, wide) = match second & 0x7F {
            126 => (u16::from_be_bytes([self.header[2], self.header[3]]).into(), 2),
            127 => (u64::from_be_bytes(self.header[2..10].try_into().expect("eight bytes")), 8),
            short => (u64::from(short), 0),
        };
        if control && wide > 0 {
            return Err(Verdict::Malformed);
        }
        if have < 2 + wide {
            return Ok(false);
        }
        if have == 2 + wide {
            self.check_length(length, wide, control)?;
        }
        if have < 2 + wide + 4 {
            return Ok(false);
        }
        self.have = 0;
        self.payload = length;
        if !control {
            let size = self.message.unwrap_or(0) + length;
            self.message = if last { None } else { Some(size) };
        }
        Ok(true)
    }

    fn check_first(&self, first: u8, last: bool, opcode: u8) -> Result<(), Verdict> {
        let control = opcode >= 8;
        let known = matches!(opcode, 0..=2 | 8..=10);
        let in_order = match opcode {
            0 => self.message.is_some(),
            1 | 2 => self.message.is_none(),
            _ => true,
        };
        if first & 0x70 != 0 || !known || !in_order || (control && !last) {
            return Err(Verdict::Malformed);
        }
        Ok(())
    }

    fn check_length(&self, length: u64, wide: usize, control: bool) -> Result<(), Verdict> {
        // RFC 6455, section 5.2: the shortest form must be used, and the highest bit is 0.
        let shortest = match wide {
            2 => length > 125,
            8 => length > 0xFFFF && length >> 63 == 0,
            _ => true,
        };
        if (control && length > MAX_CONTROL) || !shortest {
            return Err(Verdict::Malformed);
        }
        if !control && (length > MAX_FRAME || self.message.unwrap_or(0) + length > MAX_MESSAGE) {
            return Err(Verdict::TooBig);
        }
        Ok(())
    }
}

/// A bucket of frames that fills with time.
#[derive(Debug)]
struct FrameBucket {
    level: f64,
    at: Instant,
}

impl FrameBucket {
    fn take(&mut self, frames: u32, now: Instant) -> Result<(), Verdict> {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * FRAMES_PER_SECOND;
        self.level = (self.level + filled).min(FRAME_BURST) - f64::from(frames);
        self.at = now;
        if self.level < 0.0 { Err(Verdict::Flood) } else { Ok(()) }
    }
}

/// A byte stream with the guard in front.
#[derive(Debug)]
pub struct Guarded<S> {
    inner: S,
    headers: Headers,
    bucket: FrameBucket,
    verdict: VerdictCell,
}

impl<S> Guarded<S> {
    pub fn new(inner: S) -> (Self, VerdictCell) {
        let verdict = VerdictCell::default();
        let bucket = FrameBucket { level: FRAME_BURST, at: Instant::now() };
        let guarded = Self { inner, headers: Headers::default(), bucket, verdict: verdict.clone() };
        (guarded, verdict)
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guarded<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.verdict.get().is_some() {
            return Poll::Ready(None);
        }
        let bytes = match Pin::new(&mut self.inner).poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => bytes,
            other => return other,
        };
        let this = &mut *self;
        let checked = this.headers.read(&bytes).and_then(|frames| this.bucket.take(frames, Instant::now()));
        match checked {
            Ok(()) => Poll::Ready(Some(Ok(bytes))),
            Err(verdict) => {
                this.verdict.set(Some(verdict));
                Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
            }
        }
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
