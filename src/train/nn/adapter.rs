//! What is learnt: for each adapted module two thin matrices, and their gradients.

use std::collections::BTreeMap;

use candle_core::{Device, Result as TensorResult, Tensor};

use super::super::TrainError;
use super::super::kernels::{Slice, mix};

/// Numbers in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// Row after row.
    pub numbers: Vec<f32>,
}

impl Matrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, numbers: vec![0.0; rows * columns] }
    }

    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn tensor(&self, device: &Device) -> TensorResult<Tensor> {
        Tensor::from_slice(&self.numbers, (self.rows, self.columns), device)
    }

    fn add(&mut self, tensor: &Tensor) -> TensorResult<()> {
        let tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
        for (number, add) in self.numbers.iter_mut().zip(&*Slice::of(&tensor)?) {
            *number += add;
        }
        Ok(())
    }
}

/// The adapter of one module: `y += scale * B (A x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// `(rank, inputs)`
    pub a: Matrix,
    /// `(outputs, rank)`
    pub b: Matrix,
    pub grad_a: Matrix,
    pub grad_b: Matrix,
}

/// All pairs, in the order of the network's layers and modules.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// By PEFT's module path, e.g. `model.layers.0.self_attn.q_proj`.
    pairs: Vec<(String, Pair)>,
    /// What multiplies B(A(x)): alpha / rank, or alpha / sqrt(rank).
    scale: f64,
}

/// A module to be adapted.
pub(super) struct Adapted {
    pub(super) module: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Adapter {
    /// A is drawn evenly from ±1 / sqrt(inputs) (Kaiming's uniform with a = sqrt 5, as PEFT does), B is zero.
    pub(super) fn new(modules: Vec<Adapted>, rank: usize, scale: f64, seed: u64) -> Self {
        let pair = |(number, module): (usize, Adapted)| {
            let bound = 1.0 / (module.inputs as f64).sqrt();
            let key = mix(mix(seed).wrapping_add(number as u64));
            let a = (0..rank * module.inputs)
                .map(|at| {
                    // 53 bits make an even number from 0 to below 1.
                    let even = (mix(key.wrapping_add(at as u64)) >> 11) as f64 / (1u64 << 53) as f64;
                    ((2.0 * even - 1.0) * bound) as f32
                })
                .collect();
            let pair = Pair {
                a: Matrix { rows: rank, columns: module.inputs, numbers: a },
                b: Matrix::zeros(module.outputs, rank),
                grad_a: Matrix::zeros(rank, module.inputs),
                grad_b: Matrix::zeros(module.outputs, rank),
            };
            (module.module, pair)
        };
        Self { pairs: modules.into_iter().enumerate().map(pair).collect(), scale }
    }

    /// What multiplies B(A(x)).
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Numbers that are learnt.
    pub fn parameters(&self) -> usize {
        self.pairs.iter().map(|(_, pair)| pair.a.numbers.len() + pair.b.numbers.len()).sum()
    }

    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &Pair)> {
        self.pairs.iter().map(|(module, pair)| (module.as_str(), pair))
    }

    pub fn pairs_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Pair)> {
        self.pairs.iter_mut().map(|(module, pair)| (module.as_str(), pair))
    }

    pub fn get(&self, module: &str) -> Option<&Pair> {
        self.pairs().find(|(name, _)| *name == module).map(|(_, pair)| pair)
    }

    pub fn get_mut(&mut self, module: &str) -> Option<&mut Pair> {
        self.pairs_mut().find(|(name, _)| *name == module).map(|(_, pair)| pair)
    }

    pub fn zero_grads(&mut self) {
        for (_, pair) in &mut self.pairs {
            pair.grad_a.numbers.fill(0.0);
            pair.grad_b.numbers.fill(0.0);
        }
    }

    /// The length of all gradients as one vector.
    pub fn grad_norm(&self) -> f64 {
        let square = |matrix: &Matrix| matrix.numbers.iter().map(|n| f64::from(*n).powi(2)).sum::<f64>();
        self.pairs.iter().map(|(_, pair)| square(&pair.grad_a) + square(&pair.grad_b)).sum::<f64>().sqrt()
    }

    /// The learnt matrices by name: the module's path with `.lora_A.weight` or `.lora_B.weight`.
    pub fn tensors(&self) -> BTreeMap<String, Matrix> {
        self.pairs
            .iter()
            .flat_map(|(module, pair)| {
                [
                    (format!("{module}.lora_A.weight"), pair.a.clone()),
                    (format!("{module}.lora_B.weight"), pair.b.clone()),
                ]
            })
            .collect()
    }

    /// Takes over the matrices of [`Self::tensors`], of this adapter or of one of the same shape read from a file.
    ///
    /// # Errors
    /// A matrix that is absent, left over, or of another shape; nothing is changed then.
    pub fn set_tensors(&mut self, mut tensors: BTreeMap<String, Matrix>) -> Result<(), TrainError> {
        let file = "adapter".to_owned();
        let fault = |tensor: &str, what: String| TrainError::Tensor {
            file: file.clone(),
            tensor: tensor.to_owned(),
            what,
        };
        let mut found = Vec::new();
        for (module, pair) in &self.pairs {
            for (letter, own) in [("A", &pair.a), ("B", &pair.b)] {
                let name = format!("{module}.lora_{letter}.weight");
                let matrix = tensors.remove(&name).ok_or_else(|| fault(&name, "is missing".into()))?;
                if matrix.shape() != own.shape() {
                    let what = format!("is {:?}; the network needs {:?}", matrix.shape(), own.shape());
                    return Err(fault(&name, what));
                }
                found.push(matrix);
            }
        }
        if let Some(name) = tensors.keys().next() {
            return Err(fault(name, "belongs to no adapted module".into()));
        }
        let mut found = found.into_iter();
        for (_, pair) in &mut self.pairs {
            if let (Some(a), Some(b)) = (found.next(), found.next()) {
                (pair.a, pair.b) = (a, b);
            }
        }
        Ok(())
    }

    /// The matrices as products need them.
    pub(super) fn live(&self, device: &Device) -> TensorResult<Live> {
        let pairs = self.pairs.iter().map(|(_, pair)| {
            let b = (pair.b.tensor(device)? * self.scale)?;
            Ok(LivePair { a: pair.a.tensor(device)?, b: b.t()?.contiguous()? })
        });
        Ok(Live { pairs: pairs.collect::<TensorResult<_>>()?, scale: self.scale })
    }

    pub(super) fn add_grads(&mut self, number: usize, [a, b]: [&Tensor; 2]) -> TensorResult<()> {
        let (_, pair) = &mut self.pairs[number];
        pair.grad_a.add(a)?;
        pair.grad_b.add(b)
    }
}

/// An adapter's matrices on the network's device, by the pair's number.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) pairs: Vec<LivePair>,
    pub(super) scale: f64,
}

#[derive(Debug)]
pub(super) struct LivePair {
    /// `(rank, inputs)`
    pub(super) a: Tensor,
    /// B turned over and already multiplied by the scale: `(rank, outputs)`.
    pub(super) b: Tensor,
}
