//! Reads little-endian numbers and texts and never takes memory for more than the file can hold.

use std::io::{BufRead, ErrorKind};

use super::GgufError;

/// Keys and tensor names are far shorter; the format allows 65,535 bytes.
pub(super) const LONGEST_NAME: u64 = 65_535;
/// Chat templates are the longest texts of real files, some ten thousand bytes.
pub(super) const LONGEST_TEXT: u64 = 8 << 20;

/// The longest headers of real files, with vocabularies of a quarter of a million words, are about 20 MB.
const LONGEST_HEADER: u64 = 64 << 20;

pub(super) struct Cursor<'a, R> {
    input: &'a mut R,
    offset: u64,
    size: u64,
}

impl<'a, R: BufRead> Cursor<'a, R> {
    /// `input` stands at the start of a file of `size` bytes.
    pub(super) fn new(input: &'a mut R, size: u64) -> Self {
        Self { input, offset: 0, size: size.min(LONGEST_HEADER) }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes until the end of the file, or until a header is longer than any real one.
    fn left(&self) -> u64 {
        self.size.saturating_sub(self.offset)
    }

    /// An error about `field`, which starts `back` bytes before the present place.
    pub(super) fn fault(&self, field: &str, back: u64, problem: &str) -> GgufError {
        GgufError {
            field: field.to_owned(),
            offset: self.offset.saturating_sub(back),
            problem: problem.to_owned(),
        }
    }

    /// Refuses a `count` of things of at least `each` bytes that the rest of the file cannot hold, or above `most`.
    pub(super) fn expect_room(&self, field: &str, count: u64, each: u64, most: u64) -> Result<(), GgufError> {
        if count > most {
            return Err(self.fault(field, 8, &format!("{count} is more than the limit of {most}")));
        }
        match count.checked_mul(each) {
            Some(need) if need <= self.left() => Ok(()),
            _ => {
                Err(self.fault(field, 8, &format!("{count} cannot be: only {} bytes are left", self.left())))
            }
        }
    }

    pub(super) fn bytes<const N: usize>(&mut self, field: &str) -> Result<[u8; N], GgufError> {
        let mut buffer = [0; N];
        self.fill(field, &mut buffer)?;
        Ok(buffer)
    }

    pub(super) fn u32(&mut self, field: &str) -> Result<u32, GgufError> {
        self.bytes(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &str) -> Result<u64, GgufError> {
        self.bytes(field).map(u64::from_le_bytes)
    }

    /// A text of at most `most` bytes with its length before it.
    pub(super) fn string(&mut self, field: &str, most: u64) -> Result<String, GgufError> {
        let length = self.u64(field)?;
        self.expect_room(field, length, 1, most)?;
        // `expect_room` bounds it by `most`, so the cast is exact.
        let mut buffer = vec![0; length as usize];
        self.fill(field, &mut buffer)?;
        String::from_utf8(buffer).map_err(|_| self.fault(field, length, "is not UTF-8 text"))
    }

    fn fill(&mut self, field: &str, buffer: &mut [u8]) -> Result<(), GgufError> {
        let need = buffer.len() as u64;
        if need > self.left() {
            return Err(self.fault(field, 0, "the file ends here; it is cut short"));
        }
        self.input.read_exact(buffer).map_err(|fault| {
            let problem = match fault.kind() {
                ErrorKind::UnexpectedEof => "the file ends here; it is cut short".to_owned(),
                _ => fault.to_string(),
            };
            self.fault(field, 0, &problem)
        })?;
        self.offset += need;
        Ok(())
    }
}
