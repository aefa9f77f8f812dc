//! `model.safetensors`, tensor by tensor: read some rows, unpack them, put them in order, write them.

use std::io::{self, Read, Seek, SeekFrom, Write};

use candle_core::Device;
use candle_core::quantized::ggml_file::qtensor_from_ggml;
use serde_json::{Map, Value, json};

use super::arch::{Copy, Plan, Rows};
use super::gguf::{Header, TensorInfo};
use super::output::{Hashed, Output};

/// Numbers unpacked at once: 4 MiB of f32.
const CHUNK: u64 = 1 << 20;
/// Below this many parameters f32 weights fit everywhere.
const SMALL: u64 = 1_000_000_000;
/// The longest vector read whole (norms, biases, rope factors).
const LONGEST_VECTOR: u64 = 1 << 20;

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    /// Small models keep full precision, since the engine quantises in place; large ones would not fit.
    pub(super) fn fitting(parameters: u64) -> Self {
        if parameters < SMALL { Self::F32 } else { Self::Bf16 }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    pub(super) fn torch(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    fn safetensors(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// Bytes of one number.
    pub fn width(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    fn append(self, numbers: &[f32], into: &mut Vec<u8>) {
        match self {
            Self::F32 => into.extend(numbers.iter().flat_map(|n| n.to_le_bytes())),
            Self::F16 => into.extend(numbers.iter().flat_map(|n| half::f16::from_f32(*n).to_le_bytes())),
            Self::Bf16 => into.extend(numbers.iter().flat_map(|n| half::bf16::from_f32(*n).to_le_bytes())),
        }
    }
}

/// What went wrong with the weights.
#[derive(Debug)]
pub(super) enum Fault {
    Tensor { tensor: String, what: String },
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(fault: io::Error) -> Self {
        Self::Io(fault)
    }
}

/// The vector `name` as f32; `None` if the file has no such tensor.
pub(super) fn vector(
    input: &mut (impl Read + Seek),
    header: &Header,
    name: &str,
) -> Result<Option<Vec<f32>>, Fault> {
    let Some(info) = header.tensor(name) else { return Ok(None) };
    if info.rank != 1 || info.columns > LONGEST_VECTOR {
        return Err(Fault::Tensor { tensor: name.to_owned(), what: "is not a short vector".into() });
    }
    let mut rows = RowReader { input, info, name };
    rows.unpack(0, 1).map(Some)
}

/// All the weights of one model.
pub(super) struct Job<'a> {
    pub(super) header: &'a Header,
    pub(super) plan: &'a Plan,
    pub(super) dtype: Dtype,
}

impl Job<'_> {
    pub(super) fn write(
        &self,
        input: &mut (impl Read + Seek),
        out: &mut Output,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Fault> {
        let mut file = out.create("model.safetensors")?;
        self.write_header(&mut file)?;
        let mut done = 0;
        for copy in &self.plan.copies {
            let Some(info) = self.header.tensor(&copy.from) else { continue };
            let mut rows = RowReader { input, info, name: &copy.from };
            self.copy(&mut rows, copy, &mut file)?;
            done += info.rows * info.columns;
            progress(done, self.plan.parameters);
        }
        Ok(out.finish(file)?)
    }

    /// Eight bytes of length, then JSON padded with spaces to eight bytes (the safetensors format).
    fn write_header(&self, file: &mut Hashed) -> io::Result<()> {
        let mut table = Map::new();
        table.insert("__metadata__".into(), json!({ "format": "pt" }));
        let mut at = 0;
        for copy in &self.plan.copies {
            let Some(info) = self.header.tensor(&copy.from) else { continue };
            let shape: Value =
                if info.rank == 1 { json!([info.columns]) } else { json!([info.rows, info.columns]) };
            let end = at + info.rows * info.columns * self.dtype.width();
            let entry =
                json!({ "dtype": self.dtype.safetensors(), "shape": shape, "data_offsets": [at, end] });
            table.insert(copy.to.clone(), entry);
            at = end;
        }
        let mut text = serde_json::to_vec(&table)?;
        text.resize(text.len().next_multiple_of(8), b' ');
        file.write_all(&(text.len() as u64).to_le_bytes())?;
        file.write_all(&text)
    }

    fn copy<R: Read + Seek>(
        &self,
        rows: &mut RowReader<'_, R>,
        copy: &Copy,
        file: &mut Hashed,
    ) -> Result<(), Fault> {
        let columns = rows.info.columns;
        let at_once = match copy.rows {
            Rows::AsTheyAre => (CHUNK / columns).max(1),
            Rows::Interleaved { head } => head,
        };
        let mut bytes = Vec::new();
        let mut first = 0;
        while first < rows.info.rows {
            let count = at_once.min(rows.info.rows - first);
            let numbers = rows.unpack(first, count)?;
            bytes.clear();
            match copy.rows {
                Rows::AsTheyAre => self.dtype.append(&numbers, &mut bytes),
                Rows::Interleaved { .. } => {
                    for row in halves_apart(count as usize) {
                        let columns = columns as usize;
                        self.dtype.append(&numbers[row * columns..(row + 1) * columns], &mut bytes);
                    }
                }
            }
            file.write_all(&bytes)?;
            first += count;
        }
        Ok(())
    }
}

/// For a head of `rows` rows: which row of the file comes next. The file has pairs (first half, second half), the output
/// the first half and then the second.
fn halves_apart(rows: usize) -> impl Iterator<Item = usize> {
    (0..2).flat_map(move |half| (0..rows / 2).map(move |pair| 2 * pair + half))
}

struct RowReader<'a, R> {
    input: &'a mut R,
    info: &'a TensorInfo,
    name: &'a str,
}

impl<R: Read + Seek> RowReader<'_, R> {
    /// `count` rows from row `first` on, one after another. Numbers that are not finite are refused: they would poison
    /// every answer.
    fn unpack(&mut self, first: u64, count: u64) -> Result<Vec<f32>, Fault> {
        let fault = |what: String| Fault::Tensor { tensor: self.name.to_owned(), what };
        let row = self.info.kind.row_bytes(self.info.columns).unwrap_or(self.info.bytes);
        self.input.seek(SeekFrom::Start(self.info.start + first * row))?;
        let length = (count * row) as usize;
        // Candle looks at the bytes as blocks, which must lie at a multiple of their alignment (at most 8).
        let mut buffer = vec![0; length + 8];
        let pad = buffer.as_ptr().align_offset(8).min(8);
        let packed = &mut buffer[pad..pad + length];
        self.input.read_exact(packed).map_err(|e| fault(format!("cannot be read: {e}")))?;
        let shape = vec![count as usize, self.info.columns as usize];
        let numbers = qtensor_from_ggml(self.info.kind.ggml(), packed, shape, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>())
            .map_err(|e| fault(e.to_string()))?;
        if let Some(at) = numbers.iter().position(|n| !n.is_finite()) {
            let row = first + at as u64 / self.info.columns;
            return Err(fault(format!("row {row} holds a number that is not finite; the file is damaged")));
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::halves_apart;

    #[test]
    fn pairs_become_halves() {
        assert_eq!(halves_apart(8).collect::<Vec<_>>(), [0, 2, 4, 6, 1, 3, 5, 7]);
    }
}
