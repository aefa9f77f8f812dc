//! What one client has been told of one conversation: the place where gaps and repeats end.
//!
//! Pure bookkeeping over numbers and offsets; the session sends what comes out.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::{BATCH_FOR, BATCH_PIECES};
use crate::chat::Delta;
use crate::domain::{ConvId, Event, EventKind, MessageId, Seq};

/// Replies whose late pieces are recognised and dropped.
const REMEMBERED: usize = 4;

/// A conversation the client listens to.
#[derive(Debug)]
pub(super) struct Follow {
    pub conv: ConvId,
    /// The newest event the client was sent.
    pub last: Seq,
    /// The reply in the making, and how many of its characters have been taken in.
    reply: Option<(MessageId, usize)>,
    ended: VecDeque<MessageId>,
    pending: Option<Pending>,
}

/// Pieces that wait to go out together.
#[derive(Debug)]
struct Pending {
    mid: MessageId,
    off: usize,
    text: String,
    pieces: usize,
    due: Instant,
}

/// A piece of a reply, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub mid: MessageId,
    pub off: usize,
    pub text: String,
}

/// What to do with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send,
    /// The client has it.
    Skip,
    /// Something is missing before it: read on from `last`.
    Gap,
}

/// What to do with a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Send(Outgoing),
    /// Gathered, or known already.
    Wait,
    Gap,
}

impl Follow {
    pub(super) fn new(conv: ConvId, last: Seq) -> Self {
        Self { conv, last, reply: None, ended: VecDeque::new(), pending: None }
    }

    /// The client starts again after `last`.
    pub(super) fn restart(&mut self, last: Seq) {
        self.last = last;
        self.reply = None;
        self.pending = None;
    }

    /// Takes in an event. The caller sends what [`Follow::flush`] gives first: the pieces came before it.
    pub(super) fn event(&mut self, event: &Event) -> Step {
        if event.seq <= self.last {
            return Step::Skip;
        }
        if event.seq > self.last + 1 {
            return Step::Gap;
        }
        self.last = event.seq;
        if let EventKind::Reply { mid, .. } = &event.kind {
            self.ended.push_back(*mid);
            if self.ended.len() > REMEMBERED {
                self.ended.pop_front();
            }
            self.reply = None;
        }
        Step::Send
    }

    /// Takes in the whole text so far of a reply, as a replay gives it: it goes out at once, from 0.
    pub(super) fn partial(&mut self, delta: &Delta) -> Option<Outgoing> {
        if self.ended.contains(&delta.mid) {
            return None;
        }
        self.pending = None;
        self.reply = Some((delta.mid, delta.off + delta.text.chars().count()));
        (!delta.text.is_empty()).then(|| outgoing(delta.mid, delta.off, &delta.text))
    }

    /// Takes in a live piece. The first of a reply goes out at once, later ones are gathered.
    pub(super) fn delta(&mut self, delta: &Delta, now: Instant) -> Piece {
        if self.ended.contains(&delta.mid) {
            return Piece::Wait;
        }
        let length = delta.text.chars().count();
        let known = match self.reply {
            Some((mid, known)) if mid == delta.mid => known,
            _ => 0,
        };
        if delta.off > known {
            return Piece::Gap;
        }
        if length == 0 || delta.off + length <= known {
            return Piece::Wait;
        }
        let fresh: Arc<str> = if delta.off == known {
            delta.text.clone()
        } else {
            delta.text.chars().skip(known - delta.off).collect::<String>().into()
        };
        self.reply = Some((delta.mid, delta.off + length));
        if known == 0 {
            self.pending = None;
            return Piece::Send(outgoing(delta.mid, 0, &fresh));
        }
        self.gather(delta.mid, known, &fresh, now)
    }

    fn gather(&mut self, mid: MessageId, off: usize, text: &str, now: Instant) -> Piece {
        let pending = self.pending.get_or_insert_with(|| Pending {
            mid,
            off,
            text: String::new(),
            pieces: 0,
            due: now + BATCH_FOR,
        });
        pending.text.push_str(text);
        pending.pieces += 1;
        if pending.pieces < BATCH_PIECES && now < pending.due {
            return Piece::Wait;
        }
        self.flush().map_or(Piece::Wait, Piece::Send)
    }

    /// True from the first piece of a reply to its end.
    pub(super) fn is_answered(&self) -> bool {
        self.reply.is_some()
    }

    /// When the gathered pieces have to go out.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.due)
    }

    /// The gathered pieces.
    pub(super) fn flush(&mut self) -> Option<Outgoing> {
        self.pending.take().map(|p| Outgoing { mid: p.mid, off: p.off, text: p.text })
    }
}

fn outgoing(mid: MessageId, off: usize, text: &str) -> Outgoing {
    Outgoing { mid, off, text: text.to_owned() }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
