//! The base with an adapter added in for good: `W + scale * B A`, as a model folder or as one GGUF file.
//!
//! Works on files: an adapter folder read by `peft`, and the base as it lies on the disk, tensor by tensor. Merging is done in
//! float32 from the unquantised base; what is written may have fewer bits.

mod folder;
mod gguf;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::TrainError;
use super::nn::Matrix;
use super::nn::files::Weights;
use super::peft::AdapterFile;

pub use folder::{Precision, write_folder};
pub use gguf::{Blocks, write_gguf};

/// The base's tensors with the adapter's added.
struct Merged<'a> {
    weights: Weights,
    adapter: &'a AdapterFile,
}

impl<'a> Merged<'a> {
    /// # Errors
    /// A base that is absent or damaged; an adapter for modules the base does not have, or has in another shape.
    fn open(base: &Path, adapter: &'a AdapterFile) -> Result<Self, TrainError> {
        let weights = Weights::open(base)?;
        let merged = Self { weights, adapter };
        let modules: BTreeSet<&str> = adapter
            .tensors
            .keys()
            .filter_map(|name| name.rsplit_once(".lora_"))
            .map(|(module, _)| module)
            .collect();
        for module in modules {
            let fault = |what: String| TrainError::Tensor {
                file: base.display().to_string(),
                tensor: format!("{module}.weight"),
                what,
            };
            let shape = merged.weights.shape(&format!("{module}.weight"))?;
            let Some([a, b]) = merged.pair(module) else {
                return Err(fault("only half of its adapter is there".into()));
            };
            if shape != [b.rows, a.columns] {
                return Err(fault(format!("is {shape:?}; the adapter is for {:?}", [b.rows, a.columns])));
            }
        }
        Ok(merged)
    }

    fn pair(&self, module: &str) -> Option<[&Matrix; 2]> {
        let side = |letter| self.adapter.tensors.get(&format!("{module}.lora_{letter}.weight"));
        Some([side("A")?, side("B")?])
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.weights.names()
    }

    fn shape(&self, name: &str) -> Result<&[usize], TrainError> {
        self.weights.shape(name)
    }

    /// The numbers of tensor `name`, merged.
    ///
    /// # Errors
    /// A tensor that cannot be read, or with numbers that are not finite.
    fn read(&self, name: &str) -> Result<Vec<f32>, TrainError> {
        let mut numbers = self.weights.read(name, self.shape(name)?)?;
        if let Some([a, b]) = name.strip_suffix(".weight").and_then(|module| self.pair(module)) {
            let tensor = |m: &Matrix| Tensor::from_slice(&m.numbers, (m.rows, m.columns), &Device::Cpu);
            let product = (tensor(b)? * self.adapter.config.scale())?.matmul(&tensor(a)?)?;
            for (number, add) in numbers.iter_mut().zip(product.flatten_all()?.to_vec1::<f32>()?) {
                *number += add;
            }
        }
        Ok(numbers)
    }
}

/// Reads a JSON file of the base's folder.
fn json(base: &Path, name: &str) -> Result<serde_json::Value, TrainError> {
    let path = base.join(name);
    let text = fs_err::read_to_string(&path)?;
    serde_json::from_str(&text)
        .map_err(|fault| TrainError::File { file: path.display().to_string(), what: fault.to_string() })
}
