//! Rotary positions (Su et al., 2021) in Hugging Face's order: number i of a head turns with number i + dim / 2.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::slice::{Slice, in_place, on_cpu};
use super::{Heads, plain};

/// Cosines and sines for each row, both `(rows, dim / 2)`.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    pub(crate) cos: Tensor,
    pub(crate) sin: Tensor,
}

/// A turn is undone by turning the other way; that is also its backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

/// Turns queries and keys of `qkv`, `(rows, heads.width())`, writing over it; nobody else may hold it.
pub(crate) fn rope(qkv: Tensor, turns: &Turns, heads: Heads, direction: Direction) -> Result<Tensor> {
    if !on_cpu(&qkv) {
        return plain::rope(&qkv, turns, heads, direction);
    }
    let (cos, sin) = (Slice::of(&turns.cos)?, Slice::of(&turns.sin)?);
    let (half, turned) = (heads.dim / 2, heads.keys().end);
    let sign = match direction {
        Direction::Forward => 1.0,
        Direction::Back => -1.0,
    };
    in_place(&qkv, |qkv| {
        let rows = qkv.par_chunks_mut(heads.width()).zip(cos.par_chunks(half)).zip(sin.par_chunks(half));
        rows.for_each(|((row, cos), sin)| {
            for head in row[..turned].chunks_exact_mut(heads.dim) {
                let (left, right) = head.split_at_mut(half);
                for ((a, b), (cos, sin)) in left.iter_mut().zip(right).zip(cos.iter().zip(sin)) {
                    let sin = sign * sin;
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        });
    })?;
    Ok(qkv)
}
