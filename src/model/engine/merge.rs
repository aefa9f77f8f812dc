//! An adapter on its way into the weights of a model that is being loaded.
//!
//! mistralrs 0.8.1 adds W + alpha / rank * B A while it reads each linear layer, before it quantises, for every adapter in a
//! thread-local list that nothing ever clears. So the list is filled on a thread that ends with the load.

use candle_core::{DType, Device, safetensors};
use mistralrs_quant::{LoraAdapter, LoraConfig, ShardedSafeTensors, push_applied_lora};

use super::super::ModelError;
use super::super::adapters::Bundle;

/// An adapter whose tensors are in memory: nothing that happens to its file matters any more.
pub(super) struct Adapter(LoraAdapter);

impl Adapter {
    pub(super) fn of(bundle: Bundle, on_gpu: bool) -> Result<Self, ModelError> {
        let tensors = safetensors::load_buffer(&bundle.weights, &Device::Cpu)
            .map_err(|fault| ModelError::Invalid(format!("{}: {fault}", bundle.id)))?;
        // As the model's own dtype; see `load::builder`.
        let dtype = if on_gpu { DType::BF16 } else { DType::F32 };
        let weights = ShardedSafeTensors::wrap(Box::new(tensors), dtype, Device::Cpu);
        let config = LoraConfig {
            rank: bundle.lora.rank,
            alpha: bundle.lora.alpha,
            target_modules: bundle.lora.targets.into_iter().collect(),
        };
        Ok(Self(LoraAdapter { config, weights }))
    }

    /// Whatever this thread loads from here on has the adapter merged in.
    pub(super) fn apply_to_this_thread(self) {
        push_applied_lora(self.0);
    }
}
