//! The header of a GGUF file, version 2 or 3, little-endian
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).
//!
//! The file is not trusted. Each count and length is compared with what is left of the file, and with a limit no real model
//! comes near, before memory is taken for it; sums and products are checked. Whatever is wrong is a [`GgufError`] that
//! names the field and the offset.

mod cursor;
mod tensor;
mod value;

use std::collections::BTreeMap;
use std::io::BufRead;

use cursor::Cursor;
pub(crate) use tensor::TensorInfo;
pub(crate) use value::Value;

/// No model has more tensors or metadata entries than this; the largest known have some thousands.
const MOST_ENTRIES: u64 = 65_536;
/// What tensors are aligned to if the file does not say.
const DEFAULT_ALIGNMENT: u64 = 32;
/// A longer alignment than a huge page is a mistake.
const MOST_ALIGNMENT: u64 = 1 << 21;

/// What is wrong with the file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}, at byte {offset}: {problem}")]
pub struct GgufError {
    /// The part of the file, e.g. `tokenizer.ggml.tokens[7]`.
    pub field: String,
    /// Bytes from the start of the file.
    pub offset: u64,
    pub problem: String,
}

/// Everything before the weights.
#[derive(Clone, Debug)]
pub struct Header {
    metadata: BTreeMap<String, Entry>,
    /// In the order of the file; each lies wholly inside it and none overlap.
    tensors: BTreeMap<String, TensorInfo>,
    /// Bytes of the header: what is missing is missing up to here.
    length: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    offset: u64,
}

impl Header {
    /// Reads the header of a file of `size` bytes from its start.
    ///
    /// # Errors
    /// See the module: any length or offset that the file cannot hold.
    pub fn read(input: &mut impl BufRead, size: u64) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(input, size);
        Self::magic(&mut cursor)?;
        // A tensor takes at least a name length, one dimension, a type and an offset; an entry a key length and a value.
        let tensor_count = cursor.u64("tensor_count")?;
        cursor.expect_room("tensor_count", tensor_count, 8 + 4 + 8 + 4 + 8, MOST_ENTRIES)?;
        let entry_count = cursor.u64("metadata_kv_count")?;
        cursor.expect_room("metadata_kv_count", entry_count, 8 + 4 + 1, MOST_ENTRIES)?;

        let mut metadata = BTreeMap::new();
        for index in 0..entry_count {
            let (key, entry) = Self::entry(&mut cursor, index)?;
            let offset = entry.offset;
            if metadata.insert(key.clone(), entry).is_some() {
                return Err(GgufError { field: key, offset, problem: "appears twice".to_owned() });
            }
        }
        let alignment = Self::alignment(&metadata)?;
        let mut tensors = BTreeMap::new();
        for index in 0..tensor_count {
            let at = cursor.offset();
            let (name, info) = TensorInfo::read(&mut cursor, index)?;
            if tensors.insert(name.clone(), info).is_some() {
                return Err(GgufError {
                    field: format!("tensor `{name}`"),
                    offset: at,
                    problem: "appears twice".to_owned(),
                });
            }
        }
        let length = cursor.offset();
        tensor::place(&mut tensors, length.next_multiple_of(alignment), alignment, size)?;
        Ok(Self { metadata, tensors, length })
    }

    fn magic<R: BufRead>(cursor: &mut Cursor<'_, R>) -> Result<(), GgufError> {
        let magic: [u8; 4] = cursor.bytes("magic")?;
        if magic != *b"GGUF" {
            return Err(cursor.fault("magic", 4, "this is not a GGUF file"));
        }
        match cursor.u32("version")? {
            2 | 3 => Ok(()),
            1 => Err(cursor.fault("version", 4, "version 1 is too old; get a newer file of the model")),
            big if big.swap_bytes() <= 16 => Err(cursor.fault("version", 4, "the file is big-endian")),
            other => Err(cursor.fault("version", 4, &format!("{other} is not known; 2 and 3 are"))),
        }
    }

    fn entry<R: BufRead>(cursor: &mut Cursor<'_, R>, index: u64) -> Result<(String, Entry), GgufError> {
        let key = cursor.string(&format!("metadata[{index}].key"), cursor::LONGEST_NAME)?;
        let offset = cursor.offset();
        let value = Value::read(cursor, &key)?;
        Ok((key, Entry { value, offset }))
    }

    fn alignment(metadata: &BTreeMap<String, Entry>) -> Result<u64, GgufError> {
        let Some(entry) = metadata.get("general.alignment") else { return Ok(DEFAULT_ALIGNMENT) };
        match entry.value {
            Value::Unsigned(n) if n.is_power_of_two() && n <= MOST_ALIGNMENT => Ok(n),
            _ => Err(GgufError {
                field: "general.alignment".to_owned(),
                offset: entry.offset,
                problem: "must be a power of two".to_owned(),
            }),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    pub(super) fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info))
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key).map(|entry| &entry.value)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An error about `key`, at its place in the file (the header's end if it is absent).
    pub(super) fn fault(&self, key: &str, problem: impl Into<String>) -> GgufError {
        let offset = self.metadata.get(key).map_or(self.length, |entry| entry.offset);
        GgufError { field: key.to_owned(), offset, problem: problem.into() }
    }

    /// The same about the tensor `name`.
    pub(super) fn tensor_fault(&self, name: &str, problem: impl Into<String>) -> GgufError {
        let offset = self.tensors.get(name).map_or(self.length, |info| info.described_at);
        GgufError { field: format!("tensor `{name}`"), offset, problem: problem.into() }
    }

    /// The whole number `key` between 0 and `most`; `None` if absent.
    pub(super) fn whole(&self, key: &str, most: u64) -> Result<Option<u64>, GgufError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Unsigned(n)) if *n <= most => Ok(Some(*n)),
            Some(Value::Signed(n)) if u64::try_from(*n).is_ok_and(|n| n <= most) => {
                Ok(Some(n.unsigned_abs()))
            }
            Some(Value::Unsigned(n)) => Err(self.fault(key, format!("{n} is more than {most}"))),
            Some(_) => Err(self.fault(key, format!("must be a whole number up to {most}"))),
        }
    }

    /// The finite number `key`; `None` if absent.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, GgufError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Number(n)) if n.is_finite() => Ok(Some(*n)),
            Some(_) => Err(self.fault(key, "must be a finite number")),
        }
    }
}
