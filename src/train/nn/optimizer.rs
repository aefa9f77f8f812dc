//! AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), and the schedule of its rate.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::{TrainError, tensors};
use super::adapter::{Adapter, Matrix};
use crate::domain::recipe::{Schedule, TrainRecipe};

/// The optimiser of one adapter.
#[derive(Clone, Debug)]
pub struct AdamW {
    beta1: f64,
    beta2: f64,
    eps: f64,
    decay: f64,
    /// LoRA+: how many times faster B learns than A.
    plus: f64,
    /// Steps taken.
    t: u64,
    /// First and second moments by the tensor's name, as in [`Adapter::tensors`].
    moments: BTreeMap<String, [Matrix; 2]>,
}

impl AdamW {
    pub fn new(train: &TrainRecipe, lora_plus: f64) -> Self {
        Self {
            beta1: train.beta1,
            beta2: train.beta2,
            eps: train.eps,
            decay: train.weight_decay,
            plus: lora_plus,
            t: 0,
            moments: BTreeMap::new(),
        }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.t
    }

    /// Moves the adapter once along its gradients, shortened to length `clip` if longer (0: any length). Gives their
    /// length before that.
    ///
    /// # Errors
    /// A gradient that is not finite; the adapter is unchanged then.
    pub fn step(&mut self, adapter: &mut Adapter, lr: f64, clip: f64) -> Result<f64, TrainError> {
        let norm = adapter.grad_norm();
        if !norm.is_finite() {
            let broken = adapter.pairs().find(|(_, pair)| {
                pair.grad_a.numbers.iter().chain(&pair.grad_b.numbers).any(|number| !number.is_finite())
            });
            let module = broken.map_or("the sum", |(module, _)| module).to_owned();
            return Err(TrainError::Gradient { module });
        }
        // PyTorch's clip_grad_norm_, to its 1e-6.
        let shorten = if clip > 0.0 { (clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
        self.t += 1;
        let plus = self.plus;
        for (module, pair) in adapter.pairs_mut() {
            let sides = [("A", lr, &mut pair.a, &pair.grad_a), ("B", lr * plus, &mut pair.b, &pair.grad_b)];
            for (letter, lr, matrix, gradient) in sides {
                self.move_one(format!("{module}.lora_{letter}.weight"), matrix, gradient, [lr, shorten]);
            }
        }
        Ok(norm)
    }

    fn move_one(&mut self, name: String, matrix: &mut Matrix, gradient: &Matrix, [lr, shorten]: [f64; 2]) {
        let zeros = || Matrix::zeros(matrix.rows, matrix.columns);
        let [m, v] = self.moments.entry(name).or_insert_with(|| [zeros(), zeros()]);
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let t = self.t as f64;
        let rate = (lr / (1.0 - self.beta1.powf(t))) as f32;
        let spread = (1.0 - self.beta2.powf(t)).sqrt() as f32;
        let keep = (1.0 - lr * self.decay) as f32;
        let (eps, shorten) = (self.eps as f32, shorten as f32);
        let moments = m.numbers.iter_mut().zip(&mut v.numbers);
        for ((number, gradient), (m, v)) in matrix.numbers.iter_mut().zip(&gradient.numbers).zip(moments) {
            let gradient = gradient * shorten;
            *m += (1.0 - beta1) * (gradient - *m);
            *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
            *number = *number * keep - rate * *m / (v.sqrt() / spread + eps);
        }
    }

    /// Writes the moments and the count of steps as a safetensors file.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let named = self
            .moments
            .iter()
            .flat_map(|(name, [m, v])| [(format!("{name}.m"), m), (format!("{name}.v"), v)]);
        tensors::write(path, named.collect(), &[("steps", &self.t.to_string())])
    }

    /// Takes over what [`Self::save`] wrote for an adapter of this shape.
    ///
    /// # Errors
    /// A file that is absent or damaged, or of another adapter; nothing is changed then.
    pub fn load(&mut self, path: &Path, adapter: &Adapter) -> Result<(), TrainError> {
        let (mut found, notes) = tensors::read(path)?;
        let fault = |what: String| TrainError::File { file: path.display().to_string(), what };
        let t = notes.get("steps").and_then(|steps| steps.parse().ok());
        let t = t.ok_or_else(|| fault("`steps` is missing from its metadata".into()))?;
        let mut moments = BTreeMap::new();
        // Before the first step there are none.
        for (name, matrix) in adapter.tensors().into_iter().filter(|_| t > 0) {
            let mut take = |letter: &str| match found.remove(&format!("{name}.{letter}")) {
                Some(moment) if moment.shape() == matrix.shape() => Ok(moment),
                _ => Err(fault(format!("tensor `{name}.{letter}` is missing or of another shape"))),
            };
            let pair = [take("m")?, take("v")?];
            moments.insert(name, pair);
        }
        if let Some(name) = found.keys().next() {
            return Err(fault(format!("tensor `{name}` belongs to no adapted module")));
        }
        (self.t, self.moments) = (t, moments);
        Ok(())
    }
}

/// The rate of optimiser step `step`, counted from 1, of `of`: it grows evenly over the first `train.warmup` of them to
/// `train.lr`, and then follows the schedule, which would reach 0 one step after the last.
pub fn learning_rate(step: usize, of: usize, train: &TrainRecipe) -> f64 {
    let warmup = (train.warmup * of as f64).ceil() as usize;
    if step <= warmup {
        return train.lr * step as f64 / warmup as f64;
    }
    let done = (step - 1 - warmup) as f64 / (of - warmup).max(1) as f64;
    let share = match train.schedule {
        Schedule::Constant => 1.0,
        Schedule::Linear => 1.0 - done,
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
    };
    train.lr * share.max(0.0)
}
