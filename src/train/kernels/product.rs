//! What is added onto the result of a large product: a bias, a residual, an adapter's share.

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::plain;
use super::slice::{Slice, in_place, on_cpu};
use super::tile::LANES;

/// Rows of one task.
const ROWS: usize = 16;

/// `y + x`, written over `y`, which nobody else may hold; both of one shape.
pub(crate) fn add_into(y: Tensor, x: &Tensor) -> Result<Tensor> {
    if !on_cpu(&y) {
        return &y + x;
    }
    let from = Slice::of(x)?;
    in_place(&y, |y| {
        y.par_chunks_mut(1 << 14).zip(from.par_chunks(1 << 14)).for_each(|(y, x)| {
            for (y, x) in y.iter_mut().zip(x) {
                *y += x;
            }
        });
    })?;
    Ok(y)
}

/// `y + b` for each row of `y`, `(rows, n)`, written over `y`, which nobody else may hold.
pub(crate) fn add_bias(y: Tensor, b: &Tensor) -> Result<Tensor> {
    if !on_cpu(&y) {
        return y.broadcast_add(b);
    }
    let bias = Slice::of(b)?;
    in_place(&y, |y| {
        y.par_chunks_mut(bias.len()).for_each(|y| {
            for (y, b) in y.iter_mut().zip(&*bias) {
                *y += b;
            }
        });
    })?;
    Ok(y)
}

/// `y[:, columns] + h w`, written over `y`, `(rows, n)`, which nobody else may hold; `h` is `(rows, rank)`, `w`
/// `(rank, columns)`.
pub(crate) fn add_product(y: Tensor, columns: Range<usize>, h: &Tensor, w: &Tensor) -> Result<Tensor> {
    if !on_cpu(&y) {
        return plain::add_product(&y, columns, h, w);
    }
    let (width, rank) = (y.dim(1)?, h.dim(1)?);
    let (from, w) = (Slice::of(h)?, Slice::of(w)?);
    in_place(&y, |y| {
        y.par_chunks_mut(width * ROWS).zip(from.par_chunks(rank * ROWS)).for_each(|(y, h)| {
            for (y, h) in y.chunks_mut(width * 4).zip(h.chunks(rank * 4)) {
                match h.len() / rank {
                    4 => add_rows::<4>(y, columns.clone(), h, &w),
                    _ => {
                        for (y, h) in y.chunks_mut(width).zip(h.chunks(rank)) {
                            add_rows::<1>(y, columns.clone(), h, &w);
                        }
                    }
                }
            }
        });
    })?;
    Ok(y)
}

/// `R` rows at once, two vectors of columns at a time, so that each number of `w` is read once for them.
#[inline(always)]
fn add_rows<const R: usize>(y: &mut [f32], columns: Range<usize>, h: &[f32], w: &[f32]) {
    const WIDE: usize = 2 * LANES;
    let (width, rank, out) = (y.len() / R, h.len() / R, columns.len());
    let mut column = 0;
    while column + WIDE <= out {
        let mut sum = [[0.0f32; WIDE]; R];
        for k in 0..rank {
            let w: &[f32] = &w[k * out + column..][..WIDE];
            for (row, sum) in sum.iter_mut().enumerate() {
                let h = h[row * rank + k];
                for (sum, w) in sum.iter_mut().zip(w) {
                    *sum = h.mul_add(*w, *sum);
                }
            }
        }
        for (row, sum) in sum.iter().enumerate() {
            let y = &mut y[row * width + columns.start + column..][..WIDE];
            for (y, sum) in y.iter_mut().zip(sum) {
                *y += sum;
            }
        }
        column += WIDE;
    }
    for (row, h) in h.chunks_exact(rank).enumerate() {
        for column in column..out {
            let sum: f32 = h.iter().enumerate().map(|(k, h)| h * w[k * out + column]).sum();
            y[row * width + columns.start + column] += sum;
        }
    }
}
