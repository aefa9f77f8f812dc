//! A network from a model folder.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::super::TrainError;
use super::adapter::{Adapted, Adapter};
use super::config::Config;
use super::frozen::Frozen;
use super::head::Head;
use super::layer::Layer;
use super::linear::{Linear, Site};
use super::network::Network;
use super::weights::Weights;
use super::{Options, rope};
use crate::domain::recipe::{BaseWeights, LoraRecipe, TARGETS};

impl Network {
    /// Reads a Hugging Face folder: `config.json` and `model.safetensors`, or an index of several files. The adapter
    /// starts with B = 0, so the network computes what the base does.
    ///
    /// # Errors
    /// A file that is absent or damaged, a model of a kind or shape the trainer does not know, by file and field.
    pub fn load(folder: &Path, lora: &LoraRecipe, options: &Options) -> Result<Self, TrainError> {
        let config = Config::read(folder)?;
        let weights = Weights::open(folder)?;
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?);
        let mut loader = Loader { weights, lora, device: device()?, config: &config, adapted: Vec::new() };
        let words = Arc::new(loader.words("model.embed_tokens.weight")?);
        let head_words =
            if config.tied { Arc::clone(&words) } else { Arc::new(loader.words("lm_head.weight")?) };
        let layers = (0..config.layers).map(|number| loader.layer(number)).collect::<Result<Vec<_>, _>>()?;
        let norm = loader.vector("model.norm.weight", config.hidden)?;
        let head = Head { norm, eps: config.eps, words: head_words };
        let rank = lora.rank as f64;
        let scale = lora.alpha / if lora.rslora { rank.sqrt() } else { rank };
        let adapter = Adapter::new(loader.adapted, lora.rank, scale, options.seed);
        Ok(Self {
            words,
            layers,
            head,
            adapter,
            dropout: lora.dropout,
            options: options.clone(),
            device: loader.device,
            pool,
            speeds: rope::speeds(&config),
            config,
        })
    }
}

/// The first GPU if the program was built for one, else the CPU.
fn device() -> Result<Device, TrainError> {
    Ok(Device::cuda_if_available(0)?)
}

struct Loader<'a> {
    weights: Weights,
    lora: &'a LoraRecipe,
    device: Device,
    config: &'a Config,
    adapted: Vec<Adapted>,
}

/// Modules whose matrices lie one below the other in a [`Linear`].
struct Group<'a> {
    /// Of PEFT's names: `self_attn` or `mlp`.
    part: &'a str,
    /// Names and outputs.
    modules: &'a [(&'a str, usize)],
    inputs: usize,
    bias: Bias,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bias {
    None,
    Each,
}

impl Loader<'_> {
    fn layer(&mut self, number: usize) -> Result<Layer, TrainError> {
        let Config { hidden, inner, heads, family, .. } = *self.config;
        let (wide, narrow) = (heads.q * heads.dim, heads.kv * heads.dim);
        let path = format!("model.layers.{number}");
        let bias = if family.has_bias() { Bias::Each } else { Bias::None };
        let mut group = |part, modules: &[(&str, usize)], inputs, bias| {
            self.linear(&path, &Group { part, modules, inputs, bias })
        };
        let qkv = [("q_proj", wide), ("k_proj", narrow), ("v_proj", narrow)];
        let qkv = group("self_attn", &qkv, hidden, bias)?;
        let out = group("self_attn", &[("o_proj", hidden)], wide, Bias::None)?;
        let gate_up = group("mlp", &[("gate_proj", inner), ("up_proj", inner)], hidden, Bias::None)?;
        let down = group("mlp", &[("down_proj", hidden)], inner, Bias::None)?;
        let norm = |name: &str, size| self.vector(&format!("{path}.{name}.weight"), size);
        Ok(Layer {
            norms: [norm("input_layernorm", hidden)?, norm("post_attention_layernorm", hidden)?],
            head_norms: match family.has_head_norm() {
                true => Some([norm("self_attn.q_norm", heads.dim)?, norm("self_attn.k_norm", heads.dim)?]),
                false => None,
            },
            qkv,
            out,
            gate_up,
            down,
        })
    }

    fn linear(&mut self, path: &str, group: &Group<'_>) -> Result<Linear, TrainError> {
        let (mut numbers, mut bias, mut sites) = (Vec::new(), Vec::new(), Vec::new());
        let mut column = 0;
        for (name, outputs) in group.modules {
            let module = format!("{path}.{}.{name}", group.part);
            let weight = format!("{module}.weight");
            numbers.extend(self.weights.read(&weight, &[*outputs, group.inputs])?);
            if group.bias == Bias::Each {
                bias.extend(self.weights.read(&format!("{module}.bias"), &[*outputs])?);
            }
            debug_assert!(TARGETS.contains(name));
            if self.lora.targets.iter().any(|target| target == name) {
                sites.push(Site { columns: column..column + outputs, pair: self.adapted.len() });
                self.adapted.push(Adapted { module, inputs: group.inputs, outputs: *outputs });
            }
            column += outputs;
        }
        if self.lora.base != BaseWeights::Full && !group.inputs.is_multiple_of(32) {
            let what =
                format!("{} columns do not make whole blocks of 32; use lora.base = \"full\"", group.inputs);
            return Err(TrainError::File { file: format!("{path}.{}", group.part), what });
        }
        let bias = match group.bias {
            Bias::None => None,
            Bias::Each => Some(Tensor::from_vec(bias, column, &self.device)?),
        };
        let weight = Frozen::new(numbers, group.inputs, self.lora.base, &self.device)?;
        Ok(Linear { weight, bias, sites })
    }

    /// The words' vectors: as they are, or with 16 bits beside quantised layers.
    fn words(&self, name: &str) -> Result<Frozen, TrainError> {
        let Config { words, hidden, .. } = *self.config;
        let numbers = self.weights.read(name, &[words, hidden])?;
        Ok(match self.lora.base {
            BaseWeights::Full => Frozen::new(numbers, hidden, BaseWeights::Full, &self.device)?,
            BaseWeights::Q8_0 | BaseWeights::Q4_0 => {
                // bfloat16 only where the file has no more than that.
                let dtype = if self.weights.is_bf16(name) { DType::BF16 } else { DType::F16 };
                Frozen::half(numbers, hidden, dtype, &self.device)?
            }
        })
    }

    fn vector(&self, name: &str, size: usize) -> Result<Tensor, TrainError> {
        Ok(Tensor::from_vec(self.weights.read(name, &[size])?, size, &self.device)?)
    }
}
