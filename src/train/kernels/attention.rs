//! Causal attention of one or more texts, one task for each head of each text.
//!
//! Forward keeps only the output and the log-sum-exp of each query; backward computes the probabilities again, 64
//! queries at a time, so that no head ever holds a whole square of them (the idea of Dao et al., "FlashAttention", 2022,
//! without its tricks for GPUs).

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::exp::exp;
use super::slice::{Slice, on_cpu};
use super::tile::{self, Block, LANES, Tile, ZERO};
use super::{Heads, plain};

/// Blocks of queries whose probabilities are held at once on the way back.
const HELD: usize = 8;

/// Attends within each of `texts` (row ranges of `qkv`, `(rows, heads.width())`, queries and keys already turned).
/// Gives the output, `(rows, q * dim)`, and the log-sum-exp of each query, `(rows, q)`.
pub(crate) fn attention(qkv: &Tensor, heads: Heads, texts: &[Range<usize>]) -> Result<(Tensor, Tensor)> {
    if !on_cpu(qkv) {
        return plain::attention(qkv, heads, texts);
    }
    let numbers = Slice::of(qkv)?;
    let work = tasks(heads, texts);
    let done: Vec<(Vec<f32>, Vec<f32>)> =
        work.par_iter().map(|task| Head::pack(&numbers, heads, task).forward()).collect();
    let rows = qkv.dim(0)?;
    let (mut out, mut lse) = (vec![0.0; rows * heads.q * heads.dim], vec![0.0; rows * heads.q]);
    for (task, (head_out, head_lse)) in work.iter().zip(&done) {
        for (local, row) in task.text.clone().enumerate() {
            let at = (row * heads.q + task.head) * heads.dim;
            out[at..at + heads.dim].copy_from_slice(&head_out[local * heads.dim..][..heads.dim]);
            lse[row * heads.q + task.head] = head_lse[local];
        }
    }
    let device = qkv.device();
    Ok((
        Tensor::from_vec(out, (rows, heads.q * heads.dim), device)?,
        Tensor::from_vec(lse, (rows, heads.q), device)?,
    ))
}

/// What [`attention`] was given and gave, and the gradient of its output.
pub(crate) struct Attended<'a> {
    pub(crate) qkv: &'a Tensor,
    pub(crate) out: &'a Tensor,
    pub(crate) lse: &'a Tensor,
    pub(crate) d_out: &'a Tensor,
}

/// The gradient of `qkv`, of its shape.
pub(crate) fn attention_backward(
    kept: &Attended<'_>,
    heads: Heads,
    texts: &[Range<usize>],
) -> Result<Tensor> {
    if !on_cpu(kept.qkv) {
        return plain::attention_backward(kept.qkv, kept.d_out, heads, texts);
    }
    let (qkv, out, lse, d_out) =
        (Slice::of(kept.qkv)?, Slice::of(kept.out)?, Slice::of(kept.lse)?, Slice::of(kept.d_out)?);
    let work = tasks(heads, texts);
    let done: Vec<Gradients> = work
        .par_iter()
        .map(|task| {
            let head = Head::pack(&qkv, heads, task);
            let after = After { out: &out, lse: &lse, d_out: &d_out, heads, task };
            head.backward(&after)
        })
        .collect();
    let rows = kept.qkv.dim(0)?;
    let mut gradient = vec![0.0; rows * heads.width()];
    for (task, head) in work.iter().zip(&done) {
        let shared = task.head / heads.group() * heads.dim;
        let places = [
            (heads.queries().start + task.head * heads.dim, &head.q),
            (heads.keys().start + shared, &head.k),
            (heads.values().start + shared, &head.v),
        ];
        for (column, from) in places {
            scatter(from, task.text.len(), &mut gradient[task.text.start * heads.width() + column..], heads);
        }
    }
    Tensor::from_vec(gradient, (rows, heads.width()), kept.qkv.device())
}

/// Adds strips (`tile::by_column`) of a head to its columns.
fn scatter(strips: &[f32], rows: usize, into: &mut [f32], heads: Heads) {
    let strip = rows.next_multiple_of(LANES) * LANES;
    for row in 0..rows {
        for (part, numbers) in into[row * heads.width()..][..heads.dim].chunks_mut(LANES).enumerate() {
            for (number, add) in numbers.iter_mut().zip(&strips[part * strip + row * LANES..]) {
                *number += add;
            }
        }
    }
}

/// One head of one text.
struct Task {
    text: Range<usize>,
    head: usize,
}

fn tasks(heads: Heads, texts: &[Range<usize>]) -> Vec<Task> {
    texts.iter().flat_map(|text| (0..heads.q).map(|head| Task { text: text.clone(), head })).collect()
}

/// A head's queries, keys and values.
struct Head<'a> {
    q: Block<'a>,
    k: Block<'a>,
    v: Block<'a>,
    q_rows: Vec<f32>,
    k_rows: Vec<f32>,
    scale: f32,
}

/// What a head gave, and the gradient of that.
struct After<'a> {
    out: &'a [f32],
    lse: &'a [f32],
    d_out: &'a [f32],
    heads: Heads,
    task: &'a Task,
}

/// Gradients of one head, as strips.
struct Gradients {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl<'a> Head<'a> {
    fn pack(qkv: &'a [f32], heads: Heads, task: &Task) -> Self {
        let shared = task.head / heads.group() * heads.dim;
        let block = |column| Block {
            data: &qkv[task.text.start * heads.width()..],
            stride: heads.width(),
            column,
            rows: task.text.len(),
            columns: heads.dim,
        };
        let (q, k) =
            (block(heads.queries().start + task.head * heads.dim), block(heads.keys().start + shared));
        Self {
            q,
            k,
            v: block(heads.values().start + shared),
            q_rows: tile::by_row(q),
            k_rows: tile::by_row(k),
            scale: 1.0 / (heads.dim as f32).sqrt(),
        }
    }

    /// Scores of eight queries against eight keys, `[key][query]`.
    #[inline(always)]
    fn scores(&self, keys: usize, queries: usize) -> Tile {
        let size = tile::panel(self.q.columns);
        let mut scores =
            tile::product(&self.k_rows[keys * size..][..size], &self.q_rows[queries * size..][..size]);
        for row in &mut scores {
            for score in row {
                *score *= self.scale;
            }
        }
        scores
    }

    /// The head's output, row by row, and the log-sum-exp of each query.
    fn forward(&self) -> (Vec<f32>, Vec<f32>) {
        let (rows, dim) = (self.q.rows, self.q.columns);
        let padded = rows.next_multiple_of(LANES);
        let v = tile::by_column(self.v);
        let (mut out, mut lse) = (vec![0.0; padded * dim], vec![0.0; padded]);
        let mut weights = vec![0.0; padded * LANES];
        for block in 0..padded / LANES {
            let weights = &mut weights[..(block + 1) * LANES * LANES];
            let (tiles, _) = weights.as_chunks_mut::<{ LANES * LANES }>();
            for (keys, into) in tiles.iter_mut().enumerate() {
                into.copy_from_slice(self.scores(keys, block).as_flattened());
            }
            let (most, sum) = soften(weights, block * LANES);
            for lane in 0..LANES {
                lse[block * LANES + lane] = most[lane] + sum[lane].ln();
            }
            for (part, strip) in v.chunks_exact(padded * LANES).enumerate() {
                let product = tile::product(weights, &strip[..weights.len()]);
                for (lane, numbers) in product.iter().enumerate() {
                    let into = &mut out[(block * LANES + lane) * dim..][..dim][part * LANES..];
                    for (number, weighted) in into.iter_mut().zip(numbers) {
                        *number = weighted / sum[lane];
                    }
                }
            }
        }
        (out, lse)
    }

    fn backward(&self, after: &After<'_>) -> Gradients {
        let (rows, dim) = (self.q.rows, self.q.columns);
        let blocks = rows.div_ceil(LANES);
        let back = Back::new(self, after);
        let strip = blocks * LANES * LANES;
        let mut gradients = {
            let zeros = || vec![0.0; dim.div_ceil(LANES) * strip];
            Gradients { q: zeros(), k: zeros(), v: zeros() }
        };
        // Probabilities, and gradients of the scores, of up to `HELD` blocks of queries: `[key][query]` in each.
        let (mut p, mut ds) = (vec![0.0; HELD * strip], vec![0.0; HELD * strip]);
        for first in (0..blocks).step_by(HELD) {
            let held = first..(first + HELD).min(blocks);
            for block in held.clone() {
                let at = (block - first) * strip;
                let size = (block + 1) * LANES * LANES;
                back.scores(block, &mut p[at..at + size], &mut ds[at..at + size]);
                for (part, keys) in back.k.chunks_exact(strip).enumerate() {
                    let product = tile::product(&ds[at..at + size], &keys[..size]);
                    gradients.q[part * strip + block * LANES * LANES..][..LANES * LANES]
                        .copy_from_slice(product.as_flattened());
                }
            }
            let p = Held { numbers: &p, blocks: held.clone(), strip };
            let ds = Held { numbers: &ds, blocks: held.clone(), strip };
            for keys in 0..held.end {
                p.add(keys, &back.d_out, &mut gradients.v);
                ds.add(keys, &back.q, &mut gradients.k);
            }
        }
        gradients
    }
}

/// What the way back needs of a head besides its panels.
struct Back<'a> {
    head: &'a Head<'a>,
    v_rows: Vec<f32>,
    d_out_rows: Vec<f32>,
    /// Strips.
    q: Vec<f32>,
    k: Vec<f32>,
    d_out: Vec<f32>,
    /// For each query: its log-sum-exp, and the product of its output with the output's gradient.
    lse: Vec<f32>,
    dot: Vec<f32>,
}

impl<'a> Back<'a> {
    fn new(head: &'a Head<'a>, after: &After<'_>) -> Self {
        let (rows, dim) = (head.q.rows, head.q.columns);
        let After { heads, task, .. } = after;
        let wide = heads.q * dim;
        let d_out = Block {
            data: &after.d_out[task.text.start * wide..],
            stride: wide,
            column: task.head * dim,
            rows,
            columns: dim,
        };
        let padded = rows.next_multiple_of(LANES);
        let (mut lse, mut dot) = (vec![0.0; padded], vec![0.0; padded]);
        for (local, row) in task.text.clone().enumerate() {
            lse[local] = after.lse[row * heads.q + task.head];
            let at = (row * heads.q + task.head) * dim;
            dot[local] =
                after.out[at..at + dim].iter().zip(&after.d_out[at..at + dim]).map(|(o, d)| o * d).sum();
        }
        Self {
            head,
            v_rows: tile::by_row(head.v),
            d_out_rows: tile::by_row(d_out),
            q: tile::by_column(head.q),
            k: tile::by_column(head.k),
            d_out: tile::by_column(d_out),
            lse,
            dot,
        }
    }

    /// Probabilities and gradients of the scores of eight queries against all keys up to them.
    fn scores(&self, block: usize, p: &mut [f32], ds: &mut [f32]) {
        let size = tile::panel(self.head.q.columns);
        let (p, _) = p.as_chunks_mut::<{ LANES * LANES }>();
        let (ds, _) = ds.as_chunks_mut::<{ LANES * LANES }>();
        let lanes = block * LANES..(block + 1) * LANES;
        let (lse, dot) = (&self.lse[lanes.clone()], &self.dot[lanes]);
        for (keys, (p, ds)) in p.iter_mut().zip(ds).enumerate() {
            let scores = self.head.scores(keys, block);
            let d_p =
                tile::product(&self.v_rows[keys * size..][..size], &self.d_out_rows[block * size..][..size]);
            for key in 0..LANES {
                for query in 0..LANES {
                    let visible = keys < block || key <= query;
                    let chance = if visible { exp(scores[key][query] - lse[query]) } else { 0.0 };
                    p[key * LANES + query] = chance;
                    ds[key * LANES + query] = chance * (d_p[key][query] - dot[query]) * self.head.scale;
                }
            }
        }
    }
}

/// Numbers `[key][query]` of some blocks of queries.
struct Held<'a> {
    numbers: &'a [f32],
    blocks: Range<usize>,
    /// From one block to the next.
    strip: usize,
}

impl Held<'_> {
    /// Adds, for the eight keys of block `keys`, the numbers of the queries after them times the rows of `strips`.
    fn add(&self, keys: usize, strips: &[f32], into: &mut [f32]) {
        const SIZE: usize = LANES * LANES;
        for (from, into) in strips.chunks_exact(self.strip).zip(into.chunks_exact_mut(self.strip)) {
            let mut sum = ZERO;
            for block in self.blocks.start.max(keys)..self.blocks.end {
                let at = (block - self.blocks.start) * self.strip + keys * SIZE;
                tile::add_transposed(&self.numbers[at..at + SIZE], &from[block * SIZE..][..SIZE], &mut sum);
            }
            for (number, add) in into[keys * SIZE..][..SIZE].iter_mut().zip(sum.as_flattened()) {
                *number += add;
            }
        }
    }
}

/// Turns scores `[key][query]` of eight queries, the first of which is number `first`, into e^(score - highest), 0 for keys
/// after the query. Gives the highest score and the sum for each query.
fn soften(scores: &mut [f32], first: usize) -> ([f32; LANES], [f32; LANES]) {
    let (rows, _) = scores.as_chunks_mut::<LANES>();
    let mut most = [f32::MIN; LANES];
    for (key, row) in rows.iter_mut().enumerate() {
        for lane in 0..LANES {
            if key > first + lane {
                row[lane] = f32::MIN;
            }
            most[lane] = most[lane].max(row[lane]);
        }
    }
    let mut sum = [0.0; LANES];
    for (key, row) in rows.iter_mut().enumerate() {
        for lane in 0..LANES {
            let weight = exp(row[lane] - most[lane]);
            row[lane] = if key > first + lane { 0.0 } else { weight };
            sum[lane] += row[lane];
        }
    }
    (most, sum)
}
