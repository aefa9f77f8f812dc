//! The loops under the network: what is not a large matrix product.
//!
//! Each function takes and gives float32 tensors. On a CPU it runs as one fused loop over slices, spread over the threads
//! by rows or by heads (`norm`, `rope`, `swiglu`, `attention`, `entropy`, `product`, `dropout`); on any other device it runs
//! as ordinary tensor operations (`plain`), which are also what the loops are tested against. None of them is an operation
//! of candle's autograd: every backward pass is a function here, and frozen numbers have no gradient to compute.

mod attention;
mod dropout;
mod entropy;
mod exp;
mod norm;
mod plain;
mod product;
mod rope;
mod slice;
mod swiglu;
#[cfg(test)]
mod tests;
mod tile;

pub(super) use attention::{Attended, attention, attention_backward};
pub(super) use dropout::{Noise, dropout, mix};
pub(super) use entropy::{Entropy, cross_entropy};
pub(super) use norm::{head_norm, head_norm_backward, rms_norm, rms_norm_backward};
pub(super) use product::{add_bias, add_into, add_product};
pub(super) use rope::{Direction, Turns, rope};
pub(super) use slice::Slice;
pub(super) use swiglu::{swiglu, swiglu_backward};

use std::ops::Range;

/// How queries, keys and values lie beside each other in the columns of one tensor: `(q + 2 kv) * dim` wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    /// Heads of queries; a multiple of `kv`.
    pub(super) q: usize,
    /// Heads of keys, and of values.
    pub(super) kv: usize,
    /// Numbers in a head; even.
    pub(super) dim: usize,
}

impl Heads {
    pub(super) fn width(self) -> usize {
        (self.q + 2 * self.kv) * self.dim
    }

    /// Columns of all queries.
    pub(super) fn queries(self) -> Range<usize> {
        0..self.q * self.dim
    }

    /// Columns of all keys.
    pub(super) fn keys(self) -> Range<usize> {
        self.q * self.dim..(self.q + self.kv) * self.dim
    }

    /// Columns of all values.
    pub(super) fn values(self) -> Range<usize> {
        (self.q + self.kv) * self.dim..self.width()
    }

    /// Heads of queries that share one head of keys.
    pub(super) fn group(self) -> usize {
        self.q / self.kv
    }
}
