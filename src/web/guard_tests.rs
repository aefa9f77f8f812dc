use proptest::prelude::*;

use super::*;

/// A client's frame header and payload.
fn frame(first: u8, length: u64, body: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([1, 2, 3, 4]);
    bytes.extend(std::iter::repeat_n(b'x', body));
    bytes
}

fn read(parts: &[Vec<u8>]) -> Result<u32, Verdict> {
    let mut headers = Headers::default();
    parts.iter().try_fold(0, |sum, part| Ok(sum + headers.read(part)?))
}

#[test]
fn limits_hold_at_the_edge() {
    for (length, expected) in [
        (MAX_FRAME - 1, Ok(1)),
        (MAX_FRAME, Ok(1)),
        (MAX_FRAME + 1, Err(Verdict::TooBig)),
        (1 << 30, Err(Verdict::TooBig)),
        (1 << 62, Err(Verdict::TooBig)),
        (1 << 63, Err(Verdict::Malformed)),
    ] {
        let body = if expected.is_ok() { length as usize } else { 0 };
        assert_eq!(read(&[frame(0x81, length, body)]), expected, "{length}");
    }
}

#[test]
fn continuations_count_together() {
    let half = MAX_FRAME as usize;
    let parts = |last: u64| {
        vec![frame(0x01, MAX_FRAME, half), frame(0x00, MAX_FRAME, half), frame(0x80, last, last as usize)]
    };
    assert_eq!(read(&parts(0)), Ok(3));
    assert_eq!(read(&parts(1)), Err(Verdict::TooBig));
}

#[test]
fn what_the_rfc_forbids_is_malformed() {
    let cases: &[(&str, Vec<u8>)] = &[
        ("unmasked", vec![0x81, 0x01, b'x']),
        ("reserved bit", frame(0xC1, 1, 1)),
        ("reserved opcode", frame(0x83, 1, 1)),
        ("reserved control opcode", frame(0x8B, 1, 1)),
        ("fragmented control", frame(0x09, 1, 1)),
        ("long control", frame(0x89, 126, 0)),
        ("huge control", frame(0x89, 70_000, 0)),
        ("continuation of nothing", frame(0x80, 1, 1)),
        ("long form of a short length", vec![0x81, 0xFE, 0, 5]),
        ("longest form of a short length", [vec![0x81, 0xFF], 5u64.to_be_bytes().to_vec()].concat()),
    ];
    for (name, bytes) in cases {
        assert_eq!(read(std::slice::from_ref(bytes)), Err(Verdict::Malformed), "{name}");
    }
    let twice = [frame(0x01, 1, 1), frame(0x81, 1, 1)];
    assert_eq!(read(&twice), Err(Verdict::Malformed), "a message inside a message");
    let between = [frame(0x01, 1, 1), frame(0x89, 0, 0), frame(0x80, 1, 1)];
    assert_eq!(read(&between), Ok(3), "a ping inside a message");
}

#[test]
fn a_flood_ends_and_time_forgives() {
    let start = Instant::now();
    let mut bucket = FrameBucket { level: FRAME_BURST, at: start };
    assert_eq!(bucket.take(FRAME_BURST as u32, start), Ok(()));
    assert_eq!(bucket.take(1, start), Err(Verdict::Flood));
    let mut bucket = FrameBucket { level: 0.0, at: start };
    assert_eq!(bucket.take(30, start + std::time::Duration::from_secs(1)), Ok(()));
}

proptest! {
    /// The same bytes are judged alike, however they are cut.
    #[test]
    fn cuts_change_nothing(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(0u64..300, 1..6)
                .prop_map(|sizes| sizes.into_iter().flat_map(|n| frame(0x82, n, n as usize)).collect()),
        ],
        step in 1usize..40,
    ) {
        let whole = read(std::slice::from_ref(&bytes));
        let cut: Vec<Vec<u8>> = bytes.chunks(step).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(read(&cut), whole);
    }
}
