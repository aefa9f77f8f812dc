//! What a GGUF file's model is: its family, its sizes, and the tensors it must have, under both their names.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Refusal;
use super::gguf::{Header, TensorInfo};
use super::rope;
use super::tokenizer::Special;
use super::weights::Dtype;

/// Limits far above any real model, so that products of sizes cannot overflow.
const MOST_LAYERS: u64 = 1024;
const MOST_WIDTH: u64 = 1 << 20;
const MOST_WORDS: u64 = 1 << 22;

/// The families the importer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Llama,
    Qwen2,
    Qwen3,
}

impl Family {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }
}

/// Which row of the file becomes row `r` of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    AsTheyAre,
    /// The file pairs the two halves of each head's rotary dimensions; Hugging Face keeps the halves apart. Rows of a
    /// head, in that head's own order.
    Interleaved {
        head: u64,
    },
}

/// One tensor to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) rows: Rows,
}

/// The sizes of the model, all checked, and what is to be copied.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) family: Family,
    pub(super) vocab: u64,
    pub(super) context: u64,
    pub(super) parameters: u64,
    pub(super) copies: Vec<Copy>,
    sizes: Sizes,
    rope_scaling: Option<Value>,
    tied: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    layers: u64,
    hidden: u64,
    inner: u64,
    heads: u64,
    kv_heads: u64,
    head: u64,
    eps: f64,
    rope_theta: f64,
}

impl Plan {
    /// `factors` is the content of the tensor [`rope::FACTORS`], if there is one.
    pub(super) fn of(header: &Header, factors: Option<&[f32]>) -> Result<Self, Refusal> {
        let family = match header.text("general.architecture") {
            Some("llama") => Family::Llama,
            Some("qwen2") => Family::Qwen2,
            Some("qwen3") => Family::Qwen3,
            Some(other) => {
                return Err(Refusal::Unsupported(format!(
                    "architecture `{other}` is not supported; llama, qwen2 and qwen3 are"
                )));
            }
            None => return Err(header.fault("general.architecture", "is missing").into()),
        };
        if header.whole("split.count", u64::MAX)?.is_some_and(|parts| parts > 1) {
            return Err(Refusal::Unsupported(
                "the model is split over several files; join them first with llama-gguf-split --merge".into(),
            ));
        }
        let keys = Keys { header, family };
        if keys.whole("expert_count", u64::MAX)?.is_some_and(|n| n > 0) {
            return Err(Refusal::Unsupported("mixtures of experts are not supported".into()));
        }
        let sizes = Sizes::of(&keys)?;
        let context = keys.needed("context_length", 1 << 31)?;
        let Some(words) = header.tensor("token_embd.weight") else {
            return Err(header.tensor_fault("token_embd.weight", "is missing").into());
        };
        let vocab = words.rows;
        if vocab > MOST_WORDS {
            return Err(header.tensor_fault("token_embd.weight", "has too many rows").into());
        }
        let tied = header.tensor("output.weight").is_none();
        let mut plan = Self {
            family,
            vocab,
            context,
            parameters: 0,
            copies: Vec::new(),
            sizes,
            rope_scaling: rope::scaling(&keys, sizes.head, sizes.rope_theta, factors)?,
            tied,
        };
        plan.list(header)?;
        Ok(plan)
    }

    /// Every tensor of the family, each of exactly the right shape, and no other: a left-over tensor means that the model
    /// does something the configuration does not say.
    fn list(&mut self, header: &Header) -> Result<(), Refusal> {
        let Sizes { layers, hidden, inner, heads, kv_heads, head, .. } = self.sizes;
        let (wide, narrow) = (heads * head, kv_heads * head);
        let rope =
            |head| if self.family == Family::Llama { Rows::Interleaved { head } } else { Rows::AsTheyAre };
        let mut wanted = vec![
            Wanted::plain("token_embd.weight", "model.embed_tokens.weight", &[self.vocab, hidden]),
            Wanted::plain("output_norm.weight", "model.norm.weight", &[hidden]),
        ];
        if !self.tied {
            wanted.push(Wanted::plain("output.weight", "lm_head.weight", &[self.vocab, hidden]));
        }
        for layer in 0..layers {
            let mut add = |from: &str, to: &str, shape: &[u64], rows| {
                wanted.push(Wanted {
                    from: format!("blk.{layer}.{from}"),
                    to: format!("model.layers.{layer}.{to}"),
                    shape: shape.to_vec(),
                    rows,
                });
            };
            let plain = Rows::AsTheyAre;
            add("attn_norm.weight", "input_layernorm.weight", &[hidden], plain);
            add("attn_q.weight", "self_attn.q_proj.weight", &[wide, hidden], rope(head));
            add("attn_k.weight", "self_attn.k_proj.weight", &[narrow, hidden], rope(head));
            add("attn_v.weight", "self_attn.v_proj.weight", &[narrow, hidden], plain);
            add("attn_output.weight", "self_attn.o_proj.weight", &[hidden, wide], plain);
            add("ffn_norm.weight", "post_attention_layernorm.weight", &[hidden], plain);
            add("ffn_gate.weight", "mlp.gate_proj.weight", &[inner, hidden], plain);
            add("ffn_up.weight", "mlp.up_proj.weight", &[inner, hidden], plain);
            add("ffn_down.weight", "mlp.down_proj.weight", &[hidden, inner], plain);
            match self.family {
                Family::Llama => {}
                Family::Qwen2 => {
                    add("attn_q.bias", "self_attn.q_proj.bias", &[wide], plain);
                    add("attn_k.bias", "self_attn.k_proj.bias", &[narrow], plain);
                    add("attn_v.bias", "self_attn.v_proj.bias", &[narrow], plain);
                }
                Family::Qwen3 => {
                    add("attn_q_norm.weight", "self_attn.q_norm.weight", &[head], plain);
                    add("attn_k_norm.weight", "self_attn.k_norm.weight", &[head], plain);
                }
            }
        }
        let known: HashSet<&str> = wanted.iter().map(|one| one.from.as_str()).collect();
        for (name, _) in header.tensors() {
            if name != rope::FACTORS && !known.contains(name) {
                return Err(Refusal::Unsupported(format!(
                    "tensor `{name}` is not part of a {} model as the importer knows it",
                    self.family.name()
                )));
            }
        }
        for one in wanted {
            let Some(info) = header.tensor(&one.from) else {
                return Err(header.tensor_fault(&one.from, "is missing").into());
            };
            one.expect_shape(header, info)?;
            self.parameters += info.rows * info.columns;
            self.copies.push(Copy { from: one.from, to: one.to, rows: one.rows });
        }
        // The order of the output; the same file always gives the same folder.
        self.copies.sort_by(|a, b| a.to.cmp(&b.to));
        Ok(())
    }

    /// `config.json`, with every key the engine and `transformers` ask for.
    pub(super) fn config(&self, dtype: Dtype, special: &Special) -> Value {
        let sizes = &self.sizes;
        let mut config = json!({
            "architectures": [self.family.class()],
            "model_type": self.family.name(),
            "vocab_size": self.vocab,
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.inner,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "num_key_value_heads": sizes.kv_heads,
            "head_dim": sizes.head,
            "hidden_act": "silu",
            "max_position_embeddings": self.context,
            "rms_norm_eps": sizes.eps,
            "rope_theta": sizes.rope_theta,
            "rope_scaling": self.rope_scaling,
            "attention_bias": false,
            "attention_dropout": 0.0,
            // Without this an absent `lm_head` becomes a dummy that fails on the first forward pass.
            "tie_word_embeddings": self.tied,
            "torch_dtype": dtype.torch(),
            "use_cache": true,
            "bos_token_id": special.bos,
            "eos_token_id": special.eos,
            "pad_token_id": special.pad,
        });
        if self.family == Family::Llama {
            config["mlp_bias"] = json!(false);
        } else {
            config["sliding_window"] = Value::Null;
            config["use_sliding_window"] = json!(false);
            config["max_window_layers"] = json!(sizes.layers);
        }
        config
    }
}

/// The metadata of one family, whose keys begin with its name.
pub(super) struct Keys<'a> {
    pub(super) header: &'a Header,
    pub(super) family: Family,
}

impl Keys<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.family.name())
    }

    pub(super) fn whole(&self, name: &str, most: u64) -> Result<Option<u64>, Refusal> {
        Ok(self.header.whole(&self.key(name), most)?)
    }

    fn needed(&self, name: &str, most: u64) -> Result<u64, Refusal> {
        match self.whole(name, most)? {
            Some(0) => Err(self.fault(name, "must not be 0")),
            Some(n) => Ok(n),
            None => Err(self.fault(name, "is missing")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        Ok(self.header.number(&self.key(name))?)
    }

    pub(super) fn fault(&self, name: &str, problem: impl Into<String>) -> Refusal {
        self.header.fault(&self.key(name), problem).into()
    }
}

impl Sizes {
    fn of(keys: &Keys<'_>) -> Result<Self, Refusal> {
        let hidden = keys.needed("embedding_length", MOST_WIDTH)?;
        let heads = keys.needed("attention.head_count", 4096)?;
        let kv_heads = match keys.whole("attention.head_count_kv", 4096)? {
            None => heads,
            Some(_) => keys.needed("attention.head_count_kv", 4096)?,
        };
        if !heads.is_multiple_of(kv_heads) {
            return Err(
                keys.fault("attention.head_count_kv", format!("{kv_heads} does not divide {heads} heads"))
            );
        }
        let head = match keys.whole("attention.key_length", MOST_WIDTH)? {
            Some(head) => head,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(keys.fault("attention.head_count", format!("{heads} does not divide {hidden}")));
            }
        };
        if head == 0 || !head.is_multiple_of(2) || heads * head > MOST_WIDTH {
            return Err(keys.fault("attention.key_length", format!("heads of {head} numbers cannot be")));
        }
        // The engine derives the head's size for these families instead of reading it.
        if keys.family != Family::Qwen3 && heads * head != hidden {
            return Err(Refusal::Unsupported(format!(
                "{heads} heads of {head} numbers do not make up {hidden}"
            )));
        }
        if keys.whole("attention.value_length", MOST_WIDTH)?.is_some_and(|value| value != head)
            || keys.whole("rope.dimension_count", MOST_WIDTH)?.is_some_and(|turned| turned != head)
        {
            return Err(Refusal::Unsupported("keys, values and rotary dimensions of different sizes".into()));
        }
        let eps = keys.number("attention.layer_norm_rms_epsilon")?;
        let Some(eps) = eps.filter(|eps| *eps > 0.0 && *eps < 1.0) else {
            return Err(keys.fault("attention.layer_norm_rms_epsilon", "must be a number between 0 and 1"));
        };
        let rope_theta = keys.number("rope.freq_base")?.unwrap_or(10_000.0);
        if rope_theta <= 0.0 {
            return Err(keys.fault("rope.freq_base", "must be above 0"));
        }
        let layers = keys.needed("block_count", MOST_LAYERS)?;
        let inner = keys.needed("feed_forward_length", MOST_WIDTH)?;
        Ok(Self {
            layers,
            hidden,
            inner,
            heads,
            kv_heads,
            head,
            eps: tidy(eps),
            rope_theta: tidy(rope_theta),
        })
    }
}

/// The shortest decimal number that is the same as an `f32`: the file stores 1e-5 as 0.00000999999974…
pub(super) fn tidy(number: f64) -> f64 {
    (number as f32).to_string().parse().unwrap_or(number)
}

struct Wanted {
    from: String,
    to: String,
    /// Rows and columns, or one length.
    shape: Vec<u64>,
    rows: Rows,
}

impl Wanted {
    fn plain(from: &str, to: &str, shape: &[u64]) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), shape: shape.to_vec(), rows: Rows::AsTheyAre }
    }

    fn expect_shape(&self, header: &Header, info: &TensorInfo) -> Result<(), Refusal> {
        let is: &[u64] = if info.rank == 1 { &[info.columns] } else { &[info.rows, info.columns] };
        if is == self.shape.as_slice() {
            return Ok(());
        }
        let problem = format!("is {is:?}; the metadata asks for {:?}", self.shape);
        Err(header.tensor_fault(&self.from, problem).into())
    }
}
