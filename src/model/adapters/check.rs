//! Is an adapter what it says, and does it fit the model? Everything is looked at before a byte of it is used.
//!
//! mistralrs merges whatever it is handed: it ignores the options of PEFT it does not know, matches target modules as
//! unanchored patterns and skips what it does not find. So only the plain case is let through, and that one whole.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::extras::{self, Judge};
use super::{AdapterError, AdapterId, Base, TARGETS, files};
use crate::domain::run::Manifest;

/// Files of a version's folder.
pub const CONFIG: &str = "adapter_config.json";
pub const WEIGHTS: &str = "adapter_model.safetensors";
pub const MANIFEST: &str = "manifest.json";

/// Headers name a few hundred tensors; the format itself allows 100 MB.
const LONGEST_HEADER: u64 = 8 << 20;
/// Where the model's shapes are not known (`scripted`), this bounds what is read.
const LARGEST: u64 = 1 << 30;
const LARGEST_RANK: u64 = 1024;

/// An adapter that was found sound, in memory: what is loaded is what was looked at.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub id: AdapterId,
    pub manifest: Manifest,
    pub lora: Lora,
    /// `adapter_model.safetensors`, all of it.
    pub weights: Vec<u8>,
}

/// The part of `adapter_config.json` that decides what is merged: W + alpha / rank * B A.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    pub rank: usize,
    pub alpha: f64,
    /// Some of [`TARGETS`], each once.
    pub targets: Vec<String>,
}

/// Looks at everything in the folder of `id`. Without a base (the scripted model) shapes and the fingerprint are taken as they are;
/// without a judge a tool's own file is only compared with its hash.
///
/// # Errors
/// The first thing that is wrong, with its file and field.
pub(super) fn check(
    folder: &Path,
    id: &AdapterId,
    base: Option<&Base>,
    judge: Option<Judge>,
) -> Result<Bundle, AdapterError> {
    let manifest = manifest(folder, id)?;
    if let Some(base) = base
        && manifest.base_fingerprint != base.fingerprint()
    {
        let short = |text: &str| text.chars().take(12).collect();
        return Err(AdapterError::OtherBase {
            file: folder.join(MANIFEST),
            theirs: short(&manifest.base_fingerprint),
            ours: short(base.fingerprint()),
            base: manifest.base,
        });
    }
    let lora = config(folder)?;
    let weights = weights(folder, &lora, base)?;
    let found = hex::encode(Sha256::digest(&weights));
    if found != manifest.weights_hash {
        let file = folder.join(WEIGHTS);
        let problem = "its content is not what `weights_hash` in manifest.json says (wrong SHA-256)";
        return Err(AdapterError::damaged(&file, problem));
    }
    extras::check(folder, &manifest.files, judge)?;
    Ok(Bundle { id: id.clone(), manifest, lora, weights })
}

/// The manifest in `folder`, if it is that of `id`.
pub(super) fn manifest(folder: &Path, id: &AdapterId) -> Result<Manifest, AdapterError> {
    let file = folder.join(MANIFEST);
    let manifest: Manifest =
        files::read_json(&file)?.ok_or_else(|| AdapterError::damaged(&file, "is missing"))?;
    if manifest.name != id.name() {
        let problem = format!("`name` is `{}` in the folder of {id}", manifest.name);
        return Err(AdapterError::damaged(&file, problem));
    }
    if manifest.version != id.version() {
        let problem = format!("`version` is {} in the folder of {id}", manifest.version);
        return Err(AdapterError::damaged(&file, problem));
    }
    Ok(manifest)
}

/// Options of PEFT that change what an adapter computes, with the only value that is served.
const PLAIN: &[&str] = &[
    "use_dora",
    "use_rslora",
    "fan_in_fan_out",
    "lora_bias",
    "use_qalora",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "layers_to_transform",
    "layers_pattern",
    "exclude_modules",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
    "arrow_config",
    "megatron_config",
];

/// Reads and judges `adapter_config.json` in `folder`.
pub(super) fn config(folder: &Path) -> Result<Lora, AdapterError> {
    let file = folder.join(CONFIG);
    let config: Value = files::read_json(&file)?.ok_or_else(|| AdapterError::damaged(&file, "is missing"))?;
    let no = |problem: String| AdapterError::damaged(&file, problem);
    if config["peft_type"] != "LORA" {
        return Err(no(format!("`peft_type` is {}; only \"LORA\" is served", config["peft_type"])));
    }
    if !matches!(config["task_type"].as_str(), None | Some("CAUSAL_LM")) {
        return Err(no(format!("`task_type` is {}; only \"CAUSAL_LM\" is served", config["task_type"])));
    }
    if !matches!(config["bias"].as_str(), None | Some("none")) {
        return Err(no(format!("`bias` is {}; only \"none\" is served", config["bias"])));
    }
    for key in PLAIN {
        if !is_nothing(&config[*key]) {
            return Err(no(format!("`{key}` is {}; it must be unset", config[*key])));
        }
    }
    let rank = config["r"].as_u64().filter(|r| (1..=LARGEST_RANK).contains(r));
    let rank = rank.ok_or_else(|| no(format!("`r` is {}; use 1 to {LARGEST_RANK}", config["r"])))?;
    let alpha = config["lora_alpha"].as_f64().filter(|a| a.is_finite() && *a > 0.0);
    let alpha = alpha.ok_or_else(|| {
        no(format!("`lora_alpha` is {}; use a number greater than 0", config["lora_alpha"]))
    })?;
    let targets = targets(&config["target_modules"]).map_err(no)?;
    Ok(Lora { rank: rank as usize, alpha, targets })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn targets(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| format!("`target_modules` is {value}; write a list of names"))?;
    let mut targets: Vec<String> = Vec::new();
    for one in list {
        let name = one.as_str().unwrap_or_default();
        if !TARGETS.contains(&name) {
            return Err(format!("`target_modules` names {one}; it may name {}", TARGETS.join(", ")));
        }
        if targets.iter().any(|t| t == name) {
            return Err(format!("`target_modules` names `{name}` twice"));
        }
        targets.push(name.to_owned());
    }
    Ok(targets)
}

/// The whole file of weights: header against size, names and shapes against the model, then every value.
fn weights(folder: &Path, lora: &Lora, base: Option<&Base>) -> Result<Vec<u8>, AdapterError> {
    let path = folder.join(WEIGHTS);
    let no = |problem: String| AdapterError::damaged(&path, problem);
    let mut file = match fs_err::File::open(&path) {
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            return Err(no("is missing".to_owned()));
        }
        file => file?,
    };
    let size = file.metadata()?.len();
    let mut bytes = vec![0; 8];
    if !(8..=LARGEST).contains(&size) {
        return Err(no(format!("has {size} bytes; an adapter has between 8 and {LARGEST}")));
    }
    file.read_exact(&mut bytes)?;
    let length = bytes.iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    if length > LONGEST_HEADER || length > size - 8 {
        return Err(no(format!("says that its header has {length} bytes; it is cut short")));
    }
    // Bounded just above.
    bytes.resize(8 + length as usize, 0);
    file.read_exact(&mut bytes[8..])?;
    let header: Metadata = serde_json::from_slice(&bytes[8..])
        .map_err(|fault| no(format!("has a header that does not parse: {fault}")))?;
    let tensors: BTreeMap<String, &TensorInfo> = header.tensors().into_iter().collect();
    let end = tensors.values().map(|info| info.data_offsets.1 as u64).max().unwrap_or(0);
    if (8 + length).checked_add(end) != Some(size) {
        return Err(no(format!("has {size} bytes; its header asks for {end} after itself")));
    }
    names_and_shapes(&tensors, lora, base).map_err(no)?;
    // The size is that of tensors which are all expected.
    bytes.reserve_exact(end as usize);
    file.take(end).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Err(no("became shorter while it was read".to_owned()));
    }
    let data = &bytes[8 + length as usize..];
    for (name, info) in &tensors {
        let values = data.get(info.data_offsets.0..info.data_offsets.1).unwrap_or_default();
        if !all_finite(info.dtype, values) {
            return Err(no(format!("`{name}` holds a value that is not a finite number")));
        }
    }
    Ok(bytes)
}

fn names_and_shapes(
    tensors: &BTreeMap<String, &TensorInfo>,
    lora: &Lora,
    base: Option<&Base>,
) -> Result<(), String> {
    let dtype = tensors.values().next().map(|info| info.dtype).ok_or("holds no tensor")?;
    if let Some((name, info)) = tensors.iter().find(|(_, info)| info.dtype != dtype) {
        return Err(format!("`{name}` is {:?}, others are {dtype:?}", info.dtype));
    }
    if !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        return Err(format!("its tensors are {dtype:?}; use F32, F16 or BF16"));
    }
    let Some(base) = base else { return Ok(()) };
    let expected = base.tensors(lora);
    if let Some(name) = expected.keys().find(|name| !tensors.contains_key(*name)) {
        return Err(format!("lacks `{name}`"));
    }
    for (name, info) in tensors {
        match expected.get(name) {
            None => return Err(format!("holds `{name}`, which this model and its config do not have")),
            Some(shape) if info.shape != shape => {
                return Err(format!("`{name}` has shape {:?} instead of {shape:?}", info.shape));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn all_finite(dtype: Dtype, values: &[u8]) -> bool {
    // A float is not finite if its exponent is all ones.
    let halves = |mask: u16| {
        let mut all = values.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        all.all(|bits| bits & mask != mask)
    };
    match dtype {
        Dtype::F16 => halves(0x7C00),
        Dtype::BF16 => halves(0x7F80),
        _ => values.chunks_exact(4).all(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).is_finite()),
    }
}
