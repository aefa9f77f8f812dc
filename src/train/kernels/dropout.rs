//! Dropout whose masks are a function of where they fall, so that a layer that runs twice sees the same one, and a run
//! that goes on after a crash sees the ones it would have seen.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::slice::Slice;

/// Numbers decided by one draw: 16 bits each.
const DRAWN: usize = 4;

/// The masks of one module in one step.
#[derive(Clone, Debug)]
pub(crate) struct Noise<'a> {
    /// Share of numbers that become 0, to 1 / 65536.
    pub(crate) rate: f64,
    /// Seed, step and module, mixed.
    pub(crate) key: u64,
    /// The number of each text in the whole run's order, and its rows.
    pub(crate) texts: &'a [(u64, Range<usize>)],
}

/// `x` with some numbers zeroed and the others scaled up by as much; `x` is `(rows, n)`. Its own backward pass.
pub(crate) fn dropout(x: &Tensor, noise: &Noise<'_>) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let device = x.device();
    let on_cpu = x.to_device(&Device::Cpu)?.contiguous()?;
    let from = Slice::of(&on_cpu)?;
    let limit = (noise.rate * 65_536.0).round() as u64;
    let scale = 65_536.0 / (65_536 - limit) as f32;
    let mut out = vec![0.0; rows * width];
    for (number, text) in noise.texts {
        let key = mix(noise.key ^ mix(*number));
        let range = text.start * width..text.end * width;
        out[range.clone()].par_chunks_mut(width).zip(from[range].par_chunks(width)).enumerate().for_each(
            |(row, (out, x))| {
                let key = mix(key.wrapping_add(row as u64));
                for (at, (out, x)) in out.chunks_mut(DRAWN).zip(x.chunks(DRAWN)).enumerate() {
                    let mut draw = mix(key.wrapping_add(at as u64));
                    for (out, x) in out.iter_mut().zip(x) {
                        *out = if draw & 0xffff < limit { 0.0 } else { x * scale };
                        draw >>= 16;
                    }
                }
            },
        );
    }
    Tensor::from_vec(out, (rows, width), &Device::Cpu)?.to_device(device)
}

/// A number that looks unrelated to `n` (the finaliser of SplitMix64, Steele et al., 2014).
pub(crate) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
