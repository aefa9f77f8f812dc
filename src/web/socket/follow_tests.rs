use std::time::Duration;

use super::*;
use crate::domain::Ended;

fn conv() -> ConvId {
    ConvId::from_bytes([1; 16])
}

fn mid(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

fn delta(n: u8, off: usize, text: &str) -> Delta {
    Delta { conv: conv(), mid: mid(n), off, text: text.into() }
}

fn reply(seq: Seq, n: u8) -> Event {
    let kind =
        EventKind::Reply { mid: mid(n), upto: 1, text: "x".into(), ended: Ended::Complete, provenance: None };
    Event { conv: conv(), seq, at: 0, kind }
}

fn sent(n: u8, off: usize, text: &str) -> Piece {
    Piece::Send(outgoing(mid(n), off, text))
}

#[test]
fn events_come_once_and_in_order() {
    let mut follow = Follow::new(conv(), 3);
    assert_eq!(follow.event(&reply(3, 1)), Step::Skip);
    assert_eq!(follow.event(&reply(5, 1)), Step::Gap);
    assert_eq!(follow.event(&reply(4, 1)), Step::Send);
    assert_eq!(follow.event(&reply(4, 1)), Step::Skip);
    assert_eq!(follow.last, 4);
}

#[test]
fn the_first_piece_goes_at_once_and_later_ones_four_at_a_time_or_after_50_ms() {
    let now = Instant::now();
    let mut follow = Follow::new(conv(), 0);
    assert_eq!(follow.delta(&delta(1, 0, "a"), now), sent(1, 0, "a"));
    assert_eq!(follow.delta(&delta(1, 1, "b"), now), Piece::Wait);
    assert_eq!(follow.delta(&delta(1, 2, "c"), now), Piece::Wait);
    assert_eq!(follow.delta(&delta(1, 3, "d"), now), Piece::Wait);
    assert_eq!(follow.due(), Some(now + Duration::from_millis(50)));
    assert_eq!(follow.delta(&delta(1, 4, "e"), now), sent(1, 1, "bcde"));
    assert_eq!(follow.due(), None);
    assert_eq!(follow.delta(&delta(1, 5, "é"), now), Piece::Wait);
    let later = now + Duration::from_millis(50);
    assert_eq!(follow.delta(&delta(1, 6, "f"), later), sent(1, 5, "éf"));
}

#[test]
fn overlap_is_cut_and_a_hole_is_a_gap() {
    let now = Instant::now();
    let mut follow = Follow::new(conv(), 0);
    assert_eq!(follow.delta(&delta(1, 4, "x"), now), Piece::Gap);
    assert_eq!(follow.partial(&delta(1, 0, "äbc")), Some(outgoing(mid(1), 0, "äbc")));
    assert_eq!(follow.delta(&delta(1, 1, "bc"), now), Piece::Wait);
    assert_eq!(follow.delta(&delta(1, 2, "cd"), now), Piece::Wait);
    assert_eq!(follow.flush(), Some(outgoing(mid(1), 3, "d")));
    assert_eq!(follow.delta(&delta(1, 5, "f"), now), Piece::Gap);
}

#[test]
fn pieces_of_an_ended_reply_are_dropped() {
    let now = Instant::now();
    let mut follow = Follow::new(conv(), 0);
    assert_eq!(follow.event(&reply(1, 1)), Step::Send);
    assert_eq!(follow.delta(&delta(1, 0, "late"), now), Piece::Wait);
    assert_eq!(follow.partial(&delta(1, 0, "late")), None);
    assert_eq!(follow.delta(&delta(2, 0, "new"), now), sent(2, 0, "new"));
    follow.restart(0);
    assert_eq!(follow.delta(&delta(1, 0, "late"), now), Piece::Wait);
}
