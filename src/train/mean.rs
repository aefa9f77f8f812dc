//! The mean of several adapters of one shape, as an adapter of that shape.
//!
//! What an adapter adds to a weight is `B A`. The mean of such products has a higher rank than each; its best approximation of
//! theirs is cut from its singular value decomposition (Eckart & Young 1936), which never needs the whole product: with
//! `[B1 B2 ..] / n = Q R` and `[A1; A2; ..]^T = P S` it is `Q (R S^T) P^T`, and only `R S^T`, of n times the rank, is decomposed.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, SVD};

use super::TrainError;
use super::nn::Matrix;

/// Rounds after which a decomposition is given up; a few dozen are usual.
const ROUNDS: usize = 10_000;

/// The mean of `adapters`, each as `Adapter::tensors` names its matrices; all of the same modules, shapes and scale.
///
/// # Errors
/// None at all; a module that one of them lacks or has in another shape.
pub(super) fn of(adapters: &[BTreeMap<String, Matrix>]) -> Result<BTreeMap<String, Matrix>, TrainError> {
    let Some(first) = adapters.first() else {
        return Err(TrainError::File { file: "adapters".to_owned(), what: "there is none".to_owned() });
    };
    let mut mean = BTreeMap::new();
    for module in first.keys().filter_map(|name| name.strip_suffix(".lora_A.weight")) {
        let names = ["A", "B"].map(|letter| format!("{module}.lora_{letter}.weight"));
        let side = |name: &String| -> Result<Vec<&Matrix>, TrainError> {
            let fault = || TrainError::Tensor {
                file: "adapters".to_owned(),
                tensor: name.clone(),
                what: "is not the same in all of them".to_owned(),
            };
            let own = first.get(name).ok_or_else(fault)?;
            let found = adapters.iter().map(|one| one.get(name).filter(|m| m.shape() == own.shape()));
            found.map(|one| one.ok_or_else(fault)).collect()
        };
        let pair = mean_pair(&side(&names[0])?, &side(&names[1])?).ok_or_else(|| TrainError::Tensor {
            file: "adapters".to_owned(),
            tensor: module.to_owned(),
            what: "its singular values cannot be found".to_owned(),
        })?;
        mean.extend(names.into_iter().zip(pair));
    }
    Ok(mean)
}

/// A (rank, inputs) and B (outputs, rank) of the mean; each takes the root of the singular values.
fn mean_pair(a: &[&Matrix], b: &[&Matrix]) -> Option<[Matrix; 2]> {
    let (rank, inputs, outputs) = (a.first()?.rows, a.first()?.columns, b.first()?.rows);
    let many = a.len() as f64;
    let left = DMatrix::from_fn(outputs, rank * b.len(), |row, at| {
        f64::from(b[at / rank].numbers[row * rank + at % rank]) / many
    });
    let right = DMatrix::from_fn(inputs, rank * a.len(), |column, at| {
        f64::from(a[at / rank].numbers[at % rank * inputs + column])
    });
    let ((q, r), (p, s)) = (left.qr().unpack(), right.qr().unpack());
    let svd = SVD::try_new(r * s.transpose(), true, true, f64::EPSILON, ROUNDS)?;
    let roots = svd.singular_values.map(f64::sqrt);
    let (outer, inner) = (q * svd.u?, p * svd.v_t?.transpose());
    // Ranks above the number of singular values stay zero.
    let scaled = |side: &DMatrix<f64>, row: usize, n: usize| {
        if n < roots.len() { (side[(row, n)] * roots[n]) as f32 } else { 0.0 }
    };
    let mut pair = [Matrix::zeros(rank, inputs), Matrix::zeros(outputs, rank)];
    for n in 0..rank {
        for column in 0..inputs {
            pair[0].numbers[n * inputs + column] = scaled(&inner, column, n);
        }
        for row in 0..outputs {
            pair[1].numbers[row * rank + n] = scaled(&outer, row, n);
        }
    }
    Some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::data::batch::Random;

    const A: &str = "m.lora_A.weight";
    const B: &str = "m.lora_B.weight";

    fn adapter(seed: u64, [outputs, rank, inputs]: [usize; 3]) -> BTreeMap<String, Matrix> {
        let mut random = Random(seed);
        let mut matrix = |rows: usize, columns: usize| {
            let numbers = (0..rows * columns).map(|_| random.unit() as f32 - 0.5).collect();
            Matrix { rows, columns, numbers }
        };
        BTreeMap::from([(A.to_owned(), matrix(rank, inputs)), (B.to_owned(), matrix(outputs, rank))])
    }

    fn product(adapter: &BTreeMap<String, Matrix>) -> DMatrix<f64> {
        let dense = |m: &Matrix| {
            DMatrix::from_row_iterator(m.rows, m.columns, m.numbers.iter().map(|n| f64::from(*n)))
        };
        dense(&adapter[B]) * dense(&adapter[A])
    }

    #[test]
    fn the_mean_of_the_same_is_the_same() {
        for shape in [[7, 3, 5], [4, 6, 5], [40, 4, 30]] {
            let one = adapter(1, shape);
            let mean = of(&[one.clone(), one.clone(), one.clone()]).expect("a mean");
            assert!((product(&mean) - product(&one)).norm() < 1e-5, "{shape:?}");
            assert_eq!(mean[A].shape(), one[A].shape());
            assert_eq!(mean[B].shape(), one[B].shape());
        }
    }

    #[test]
    fn a_mean_that_fits_the_rank_is_exact_and_others_are_as_near_as_can_be() {
        let shape = [12, 4, 9];
        let (mut one, mut other) = (adapter(1, shape), adapter(2, shape));
        let exact = |one: &_, other: &_| (product(one) + product(other)) / 2.0;
        // Of rank 2 each.
        for adapter in [&mut one, &mut other] {
            adapter.get_mut(A).expect("there").numbers[2 * 9..].fill(0.0);
        }
        let mean = of(&[one.clone(), other.clone()]).expect("a mean");
        assert!((product(&mean) - exact(&one, &other)).norm() < 1e-5);

        let (one, other) = (adapter(3, shape), adapter(4, shape));
        let away = product(&of(&[one.clone(), other.clone()]).expect("a mean")) - exact(&one, &other);
        let values = exact(&one, &other).singular_values();
        let best = values.iter().skip(4).map(|value| value * value).sum::<f64>().sqrt();
        assert!((away.norm() - best).abs() < 1e-5, "{} instead of {best}", away.norm());
    }

    #[test]
    fn adapters_of_another_shape_have_no_mean() {
        let fault = of(&[adapter(1, [7, 3, 5]), adapter(1, [7, 3, 6])]).expect_err("no mean");
        assert!(fault.to_string().contains(A), "{fault}");
        assert!(of(&[]).is_err());
    }
}
