//! The numbers of a tensor on the CPU, read and written where they are.

use std::ops::{Deref, Range};
use std::sync::RwLockReadGuard;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, bail};

/// Whether the fused loops can run on `tensor`.
pub(crate) fn on_cpu(tensor: &Tensor) -> bool {
    tensor.device().is_cpu()
}

/// The numbers of a contiguous float32 tensor on the CPU.
pub(crate) struct Slice<'a> {
    storage: RwLockReadGuard<'a, Storage>,
    range: Range<usize>,
}

impl<'a> Slice<'a> {
    /// # Errors
    /// A tensor of another type, on another device, or with gaps.
    pub(crate) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let range = contiguous(layout)?;
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Self { storage, range }),
            _ => bail!("needs float32 on the CPU, got {:?} on {:?}", tensor.dtype(), tensor.device()),
        }
    }
}

impl Deref for Slice<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(numbers)) => &numbers[self.range.clone()],
            _ => unreachable!("looked at in `of`. This is a bug."),
        }
    }
}

fn contiguous(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("needs a contiguous tensor, got {layout:?}"),
    }
}

/// Lets `change` write over the numbers of `tensor`, which nobody else may be reading.
pub(super) fn in_place(tensor: &Tensor, change: impl Fn(&mut [f32])) -> Result<()> {
    tensor.inplace_op1(&Change(change))
}

struct Change<F>(F);

impl<F: Fn(&mut [f32])> InplaceOp1 for Change<F> {
    fn name(&self) -> &'static str {
        "in-place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let range = contiguous(layout)?;
        match storage {
            CpuStorage::F32(numbers) => {
                self.0(&mut numbers[range]);
                Ok(())
            }
            _ => bail!("needs float32"),
        }
    }
}
