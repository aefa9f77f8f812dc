//! The gate of the feed-forward part: silu(gate) * up (Shazeer, 2020).

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::exp::sigmoid;
use super::plain;
use super::slice::{Slice, on_cpu};

/// `silu(g) * u`, `(rows, n)`, of `gu`, `(rows, 2 n)`: gates first.
pub(crate) fn swiglu(gu: &Tensor) -> Result<Tensor> {
    if !on_cpu(gu) {
        return plain::swiglu(gu);
    }
    let (rows, both) = gu.dims2()?;
    let width = both / 2;
    let from = Slice::of(gu)?;
    let mut out = vec![0.0; rows * width];
    out.par_chunks_mut(width).zip(from.par_chunks(both)).for_each(|(out, row)| {
        let (gate, up) = row.split_at(width);
        for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
            *out = gate * sigmoid(*gate) * up;
        }
    });
    Tensor::from_vec(out, (rows, width), gu.device())
}

/// The gradient of `gu`, given that of [`swiglu`]'s result: silu'(g) = s + g s (1 - s) with s = sigmoid(g).
pub(crate) fn swiglu_backward(gu: &Tensor, dy: &Tensor) -> Result<Tensor> {
    if !on_cpu(gu) {
        return plain::swiglu_backward(gu, dy);
    }
    let (rows, both) = gu.dims2()?;
    let width = both / 2;
    let (from, dy) = (Slice::of(gu)?, Slice::of(dy)?);
    let mut out = vec![0.0; rows * both];
    let work = out.par_chunks_mut(both).zip(from.par_chunks(both)).zip(dy.par_chunks(width));
    work.for_each(|((out, row), dy)| {
        let ((d_gate, d_up), (gate, up)) = (out.split_at_mut(width), row.split_at(width));
        let numbers = d_gate.iter_mut().zip(d_up).zip(gate.iter().zip(up)).zip(dy);
        for (((d_gate, d_up), (gate, up)), dy) in numbers {
            let s = sigmoid(*gate);
            *d_up = dy * gate * s;
            *d_gate = dy * up * s * (1.0 + gate * (1.0 - s));
        }
    });
    Tensor::from_vec(out, (rows, both), gu.device())
}
