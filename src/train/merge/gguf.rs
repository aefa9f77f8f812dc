//! A merged model as one GGUF file, as llama.cpp and its relatives read it.

use std::io::BufWriter;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use super::super::TrainError;
use super::super::nn::files::{Config, Family, Stretch, rope_factors};
use super::super::peft::AdapterFile;
use super::{Merged, words};

/// How matrices are written; norms and biases are always float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    F32,
    F16,
    /// Eight bits and a scale for every 32 numbers.
    Q8_0,
}

impl Blocks {
    fn ggml(self, shape: &[usize]) -> GgmlDType {
        let whole_blocks = shape.last().is_some_and(|columns| columns.is_multiple_of(32));
        match (shape.len(), self) {
            (0 | 1, _) | (_, Self::F32) => GgmlDType::F32,
            (_, Self::Q8_0) if whole_blocks => GgmlDType::Q8_0,
            (_, Self::F16 | Self::Q8_0) => GgmlDType::F16,
        }
    }

    /// llama.cpp's number for a file that is mostly of this kind.
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }
}

/// Metadata in the order it is written.
pub(super) type Facts = Vec<(String, Value)>;

/// Writes the model in the folder `base`, called `name`, with `adapter` merged, to `file`.
///
/// # Errors
/// A base that is damaged or does not fit the adapter; a tokenizer that GGUF has no name for; a disk that fails.
pub fn write_gguf(
    (base, name): (&Path, &str),
    adapter: &AdapterFile,
    file: &Path,
    blocks: Blocks,
) -> Result<(), TrainError> {
    let merged = Merged::open(base, adapter)?;
    let config = Config::read(base)?;
    let mut facts = facts(&config, name, blocks);
    facts.extend(words::facts(base, config.words)?);
    let mut tensors = Vec::new();
    for name in merged.names() {
        let own = own_name(name).ok_or_else(|| TrainError::Tensor {
            file: base.display().to_string(),
            tensor: name.to_owned(),
            what: "has no name in GGUF that the trainer knows".into(),
        })?;
        let shape = merged.shape(name)?;
        let mut numbers = merged.read(name)?;
        if config.family == Family::Llama
            && (own.ends_with("attn_q.weight") || own.ends_with("attn_k.weight"))
        {
            numbers = pairs_together(&numbers, shape, config.heads.dim);
        }
        let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu)?;
        tensors.push((own, QTensor::quantize(&tensor, blocks.ggml(shape))?));
    }
    if let Some(factors) = rope_factors(&config) {
        let tensor = Tensor::new(factors, &Device::Cpu)?;
        tensors.push(("rope_freqs.weight".to_owned(), QTensor::quantize(&tensor, GgmlDType::F32)?));
    }
    let facts: Vec<(&str, &Value)> = facts.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut out = BufWriter::new(fs_err::File::create(file)?);
    gguf_file::write(&mut out, &facts, &tensors)?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

fn facts(config: &Config, name: &str, blocks: Blocks) -> Facts {
    let arch = config.family.name();
    let own = |key: &str| format!("{arch}.{key}");
    let number = |value: usize| Value::U32(value as u32);
    let heads = config.heads;
    let mut facts = vec![
        ("general.architecture".to_owned(), Value::String(arch.to_owned())),
        ("general.name".to_owned(), Value::String(name.to_owned())),
        ("general.file_type".to_owned(), Value::U32(blocks.file_type())),
        ("general.quantization_version".to_owned(), Value::U32(2)),
        (own("vocab_size"), number(config.words)),
        (own("context_length"), number(config.context)),
        (own("embedding_length"), number(config.hidden)),
        (own("block_count"), number(config.layers)),
        (own("feed_forward_length"), number(config.inner)),
        (own("attention.head_count"), number(heads.q)),
        (own("attention.head_count_kv"), number(heads.kv)),
        (own("attention.key_length"), number(heads.dim)),
        (own("attention.value_length"), number(heads.dim)),
        (own("attention.layer_norm_rms_epsilon"), Value::F32(config.eps as f32)),
        (own("rope.dimension_count"), number(heads.dim)),
        (own("rope.freq_base"), Value::F32(config.theta as f32)),
    ];
    if let Stretch::Linear { factor } = config.stretch {
        facts.push((own("rope.scaling.type"), Value::String("linear".to_owned())));
        facts.push((own("rope.scaling.factor"), Value::F32(factor as f32)));
    }
    facts
}

/// The name of a Hugging Face tensor in GGUF.
fn own_name(name: &str) -> Option<String> {
    let whole = match name {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(own) = whole {
        return Some(own.to_owned());
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (module, kind) = rest.rsplit_once('.')?;
    let own = match module {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{layer}.{own}.{kind}"))
}

/// Rows of queries or keys in the order GGUF has them for llama: rotary pairs beside each other, where Hugging Face keeps
/// all first halves of a head before all second halves.
fn pairs_together(numbers: &[f32], shape: &[usize], head: usize) -> Vec<f32> {
    let columns = shape.last().copied().unwrap_or(1);
    let mut out = Vec::with_capacity(numbers.len());
    for rows in numbers.chunks_exact(head * columns) {
        for pair in 0..head / 2 {
            for row in [pair, pair + head / 2] {
                out.extend_from_slice(&rows[row * columns..(row + 1) * columns]);
            }
        }
    }
    out
}
