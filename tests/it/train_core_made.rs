//! Small random models of each family, written as folders.

use std::path::{Path, PathBuf};

use serde_json::json;
use shopclerk::domain::recipe::{BaseWeights, LoraRecipe, Recipe, TARGETS};
use shopclerk::train::example::Example;
use shopclerk::train::nn::{Network, Options};

pub(crate) const WORDS: u32 = 150;
const HIDDEN: usize = 32;
const INNER: usize = 64;
const LAYERS: usize = 2;
const HEADS: usize = 4;
const KV: usize = 2;

/// A number that looks random, from -1 to 1.
pub(crate) fn noise(seed: u64) -> f32 {
    let n = seed.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((n ^ (n >> 32)) & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
}

/// Writes a model of `family` under `dir` and gives its folder. Qwen 3's heads are wider than its hidden size asks for.
pub(crate) fn model(dir: &Path, family: &str) -> PathBuf {
    let folder = dir.join(family);
    fs_err::create_dir_all(&folder).unwrap();
    let head = if family == "qwen3" { 16 } else { HIDDEN / HEADS };
    let class = ["Llama", "Qwen2", "Qwen3"].into_iter().find(|c| c.to_lowercase() == family).unwrap();
    let mut config = json!({
        "architectures": [format!("{class}ForCausalLM")], "model_type": family, "vocab_size": WORDS,
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": head, "hidden_act": "silu",
        "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "rope_scaling": null,
        "attention_bias": false, "mlp_bias": false, "use_sliding_window": false,
        "tie_word_embeddings": family == "qwen2", "torch_dtype": "float32",
    });
    if family == "llama" {
        config["rope_scaling"] = json!({
            "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        });
    }
    fs_err::write(folder.join("config.json"), config.to_string()).unwrap();
    write_tensors(&folder.join("model.safetensors"), &shapes(family, head));
    folder
}

fn shapes(family: &str, head: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![WORDS as usize, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    if family != "qwen2" {
        shapes.push(("lm_head.weight".to_owned(), vec![WORDS as usize, HIDDEN]));
    }
    for layer in 0..LAYERS {
        let mut add = |name: &str, shape: &[usize]| {
            shapes.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        };
        let (wide, narrow) = (HEADS * head, KV * head);
        for (name, out) in [("q", wide), ("k", narrow), ("v", narrow)] {
            add(&format!("self_attn.{name}_proj.weight"), &[out, HIDDEN]);
            if family == "qwen2" {
                add(&format!("self_attn.{name}_proj.bias"), &[out]);
            }
        }
        if family == "qwen3" {
            add("self_attn.q_norm.weight", &[head]);
            add("self_attn.k_norm.weight", &[head]);
        }
        add("self_attn.o_proj.weight", &[HIDDEN, wide]);
        add("mlp.gate_proj.weight", &[INNER, HIDDEN]);
        add("mlp.up_proj.weight", &[INNER, HIDDEN]);
        add("mlp.down_proj.weight", &[HIDDEN, INNER]);
        add("input_layernorm.weight", &[HIDDEN]);
        add("post_attention_layernorm.weight", &[HIDDEN]);
    }
    shapes
}

/// Norms near 1, words near ±1, the rest small enough to keep the numbers in bounds.
pub(crate) fn write_tensors(path: &Path, shapes: &[(String, Vec<usize>)]) {
    let mut bytes = Vec::new();
    for (number, (name, shape)) in shapes.iter().enumerate() {
        let size: usize = shape.iter().product();
        let even = |at: usize| noise((number * 1_000_003 + at) as u64);
        let values: Vec<u8> = (0..size)
            .flat_map(|at| {
                let value = match name {
                    name if name.contains("norm") => 1.0 + 0.3 * even(at),
                    name if name.contains("embed") => even(at),
                    name if name.ends_with("bias") => 0.5 * even(at),
                    _ => 0.35 * even(at),
                };
                value.to_le_bytes()
            })
            .collect();
        bytes.push(values);
    }
    let views = shapes.iter().zip(&bytes).map(|((name, shape), bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap();
        (name.clone(), view)
    });
    fs_err::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A recipe for all modules.
/// A recipe with this adapter, for the base `made`.
pub(crate) fn recipe_of(lora: LoraRecipe) -> Recipe {
    Recipe { lora, base: "made".to_owned(), ..Recipe::default() }
}

pub(crate) fn lora() -> LoraRecipe {
    LoraRecipe {
        rank: 4,
        alpha: 6.0,
        targets: TARGETS.map(str::to_owned).to_vec(),
        base: BaseWeights::Full,
        ..LoraRecipe::default()
    }
}

pub(crate) fn options() -> Options {
    Options { seed: 1, recompute: false, threads: 2 }
}

/// A network whose A and B are both far from zero, so that every path carries a gradient.
pub(crate) fn network(folder: &Path, lora: &LoraRecipe, options: &Options) -> Network {
    let mut network = Network::load(folder, lora, options).unwrap();
    for (number, (_, pair)) in network.adapter_mut().pairs_mut().enumerate() {
        for (at, n) in pair.b.numbers.iter_mut().enumerate() {
            *n = 0.2 * noise((number * 7919 + at) as u64 ^ 0xb0b);
        }
    }
    network
}

/// A row of `length` tokens of which about every third is learnt.
pub(crate) fn row(length: usize, seed: u64) -> Example {
    let id = |at: usize| ((noise(seed * 997 + at as u64) + 1.0) / 2.0 * (WORDS - 1) as f32) as u32;
    let target = |at: usize| at > 0 && noise(seed * 31 + 7 + at as u64) > 0.3;
    Example { ids: (0..length).map(id).collect(), targets: (0..length).map(target).collect() }
}
