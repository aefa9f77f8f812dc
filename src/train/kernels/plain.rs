//! The same functions as ordinary tensor operations, for devices without loops of ours, and to check the loops by.
//!
//! Clear rather than fast: attention holds whole squares of probabilities.

use std::ops::Range;

use candle_core::{D, DType, Result, Tensor};

use super::rope::{Direction, Turns};
use super::{Entropy, Heads};

fn inverse(x: &Tensor, eps: f64) -> Result<Tensor> {
    (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?.recip()
}

pub(super) fn rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    x.broadcast_mul(&inverse(x, eps)?)?.broadcast_mul(w)
}

pub(super) fn rms_norm_backward(x: &Tensor, w: &Tensor, eps: f64, dy: &Tensor) -> Result<Tensor> {
    let inverse = inverse(x, eps)?;
    let u = dy.broadcast_mul(w)?;
    let pull = ((x * &u)?.mean_keepdim(D::Minus1)? * inverse.sqr()?)?;
    (u - x.broadcast_mul(&pull)?)?.broadcast_mul(&inverse)
}

/// Some columns of `qkv` as `(rows, heads, dim)`.
fn columns(qkv: &Tensor, range: Range<usize>, heads: Heads) -> Result<Tensor> {
    let rows = qkv.dim(0)?;
    qkv.narrow(1, range.start, range.len())?.contiguous()?.reshape((rows, range.len() / heads.dim, heads.dim))
}

fn join(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    Tensor::cat(&[q.flatten_from(1)?, k.flatten_from(1)?, v.flatten_from(1)?], 1)
}

pub(super) fn head_norm(qkv: &Tensor, w: [&Tensor; 2], eps: f64, heads: Heads) -> Result<Tensor> {
    let q = rms_norm(&columns(qkv, heads.queries(), heads)?, w[0], eps)?;
    let k = rms_norm(&columns(qkv, heads.keys(), heads)?, w[1], eps)?;
    join(&q, &k, &columns(qkv, heads.values(), heads)?)
}

pub(super) fn head_norm_backward(
    [qkv, dy]: [&Tensor; 2],
    w: [&Tensor; 2],
    eps: f64,
    heads: Heads,
) -> Result<Tensor> {
    let back = |range: Range<usize>, w| {
        rms_norm_backward(&columns(qkv, range.clone(), heads)?, w, eps, &columns(dy, range, heads)?)
    };
    join(&back(heads.queries(), w[0])?, &back(heads.keys(), w[1])?, &columns(dy, heads.values(), heads)?)
}

pub(super) fn rope(qkv: &Tensor, turns: &Turns, heads: Heads, direction: Direction) -> Result<Tensor> {
    let (cos, sin) = (turns.cos.unsqueeze(1)?, turns.sin.unsqueeze(1)?);
    let sin = match direction {
        Direction::Forward => sin,
        Direction::Back => sin.neg()?,
    };
    let turn = |range| {
        let x = columns(qkv, range, heads)?;
        let half = heads.dim / 2;
        let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
        let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        Tensor::cat(&[left, right], 2)
    };
    join(&turn(heads.queries())?, &turn(heads.keys())?, &columns(qkv, heads.values(), heads)?)
}

/// One text's queries, keys and values as `(q heads, rows, dim)`, and the probabilities' logarithms.
struct Square {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scores: Tensor,
    lse: Tensor,
    scale: f64,
}

impl Square {
    fn of(qkv: &Tensor, heads: Heads) -> Result<Self> {
        let rows = qkv.dim(0)?;
        let spread = |range| -> Result<Tensor> {
            let x = columns(qkv, range, heads)?.transpose(0, 1)?.contiguous()?;
            let shape = (heads.kv, heads.group(), rows, heads.dim);
            x.unsqueeze(1)?.broadcast_as(shape)?.contiguous()?.reshape((heads.q, rows, heads.dim))
        };
        let q = columns(qkv, heads.queries(), heads)?.transpose(0, 1)?.contiguous()?;
        let (k, v) = (spread(heads.keys())?, spread(heads.values())?);
        let scale = 1.0 / (heads.dim as f64).sqrt();
        let hidden: Vec<f32> =
            (0..rows * rows).map(|at| if at % rows > at / rows { -1e30 } else { 0.0 }).collect();
        let hidden = Tensor::from_vec(hidden, (rows, rows), qkv.device())?;
        let scores = (q.matmul(&k.t()?)? * scale)?.broadcast_add(&hidden)?;
        let lse = scores.log_sum_exp(D::Minus1)?.unsqueeze(2)?;
        Ok(Self { q, k, v, scores, lse, scale })
    }

    fn probabilities(&self) -> Result<Tensor> {
        self.scores.broadcast_sub(&self.lse)?.exp()
    }
}

pub(super) fn attention(qkv: &Tensor, heads: Heads, texts: &[Range<usize>]) -> Result<(Tensor, Tensor)> {
    let (mut outs, mut lses) = (Vec::new(), Vec::new());
    for text in texts {
        let square = Square::of(&qkv.narrow(0, text.start, text.len())?, heads)?;
        let out = square.probabilities()?.matmul(&square.v)?;
        outs.push(out.transpose(0, 1)?.contiguous()?.flatten_from(1)?);
        lses.push(square.lse.squeeze(2)?.t()?.contiguous()?);
    }
    Ok((Tensor::cat(&outs, 0)?, Tensor::cat(&lses, 0)?))
}

pub(super) fn attention_backward(
    qkv: &Tensor,
    d_out: &Tensor,
    heads: Heads,
    texts: &[Range<usize>],
) -> Result<Tensor> {
    let mut gradients = Vec::new();
    for text in texts {
        let rows = text.len();
        let square = Square::of(&qkv.narrow(0, text.start, rows)?, heads)?;
        let d_out = d_out.narrow(0, text.start, rows)?.contiguous()?.reshape((rows, heads.q, heads.dim))?;
        let d_out = d_out.transpose(0, 1)?.contiguous()?;
        let p = square.probabilities()?;
        let d_p = d_out.matmul(&square.v.t()?)?;
        let dot = (&p * &d_p)?.sum_keepdim(D::Minus1)?;
        let d_scores = ((p.clone() * d_p.broadcast_sub(&dot)?)? * square.scale)?;
        let share = |x: Tensor| -> Result<Tensor> {
            let x = x.reshape((heads.kv, heads.group(), rows, heads.dim))?.sum(1)?;
            x.transpose(0, 1)?.contiguous()
        };
        let d_q = d_scores.matmul(&square.k)?.transpose(0, 1)?.contiguous()?;
        let d_k = share(d_scores.transpose(1, 2)?.contiguous()?.matmul(&square.q)?)?;
        let d_v = share(p.transpose(1, 2)?.contiguous()?.matmul(&d_out)?)?;
        gradients.push(join(&d_q, &d_k, &d_v)?);
    }
    Tensor::cat(&gradients, 0)
}

fn halves(gu: &Tensor) -> Result<(Tensor, Tensor)> {
    let width = gu.dim(1)? / 2;
    Ok((gu.narrow(1, 0, width)?.contiguous()?, gu.narrow(1, width, width)?.contiguous()?))
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

pub(super) fn swiglu(gu: &Tensor) -> Result<Tensor> {
    let (gate, up) = halves(gu)?;
    (&gate * sigmoid(&gate)?)? * up
}

pub(super) fn swiglu_backward(gu: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let (gate, up) = halves(gu)?;
    let s = sigmoid(&gate)?;
    let d_up = ((dy * &gate)? * &s)?;
    let slope = (&s * ((&gate * (1.0 - &s)?)? + 1.0)?)?;
    Tensor::cat(&[((dy * up)? * slope)?, d_up], 1)
}

pub(super) fn add_product(y: &Tensor, columns: Range<usize>, h: &Tensor, w: &Tensor) -> Result<Tensor> {
    let product = h.matmul(w)?.pad_with_zeros(1, columns.start, y.dim(1)? - columns.end)?;
    y + product
}

pub(super) fn cross_entropy(logits: &Tensor, labels: &[u32], scale: Option<f64>) -> Result<Entropy> {
    let labels = Tensor::new(labels, logits.device())?.unsqueeze(1)?;
    let lse = logits.log_sum_exp(1)?.unsqueeze(1)?;
    let losses = (&lse - logits.gather(&labels, 1)?)?.squeeze(1)?.to_dtype(DType::F64)?.to_vec1()?;
    let d_logits = match scale {
        None => None,
        Some(scale) => {
            let minus = Tensor::full(-1f32, labels.dims(), logits.device())?;
            let softmax = logits.broadcast_sub(&lse)?.exp()?;
            Some((softmax.scatter_add(&labels, &minus, 1)? * scale)?)
        }
    };
    Ok(Entropy { losses, d_logits })
}
