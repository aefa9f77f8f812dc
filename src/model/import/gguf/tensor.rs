//! Where each tensor lies and how its numbers are packed.

use std::collections::BTreeMap;
use std::io::BufRead;

use candle_core::quantized::GgmlDType;

use super::GgufError;
use super::cursor::{Cursor, LONGEST_NAME};

/// How numbers are packed: blocks of `block` elements in `bytes` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(GgmlDType);

impl Kind {
    /// The kinds candle can unpack on a CPU, by their number in the file.
    fn from_number(number: u32) -> Option<Self> {
        Some(Self(match number {
            0 => GgmlDType::F32,
            1 => GgmlDType::F16,
            2 => GgmlDType::Q4_0,
            3 => GgmlDType::Q4_1,
            6 => GgmlDType::Q5_0,
            7 => GgmlDType::Q5_1,
            8 => GgmlDType::Q8_0,
            10 => GgmlDType::Q2K,
            11 => GgmlDType::Q3K,
            12 => GgmlDType::Q4K,
            13 => GgmlDType::Q5K,
            14 => GgmlDType::Q6K,
            30 => GgmlDType::BF16,
            _ => return None,
        }))
    }

    pub(crate) fn ggml(self) -> GgmlDType {
        self.0
    }

    /// The bytes of one row of `columns` numbers; `None` if they are not whole blocks or overflow.
    pub(crate) fn row_bytes(self, columns: u64) -> Option<u64> {
        let block = self.0.block_size() as u64;
        columns
            .is_multiple_of(block)
            .then(|| (columns / block).checked_mul(self.0.type_size() as u64))
            .flatten()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorInfo {
    pub(crate) kind: Kind,
    /// Rows, or 1 for a vector. (The file lists columns first.)
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    /// 1 for a vector, 2 for a matrix.
    pub(crate) rank: usize,
    /// Bytes from the start of the file, once placed.
    pub(crate) start: u64,
    /// All bytes of it.
    pub(crate) bytes: u64,
    /// Where its description is, for errors.
    pub(super) described_at: u64,
}

impl TensorInfo {
    pub(super) fn read<R: BufRead>(
        cursor: &mut Cursor<'_, R>,
        index: u64,
    ) -> Result<(String, Self), GgufError> {
        let described_at = cursor.offset();
        let name = cursor.string(&format!("tensor[{index}].name"), LONGEST_NAME)?;
        let field = |part: &str| format!("tensor `{name}` {part}");
        let rank = cursor.u32(&field("dimensions"))?;
        if !(1..=2).contains(&rank) {
            return Err(cursor.fault(
                &field("dimensions"),
                4,
                &format!("{rank}; only vectors and matrices are supported"),
            ));
        }
        let columns = cursor.u64(&field("shape"))?;
        let rows = if rank == 2 { cursor.u64(&field("shape"))? } else { 1 };
        let number = cursor.u32(&field("type"))?;
        let Some(kind) = Kind::from_number(number) else {
            return Err(cursor.fault(&field("type"), 4, &format!("{number} is not supported")));
        };
        let start = cursor.u64(&field("offset"))?;
        let bytes = kind.row_bytes(columns).and_then(|row| row.checked_mul(rows));
        let elements = columns.checked_mul(rows);
        let (Some(bytes), Some(1..)) = (bytes, elements) else {
            return Err(cursor.fault(
                &field("shape"),
                12,
                &format!("{rows} x {columns} cannot be for its type"),
            ));
        };
        let rank = rank as usize;
        Ok((name, Self { kind, rows, columns, rank, start, bytes, described_at }))
    }
}

/// Turns offsets within the data into offsets within a file of `size` bytes whose data begins at `data`. Tensors must lie
/// inside it and not on one another: a small file that claims one gigabyte a thousand times fills no disk.
pub(super) fn place(
    tensors: &mut BTreeMap<String, TensorInfo>,
    data: u64,
    alignment: u64,
    size: u64,
) -> Result<(), GgufError> {
    let mut spans = Vec::with_capacity(tensors.len());
    for (name, info) in tensors.iter_mut() {
        let fault = |problem: String| GgufError {
            field: format!("tensor `{name}` offset"),
            offset: info.described_at,
            problem,
        };
        if !info.start.is_multiple_of(alignment) {
            return Err(fault(format!("{} is not a multiple of {alignment}", info.start)));
        }
        let start = info.start.checked_add(data);
        match start.and_then(|start| Some((start, start.checked_add(info.bytes)?))) {
            Some((start, end)) if end <= size => {
                info.start = start;
                spans.push((start, end, name.clone(), info.described_at));
            }
            _ => {
                return Err(fault(format!(
                    "{} bytes from {} on end behind the file's {size} bytes; it is cut short",
                    info.bytes, info.start
                )));
            }
        }
    }
    spans.sort();
    for pair in spans.windows(2) {
        let [(_, end, first, _), (start, _, second, offset)] = pair else { continue };
        if start < end {
            return Err(GgufError {
                field: format!("tensor `{second}` offset"),
                offset: *offset,
                problem: format!("it lies on top of tensor `{first}`"),
            });
        }
    }
    Ok(())
}
