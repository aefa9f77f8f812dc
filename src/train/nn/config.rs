//! `config.json`: what the model is.

use std::path::Path;

use serde::Deserialize;

use super::super::TrainError;
use super::super::kernels::Heads;

/// The families the trainer knows; all differences between them are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Family {
    Llama,
    Qwen2,
    Qwen3,
}

impl Family {
    /// Whether queries, keys and values have a bias.
    pub(crate) fn has_bias(self) -> bool {
        self == Self::Qwen2
    }

    /// Whether the heads of queries and keys are normed.
    pub(crate) fn has_head_norm(self) -> bool {
        self == Self::Qwen3
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// The sizes of a decoder.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) family: Family,
    pub(crate) words: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) layers: usize,
    pub(crate) heads: Heads,
    pub(crate) eps: f64,
    /// The longest text.
    pub(crate) context: usize,
    pub(crate) theta: f64,
    pub(crate) stretch: Stretch,
    /// Whether the words' vectors also make the logits.
    pub(crate) tied: bool,
}

/// How rotary positions are stretched beyond the context that was trained first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stretch {
    None,
    Linear { factor: f64 },
    Llama3 { factor: f64, low: f64, high: f64, context: f64 },
}

#[derive(Deserialize)]
struct Json {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: f64,
    max_position_embeddings: usize,
    rope_theta: Option<f64>,
    rope_scaling: Option<Scaling>,
    /// Where newer files keep `rope_theta` and the stretch.
    rope_parameters: Option<Scaling>,
    #[serde(default)]
    tie_word_embeddings: bool,
    hidden_act: Option<String>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    use_sliding_window: bool,
}

#[derive(Deserialize)]
struct Scaling {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl Config {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// A file that is absent or does not parse, a family or a feature that the trainer does not know; named by field.
    pub(crate) fn read(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join("config.json");
        let file = path.display().to_string();
        let text = fs_err::read_to_string(&path)?;
        let json: Json = serde_json::from_str(&text)
            .map_err(|fault| TrainError::File { file: file.clone(), what: fault.to_string() })?;
        json.config().map_err(|what| TrainError::File { file, what })
    }
}

impl Json {
    fn config(self) -> Result<Config, String> {
        let family = self.family()?;
        let kv = self.num_key_value_heads.unwrap_or(self.num_attention_heads);
        for (field, size) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", kv),
        ] {
            if size == 0 {
                return Err(format!("{field}: must not be 0"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(kv) {
            return Err(format!(
                "num_key_value_heads: {kv} does not divide {} heads",
                self.num_attention_heads
            ));
        }
        let dim = self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads);
        if dim == 0 || !dim.is_multiple_of(2) {
            return Err(format!("head_dim: {dim}: must be even"));
        }
        let inside = self.rope_parameters.as_ref().and_then(|parameters| parameters.rope_theta);
        Ok(Config {
            family,
            words: self.vocab_size,
            hidden: self.hidden_size,
            inner: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: Heads { q: self.num_attention_heads, kv, dim },
            eps: self.rms_norm_eps,
            context: self.max_position_embeddings,
            theta: self.rope_theta.or(inside).unwrap_or(10_000.0),
            stretch: match self.rope_scaling.as_ref().or(self.rope_parameters.as_ref()) {
                None => Stretch::None,
                Some(scaling) => scaling.stretch()?,
            },
            tied: self.tie_word_embeddings,
        })
    }

    fn family(&self) -> Result<Family, String> {
        let family = match self.model_type.as_str() {
            "llama" => Family::Llama,
            "qwen2" => Family::Qwen2,
            "qwen3" => Family::Qwen3,
            other => {
                return Err(format!("model_type: {other:?} cannot be trained; llama, qwen2 and qwen3 can"));
            }
        };
        // Qwen 2 files may say so of the bias they always have.
        let odd_bias = self.attention_bias && !family.has_bias();
        for (odd, field) in [
            (self.hidden_act.as_deref().is_some_and(|act| act != "silu"), "hidden_act: only \"silu\""),
            (odd_bias, "attention_bias: only false"),
            (self.mlp_bias, "mlp_bias: only false"),
            (self.use_sliding_window, "use_sliding_window: only false"),
        ] {
            if odd {
                return Err(format!("{field} can be trained"));
            }
        }
        Ok(family)
    }
}

impl Scaling {
    fn stretch(&self) -> Result<Stretch, String> {
        let need = |value: Option<f64>, field: &str| {
            value
                .filter(|number| *number > 0.0)
                .ok_or_else(|| format!("rope_scaling.{field}: must be a number above 0"))
        };
        match self.rope_type.as_deref() {
            None | Some("default") => Ok(Stretch::None),
            Some("linear") => Ok(Stretch::Linear { factor: need(self.factor, "factor")? }),
            Some("llama3") => Ok(Stretch::Llama3 {
                factor: need(self.factor, "factor")?,
                low: need(self.low_freq_factor, "low_freq_factor")?,
                high: need(self.high_freq_factor, "high_freq_factor")?,
                context: need(self.original_max_position_embeddings, "original_max_position_embeddings")?,
            }),
            Some(other) => Err(format!(
                "rope_scaling.rope_type: {other:?} cannot be trained; default, linear and llama3 can"
            )),
        }
    }
}
