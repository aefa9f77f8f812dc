//! Metadata values.

use std::io::BufRead;

use super::GgufError;
use super::cursor::{Cursor, LONGEST_TEXT};

/// The largest vocabularies have a quarter of a million entries.
const LONGEST_ARRAY: u64 = 1 << 22;

/// One metadata value. All whole numbers become 64 bits wide, all floats `f64`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Number(f64),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
    /// Whole numbers.
    Wholes(Vec<i64>),
    /// Floats are read past: nothing in a tokenizer of byte pairs needs them.
    Numbers(usize),
}

/// What a value is, as the file numbers it.
#[derive(Clone, Copy)]
enum Shape {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl Shape {
    fn read<R: BufRead>(cursor: &mut Cursor<'_, R>, field: &str) -> Result<Self, GgufError> {
        Ok(match cursor.u32(field)? {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            8 => Self::Text,
            9 => Self::Array,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            other => return Err(cursor.fault(field, 4, &format!("type {other} is not known"))),
        })
    }

    /// The fewest bytes a value of this shape takes in the file.
    fn least_bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::Text | Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Array => 12,
        }
    }
}

impl Value {
    pub(super) fn read<R: BufRead>(cursor: &mut Cursor<'_, R>, field: &str) -> Result<Self, GgufError> {
        match Shape::read(cursor, field)? {
            Shape::Array => Self::array(cursor, field),
            shape => Self::single(cursor, field, shape),
        }
    }

    fn single<R: BufRead>(cursor: &mut Cursor<'_, R>, field: &str, shape: Shape) -> Result<Self, GgufError> {
        Ok(match shape {
            Shape::U8 => Self::Unsigned(u8::from_le_bytes(cursor.bytes(field)?).into()),
            Shape::I8 => Self::Signed(i8::from_le_bytes(cursor.bytes(field)?).into()),
            Shape::U16 => Self::Unsigned(u16::from_le_bytes(cursor.bytes(field)?).into()),
            Shape::I16 => Self::Signed(i16::from_le_bytes(cursor.bytes(field)?).into()),
            Shape::U32 => Self::Unsigned(cursor.u32(field)?.into()),
            Shape::I32 => Self::Signed(i32::from_le_bytes(cursor.bytes(field)?).into()),
            Shape::U64 => Self::Unsigned(cursor.u64(field)?),
            Shape::I64 => Self::Signed(i64::from_le_bytes(cursor.bytes(field)?)),
            Shape::F32 => Self::Number(f32::from_le_bytes(cursor.bytes(field)?).into()),
            Shape::F64 => Self::Number(f64::from_le_bytes(cursor.bytes(field)?)),
            Shape::Bool => match cursor.bytes(field)? {
                [0] => Self::Flag(false),
                [1] => Self::Flag(true),
                [other] => return Err(cursor.fault(field, 1, &format!("{other} is neither 0 nor 1"))),
            },
            Shape::Text => Self::Text(cursor.string(field, LONGEST_TEXT)?),
            Shape::Array => return Err(cursor.fault(field, 4, "arrays in arrays are not supported")),
        })
    }

    fn array<R: BufRead>(cursor: &mut Cursor<'_, R>, field: &str) -> Result<Self, GgufError> {
        let shape = Shape::read(cursor, field)?;
        let count = cursor.u64(field)?;
        cursor.expect_room(field, count, shape.least_bytes(), LONGEST_ARRAY)?;
        let count = count as usize;
        let at = |index: usize| format!("{field}[{index}]");
        match shape {
            Shape::Array => Err(cursor.fault(field, 12, "arrays in arrays are not supported")),
            Shape::Text => {
                let mut texts = Vec::with_capacity(count);
                for index in 0..count {
                    texts.push(cursor.string(&at(index), LONGEST_TEXT)?);
                }
                Ok(Self::Texts(texts))
            }
            Shape::F32 | Shape::F64 => {
                for index in 0..count {
                    Self::single(cursor, &at(index), shape)?;
                }
                Ok(Self::Numbers(count))
            }
            _ => {
                let mut wholes = Vec::with_capacity(count);
                for index in 0..count {
                    wholes.push(match Self::single(cursor, &at(index), shape)? {
                        Self::Unsigned(n) => i64::try_from(n)
                            .map_err(|_| cursor.fault(&at(index), 8, &format!("{n} is too large")))?,
                        Self::Signed(n) => n,
                        Self::Flag(flag) => flag.into(),
                        _ => return Err(cursor.fault(&at(index), 0, "is not a whole number")),
                    });
                }
                Ok(Self::Wholes(wholes))
            }
        }
    }
}
