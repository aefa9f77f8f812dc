//! A message in several frames, put together.
//!
//! No frame of ours is longer than one WebSocket frame may be. A message that is longer in all is refused when it ends, and not
//! kept until then; the guard closes at twice that length.

use actix_ws::Item;

use crate::web::guard::MAX_FRAME;

/// The message so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    kept: Vec<u8>,
    too_long: bool,
}

/// What one more frame makes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    More,
    Whole(String),
    TooLong,
    Binary,
    /// It is whole, and not UTF-8.
    NotText,
}

impl Parts {
    pub(super) fn take(&mut self, item: Item) -> Part {
        let (bytes, last) = match item {
            Item::FirstBinary(_) => return Part::Binary,
            Item::FirstText(bytes) => {
                *self = Self::default();
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        self.too_long |= (self.kept.len() + bytes.len()) as u64 > MAX_FRAME;
        if self.too_long {
            self.kept = Vec::new();
        } else {
            self.kept.reserve_exact(bytes.len());
            self.kept.extend_from_slice(&bytes);
        }
        if !last {
            return Part::More;
        }
        match std::mem::take(self) {
            Self { too_long: true, .. } => Part::TooLong,
            Self { kept, .. } => String::from_utf8(kept).map_or(Part::NotText, Part::Whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;

    use super::*;

    #[test]
    fn a_message_is_whole_or_refused_and_a_long_one_is_not_kept() {
        let mut parts = Parts::default();
        let bytes = |count: u64| Bytes::from(vec![b'x'; count as usize]);
        assert_eq!(parts.take(Item::FirstText(Bytes::from_static(b"\xE2\x82"))), Part::More);
        assert_eq!(parts.take(Item::Continue(Bytes::new())), Part::More);
        assert_eq!(parts.take(Item::Last(Bytes::from_static(b"\xAC!"))), Part::Whole("\u{20ac}!".to_owned()));
        assert_eq!(parts.take(Item::FirstText(Bytes::from_static(b"\xE2"))), Part::More);
        assert_eq!(parts.take(Item::Last(Bytes::from_static(b"\x28"))), Part::NotText);
        assert_eq!(parts.take(Item::FirstText(bytes(MAX_FRAME))), Part::More);
        assert!(
            matches!(parts.take(Item::Last(Bytes::new())), Part::Whole(text) if text.len() as u64 == MAX_FRAME)
        );
        assert_eq!(parts.take(Item::FirstText(bytes(MAX_FRAME))), Part::More);
        assert_eq!(parts.take(Item::Continue(bytes(1))), Part::More);
        assert_eq!(parts.kept.capacity(), 0);
        assert_eq!(parts.take(Item::Last(bytes(1))), Part::TooLong);
        assert_eq!(parts.take(Item::FirstBinary(bytes(1))), Part::Binary);
    }
}
