use proptest::prelude::*;

use super::*;

fn frames(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for payload in payloads {
        starts.push(bytes.len());
        push_frame(&mut bytes, payload);
    }
    (bytes, starts)
}

/// Payloads as they are in life: JSON text, so UTF-8.
fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(".{1,60}".prop_map(String::into_bytes), 1..12)
}

proptest! {
    #[test]
    fn a_row_comes_back_and_only_under_its_key(value in ".{0,300}", key in prop::collection::vec(any::<u8>(), 1..40)) {
        let row = seal_row(&key, &value);
        prop_assert_eq!(open_row::<String>(&key, &row), Ok(value));
        let mut other = key.clone();
        other[0] ^= 1;
        prop_assert_eq!(open_row::<String>(&other, &row), Err(BadFrame::Checksum));
    }

    #[test]
    fn any_changed_bit_of_a_row_is_noticed(value in ".{0,60}", bit in any::<prop::sample::Index>()) {
        let mut row = seal_row(b"key", &value);
        let bit = bit.index(row.len() * 8);
        row[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open_row::<String>(b"key", &row).is_err());
    }

    #[test]
    fn frames_come_back(payloads in payloads()) {
        let (bytes, _) = frames(&payloads);
        let found: Vec<_> = Scan::new(&bytes).collect();
        prop_assert_eq!(found.len(), payloads.len());
        for (found, written) in found.iter().zip(&payloads) {
            let same = matches!(found, Found::Frame { payload, .. } if payload == written);
            prop_assert!(same, "{:?}", found);
        }
    }

    /// A cut anywhere loses the frame it goes through, and is called torn, never damaged.
    #[test]
    fn a_cut_is_a_torn_end(payloads in payloads(), cut in any::<prop::sample::Index>()) {
        let (bytes, starts) = frames(&payloads);
        let cut = cut.index(bytes.len());
        let whole = starts.iter().skip(1).filter(|start| **start <= cut).count();
        let found: Vec<_> = Scan::new(&bytes[..cut]).collect();
        let good = found.iter().filter(|f| matches!(f, Found::Frame { .. })).count();
        prop_assert_eq!(good, whole);
        let damaged = found.iter().any(|f| matches!(f, Found::Damage { .. }));
        prop_assert!(!damaged, "{:?}", found);
    }

    /// Bytes changed inside one frame cost that frame only, and are called damage.
    #[test]
    fn damage_costs_one_frame(payloads in payloads(), which in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), flip in 1u8..) {
        let (mut bytes, mut starts) = frames(&payloads);
        starts.push(bytes.len());
        let which = which.index(payloads.len());
        let (from, to) = (starts[which], starts[which + 1]);
        bytes[from + byte.index(to - from)] ^= flip;
        let found: Vec<_> = Scan::new(&bytes).collect();
        let good = found.iter().filter(|f| matches!(f, Found::Frame { .. })).count();
        prop_assert_eq!(good, payloads.len() - 1);
        let expected = Found::Damage { at: from, len: to - from };
        prop_assert!(found.contains(&expected), "{:?} is not in {:?}", expected, found);
    }

    /// Whatever the bytes, the scan ends and covers every one of them exactly once.
    #[test]
    fn a_scan_covers_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut at = 0;
        for found in Scan::new(&bytes) {
            let (start, len) = match found {
                Found::Frame { at, payload } => (at, payload.len() + OVERHEAD),
                Found::Damage { at, len } | Found::Torn { at, len } => (at, len),
            };
            prop_assert_eq!(start, at);
            at += len;
        }
        prop_assert_eq!(at, bytes.len());
    }
}

#[test]
fn zeros_after_the_last_frame_are_a_torn_end() {
    let (mut bytes, _) = frames(&[b"{}".to_vec()]);
    let end = bytes.len();
    bytes.resize(end + 512, 0);
    assert_eq!(Scan::new(&bytes).last(), Some(Found::Torn { at: end, len: 512 }));
}
