//! Root-mean-square norms (Zhang and Sennrich, 2019) of whole rows, and of the heads of queries and keys (Qwen 3).
//!
//! The weights are frozen, so only the input has a gradient: with r = 1 / sqrt(mean(x^2) + eps) and u = w * dy,
//! dx = r u - x r^3 mean(x u).

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::slice::{Slice, on_cpu};
use super::{Heads, plain};

/// Rows of one task.
const ROWS: usize = 8;

/// `x / rms(x) * w` for each row of `x`, `(rows, n)`; `w` is `(n)`.
pub(crate) fn rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    if !on_cpu(x) {
        return plain::rms_norm(x, w, eps);
    }
    let (rows, width) = x.dims2()?;
    let (from, w) = (Slice::of(x)?, Slice::of(w)?);
    let mut out = vec![0.0; rows * width];
    out.par_chunks_mut(width * ROWS).zip(from.par_chunks(width * ROWS)).for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            forward(x, &w, eps, out);
        }
    });
    Tensor::from_vec(out, (rows, width), x.device())
}

/// The gradient of [`rms_norm`]'s `x`, plus `rest`: what reaches `x` by the residual path.
pub(crate) fn rms_norm_backward(
    x: &Tensor,
    w: &Tensor,
    eps: f64,
    [dy, rest]: [&Tensor; 2],
) -> Result<Tensor> {
    if !on_cpu(x) {
        return plain::rms_norm_backward(x, w, eps, dy)? + rest;
    }
    let (rows, width) = x.dims2()?;
    let (from, w, dy, rest) = (Slice::of(x)?, Slice::of(w)?, Slice::of(dy)?, Slice::of(rest)?);
    let mut dx = rest.to_vec();
    let size = width * ROWS;
    dx.par_chunks_mut(size).zip(from.par_chunks(size)).zip(dy.par_chunks(size)).for_each(|((dx, x), dy)| {
        let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width));
        for ((dx, x), dy) in rows {
            backward(x, &w, eps, dy, |column, gradient| dx[column] += gradient);
        }
    });
    Tensor::from_vec(dx, (rows, width), x.device())
}

/// Norms each head of queries by `w[0]` and each head of keys by `w[1]`, both `(dim)`; values stay. `(rows, heads.width())`.
pub(crate) fn head_norm(qkv: &Tensor, w: [&Tensor; 2], eps: f64, heads: Heads) -> Result<Tensor> {
    if !on_cpu(qkv) {
        return plain::head_norm(qkv, w, eps, heads);
    }
    let (from, wq, wk) = (Slice::of(qkv)?, Slice::of(w[0])?, Slice::of(w[1])?);
    let mut out = from.to_vec();
    out.par_chunks_mut(heads.width()).zip(from.par_chunks(heads.width())).for_each(|(out, x)| {
        for (columns, w) in [(heads.queries(), &wq), (heads.keys(), &wk)] {
            let pairs =
                out[columns.clone()].chunks_exact_mut(heads.dim).zip(x[columns].chunks_exact(heads.dim));
            for (out, x) in pairs {
                forward(x, w, eps, out);
            }
        }
    });
    Tensor::from_vec(out, qkv.dims2()?, qkv.device())
}

/// The gradient of [`head_norm`]'s `qkv`, given that of its result.
pub(crate) fn head_norm_backward(
    [qkv, dy]: [&Tensor; 2],
    w: [&Tensor; 2],
    eps: f64,
    heads: Heads,
) -> Result<Tensor> {
    if !on_cpu(qkv) {
        return plain::head_norm_backward([qkv, dy], w, eps, heads);
    }
    let (from, dy, wq, wk) = (Slice::of(qkv)?, Slice::of(dy)?, Slice::of(w[0])?, Slice::of(w[1])?);
    let mut dx = dy.to_vec();
    let width = heads.width();
    dx.par_chunks_mut(width).zip(from.par_chunks(width)).zip(dy.par_chunks(width)).for_each(
        |((dx, x), dy)| {
            for (columns, w) in [(heads.queries(), &wq), (heads.keys(), &wk)] {
                let rows = dx[columns.clone()].chunks_exact_mut(heads.dim);
                let rows = rows.zip(x[columns.clone()].chunks_exact(heads.dim));
                for ((dx, x), dy) in rows.zip(dy[columns].chunks_exact(heads.dim)) {
                    backward(x, w, eps, dy, |column, gradient| dx[column] = gradient);
                }
            }
        },
    );
    Tensor::from_vec(dx, qkv.dims2()?, qkv.device())
}

/// 1 / rms(x)
#[inline(always)]
fn inverse(x: &[f32], eps: f64) -> f32 {
    let mean = f64::from(dot(x, x)) / x.len() as f64;
    (1.0 / (mean + eps).sqrt()) as f32
}

/// Sixteen sums side by side: one alone would wait for itself, and round worse.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const SUMS: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    let mut sums = [0.0; SUMS];
    for (a, b) in a.iter().zip(b) {
        for at in 0..SUMS {
            sums[at] = a[at].mul_add(b[at], sums[at]);
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[inline(always)]
fn forward(x: &[f32], w: &[f32], eps: f64, out: &mut [f32]) {
    let inverse = inverse(x, eps);
    for ((out, x), w) in out.iter_mut().zip(x).zip(w) {
        *out = x * inverse * w;
    }
}

#[inline(always)]
fn backward(x: &[f32], w: &[f32], eps: f64, dy: &[f32], mut give: impl FnMut(usize, f32)) {
    let inverse = inverse(x, eps);
    let mut along = 0.0f32;
    for ((x, w), dy) in x.iter().zip(w).zip(dy) {
        along += x * w * dy;
    }
    let pull = along * inverse * inverse / x.len() as f32;
    for (column, ((x, w), dy)) in x.iter().zip(w).zip(dy).enumerate() {
        give(column, inverse * (w * dy - x * pull));
    }
}
