//! Each loop against the same function as tensor operations.

use candle_core::{Device, Result, Tensor};

use super::*;

const HEADS: Heads = Heads { q: 6, kv: 2, dim: 20 };
const EPS: f64 = 1e-5;

/// Numbers from -2 to 2 that look random.
fn made(rows: usize, columns: usize, seed: u64) -> Tensor {
    let even = |at: usize| (mix(mix(seed) + at as u64) >> 40) as f32 / (1 << 22) as f32 - 2.0;
    Tensor::from_vec((0..rows * columns).map(even).collect::<Vec<_>>(), (rows, columns), &Device::Cpu)
        .unwrap()
}

fn vector(columns: usize, seed: u64) -> Tensor {
    made(1, columns, seed).flatten_all().unwrap()
}

#[track_caller]
fn assert_near(loops: Result<Tensor>, plain: Result<Tensor>) {
    let (loops, plain) = (loops.unwrap(), plain.unwrap());
    assert_eq!(loops.dims(), plain.dims());
    let (a, b) = (numbers(&loops), numbers(&plain));
    let size = b.iter().map(|b| b * b).sum::<f32>().sqrt();
    let apart = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    assert!(apart <= 1e-5 * size && size > 0.0, "{apart} apart, of {size}");
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Lengths around the loops' block sizes, and more than one block of held queries.
fn texts() -> Vec<Range<usize>> {
    let mut start = 0;
    [1, 7, 8, 9, 64, 65, 130]
        .map(|length| {
            start += length;
            start - length..start
        })
        .to_vec()
}

#[test]
fn norms_are_the_plain_ones() {
    let (x, dy, rest, w) = (made(37, 50, 1), made(37, 50, 2), made(37, 50, 3), vector(50, 4));
    assert_near(rms_norm(&x, &w, EPS), plain::rms_norm(&x, &w, EPS));
    let expected = plain::rms_norm_backward(&x, &w, EPS, &dy).and_then(|dx| dx + &rest);
    assert_near(rms_norm_backward(&x, &w, EPS, [&dy, &rest]), expected);

    let (qkv, dy) = (made(9, HEADS.width(), 5), made(9, HEADS.width(), 6));
    let (wq, wk) = (vector(HEADS.dim, 7), vector(HEADS.dim, 8));
    let w = [&wq, &wk];
    assert_near(head_norm(&qkv, w, EPS, HEADS), plain::head_norm(&qkv, w, EPS, HEADS));
    let back = [&qkv, &dy];
    assert_near(head_norm_backward(back, w, EPS, HEADS), plain::head_norm_backward(back, w, EPS, HEADS));
}

#[test]
fn turns_are_the_plain_ones_and_can_be_undone() {
    let turns = Turns { cos: made(11, HEADS.dim / 2, 1), sin: made(11, HEADS.dim / 2, 2) };
    for direction in [Direction::Forward, Direction::Back] {
        let qkv = made(11, HEADS.width(), 3);
        let expected = plain::rope(&qkv, &turns, HEADS, direction);
        assert_near(rope(qkv, &turns, HEADS, direction), expected);
    }
}

#[test]
fn gates_are_the_plain_ones() {
    let (gu, dy) = ((made(23, 66, 1) * 9.0).unwrap(), made(23, 33, 2));
    assert_near(swiglu(&gu), plain::swiglu(&gu));
    assert_near(swiglu_backward(&gu, &dy), plain::swiglu_backward(&gu, &dy));
}

#[test]
fn attention_is_the_plain_one() {
    let texts = texts();
    let rows = texts.last().unwrap().end;
    let (qkv, d_out) = (made(rows, HEADS.width(), 1), made(rows, HEADS.q * HEADS.dim, 2));
    let (out, lse) = attention(&qkv, HEADS, &texts).unwrap();
    let (plain_out, plain_lse) = plain::attention(&qkv, HEADS, &texts).unwrap();
    assert_near(Ok(out.clone()), Ok(plain_out));
    assert_near(Ok(lse.clone()), Ok(plain_lse));
    let kept = Attended { qkv: &qkv, out: &out, lse: &lse, d_out: &d_out };
    let expected = plain::attention_backward(&qkv, &d_out, HEADS, &texts);
    assert_near(attention_backward(&kept, HEADS, &texts), expected);
}

#[test]
fn products_are_added_where_they_belong() {
    for (rows, rank, columns) in [(19, 16, 3..40), (1, 5, 0..7), (16, 8, 16..64)] {
        let (y, h, w) = (made(rows, 64, 1), made(rows, rank, 2), made(rank, columns.len(), 3));
        let expected = plain::add_product(&y, columns.clone(), &h, &w);
        assert_near(add_product(y, columns, &h, &w), expected);
    }
    let (y, b) = (made(5, 12, 1), vector(12, 2));
    let expected = y.broadcast_add(&b);
    assert_near(add_bias(y, &b), expected);
    let (y, x) = (made(5, 12, 1), made(5, 12, 2));
    let expected = &y + &x;
    assert_near(add_into(y, &x), expected);
}

#[test]
fn losses_are_the_plain_ones() {
    let logits = (made(6, 1300, 1) * 7.0).unwrap();
    let labels = [0, 1299, 5, 700, 512, 1];
    let plain = plain::cross_entropy(&logits, &labels, Some(0.25)).unwrap();
    let without = cross_entropy(logits.copy().unwrap(), &labels, None).unwrap();
    assert!(without.d_logits.is_none());
    let loops = cross_entropy(logits, &labels, Some(0.25)).unwrap();
    assert_eq!(loops.losses, without.losses);
    for (a, b) in loops.losses.iter().zip(&plain.losses) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert_near(Ok(loops.d_logits.unwrap()), Ok(plain.d_logits.unwrap()));
}

#[test]
fn a_broken_logit_is_a_broken_loss() {
    let mut broken = vec![0.5f32; 40];
    broken[17] = f32::NAN;
    let logits = Tensor::from_vec(broken, (1, 40), &Device::Cpu).unwrap();
    assert!(!cross_entropy(logits, &[3], None).unwrap().losses[0].is_finite());
}

#[test]
fn exp_is_exp() {
    for at in -8_700..8_800 {
        let x = at as f32 / 100.0 + 0.003;
        let (found, right) = (f64::from(exp::exp(x)), f64::from(x).exp());
        assert!((found - right).abs() <= 2e-7 * right, "e^{x}: {found}, not {right}");
    }
    assert!(exp::exp(f32::NAN).is_nan());
    assert!(exp::exp(f32::MIN) > 0.0 && exp::exp(f32::MIN) < 1e-37);
}

#[test]
fn dropout_depends_on_the_place_alone() {
    let x = Tensor::ones((40, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
    let drop = |key, texts: &[(u64, Range<usize>)]| {
        numbers(&dropout(&x, &Noise { rate: 0.25, key, texts }).unwrap())
    };
    let whole = drop(1, &[(7, 0..30), (8, 30..40)]);
    assert_eq!(whole, drop(1, &[(7, 0..30), (8, 30..40)]));
    assert_ne!(whole, drop(2, &[(7, 0..30), (8, 30..40)]));
    // Row 8 sees the same mask wherever it lies in the pack.
    assert_eq!(whole[30 * 64..], drop(1, &[(8, 0..10), (7, 10..40)])[..10 * 64]);
    let dropped = whole.iter().filter(|n| **n == 0.0).count() as f64 / whole.len() as f64;
    assert!((dropped - 0.25).abs() < 0.03, "{dropped}");
    assert!(whole.iter().all(|n| *n == 0.0 || (n - 4.0 / 3.0).abs() < 1e-6));
}
