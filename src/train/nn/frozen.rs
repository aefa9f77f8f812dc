//! A matrix that is never learnt: it gives products forward and products backward, and no gradient.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor};
use rayon::prelude::*;

use super::super::kernels::mix;
use crate::domain::recipe::BaseWeights;

/// `(outputs, inputs)`, in one or more blocks of rows.
#[derive(Debug)]
pub(super) struct Frozen {
    parts: Vec<Part>,
    outputs: usize,
}

#[derive(Debug)]
enum Part {
    /// float32, or 16 bits that a GPU multiplies as they are and a CPU widens for each product.
    Dense(Tensor),
    /// Blocks of 8 or 4 bits, widened for each product.
    Quantised(QTensor),
}

/// Rows of one block of a matrix that is widened block by block: at most so many numbers at once.
const WIDENED: usize = 8 << 20;

impl Frozen {
    /// Stores the rows `numbers` as `kind` says. On a GPU `Full` means bfloat16.
    pub(super) fn new(numbers: Vec<f32>, inputs: usize, kind: BaseWeights, device: &Device) -> Result<Self> {
        let outputs = numbers.len() / inputs;
        let tensor = Tensor::from_vec(numbers, (outputs, inputs), &Device::Cpu)?;
        let part = match kind {
            BaseWeights::Full if device.is_cpu() => Part::Dense(tensor),
            BaseWeights::Full => Part::Dense(tensor.to_device(device)?.to_dtype(DType::BF16)?),
            BaseWeights::Q8_0 => Part::Quantised(QTensor::quantize_onto(&tensor, GgmlDType::Q8_0, device)?),
            BaseWeights::Q4_0 => Part::Quantised(QTensor::quantize_onto(&tensor, GgmlDType::Q4_0, device)?),
        };
        Ok(Self { parts: vec![part], outputs })
    }

    /// Stores the rows with 16 bits each, in blocks: for the words' vectors beside quantised layers.
    pub(super) fn half(numbers: Vec<f32>, inputs: usize, dtype: DType, device: &Device) -> Result<Self> {
        let outputs = numbers.len() / inputs;
        let rows = (WIDENED / inputs).max(1);
        let parts = numbers
            .chunks(rows * inputs)
            .map(|block| {
                let tensor = Tensor::from_slice(block, (block.len() / inputs, inputs), &Device::Cpu)?;
                Ok(Part::Dense(tensor.to_dtype(dtype)?.to_device(device)?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { parts, outputs })
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `x W^T`: `(rows, inputs)` to `(rows, outputs)`, float32.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let products = self.parts.iter().map(|part| part.forward(x)).collect::<Result<Vec<_>>>()?;
        match &products[..] {
            [one] => Ok(one.clone()),
            several => Tensor::cat(several, 1),
        }
    }

    /// `g W`: the gradient of [`Self::forward`]'s `x`.
    pub(super) fn backward(&self, g: &Tensor) -> Result<Tensor> {
        let (mut sum, mut column) = (None, 0);
        for part in &self.parts {
            let rows = part.rows()?;
            let product = part.backward(&g.narrow(1, column, rows)?)?;
            column += rows;
            sum = Some(match sum {
                None => product,
                Some(sum) => (sum + product)?,
            });
        }
        match sum {
            Some(sum) => Ok(sum),
            None => candle_core::bail!("a matrix without rows"),
        }
    }

    /// Rows `ids` as float32: the vectors of words.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let (first, device) = match &self.parts[..] {
            [Part::Dense(first), ..] => (first.dim(0)?, first.device()),
            _ => candle_core::bail!("rows of a quantised matrix cannot be looked up"),
        };
        let rows = ids
            .iter()
            .map(|id| match self.parts.get(*id as usize / first) {
                Some(Part::Dense(block)) => block.get(*id as usize % first),
                _ => candle_core::bail!("no row {id}"),
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::stack(&rows, 0)?.to_dtype(DType::F32)?.to_device(device)
    }

    /// A number that changes if any bit of the matrix does.
    pub(super) fn checksum(&self) -> Result<u64> {
        self.parts.iter().try_fold(0, |sum, part| Ok(mix(sum ^ part.checksum()?)))
    }
}

impl Part {
    fn rows(&self) -> Result<usize> {
        match self {
            Self::Dense(w) => w.dim(0),
            Self::Quantised(w) => Ok(w.shape().dims2()?.0),
        }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.product(x, |x, w| x.matmul(&w.t()?))
    }

    fn backward(&self, g: &Tensor) -> Result<Tensor> {
        self.product(g, |g, w| g.matmul(w))
    }

    fn product(&self, x: &Tensor, multiply: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
        match self {
            Self::Dense(w) if w.dtype() == DType::F32 => multiply(x, w),
            Self::Dense(w) if w.device().is_cpu() => multiply(x, &w.to_dtype(DType::F32)?),
            Self::Dense(w) => multiply(&x.to_dtype(w.dtype())?, w)?.to_dtype(DType::F32),
            Self::Quantised(w) => multiply(x, &w.dequantize(x.device())?),
        }
    }

    fn checksum(&self) -> Result<u64> {
        match self {
            Self::Dense(w) => {
                let w = w.to_device(&Device::Cpu)?;
                let (storage, _) = w.storage_and_layout();
                match &*storage {
                    Storage::Cpu(CpuStorage::F32(n)) => Ok(hash(n, |n| n.to_bits().into())),
                    Storage::Cpu(CpuStorage::F16(n)) => Ok(hash(n, |n| n.to_bits().into())),
                    Storage::Cpu(CpuStorage::BF16(n)) => Ok(hash(n, |n| n.to_bits().into())),
                    _ => candle_core::bail!("weights are floating-point numbers"),
                }
            }
            Self::Quantised(w) => Ok(hash(&w.data()?, |byte| (*byte).into())),
        }
    }
}

/// Polynomial hash; the pieces are summed in their order, whatever thread they fall to.
fn hash<T: Sync>(items: &[T], bits: impl Fn(&T) -> u64 + Sync) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let pieces: Vec<u64> = items
        .par_chunks(1 << 16)
        .map(|piece| {
            piece.iter().fold(0u64, |sum, item| sum.wrapping_mul(PRIME).wrapping_add(bits(item) + 1))
        })
        .collect();
    pieces.into_iter().fold(0, |sum, piece| mix(sum ^ piece))
}
