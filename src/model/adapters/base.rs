//! The model an adapter belongs to: its fingerprint, and what shapes its linear layers have.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::library::hash_of;
use super::{AdapterError, Lora, files};

/// The linear layers an adapter may change.
pub const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// Families whose linear layers have these names and shapes.
const FAMILIES: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

/// A base model as far as adapters are concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    fingerprint: String,
    layers: usize,
    /// Rows and columns of each target, in the order of [`TARGETS`].
    shapes: [[usize; 2]; 7],
}

impl Base {
    /// Reads the model in `folder`. Hashing the weights takes seconds the first time; `cache` remembers it.
    ///
    /// # Errors
    /// Files that cannot be read, or a family whose layers are not known.
    pub fn read(folder: &Path, cache: &Path) -> Result<Self, AdapterError> {
        let path = folder.join("config.json");
        let config: Value = files::read_json(&path)?.ok_or_else(|| damaged(&path, "is missing"))?;
        let number = |key: &str| config.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let need = |key: &str| number(key).ok_or_else(|| damaged(&path, &format!("lacks `{key}`")));
        let family = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        if !FAMILIES.contains(&family) {
            let problem =
                format!("`model_type` is `{family}`; adapters are known for {}", FAMILIES.join(", "));
            return Err(damaged(&path, &problem));
        }
        let (hidden, inner, heads) =
            (need("hidden_size")?, need("intermediate_size")?, need("num_attention_heads")?);
        let dim = number("head_dim").unwrap_or(hidden / heads.max(1));
        let (queries, keys) = (heads * dim, number("num_key_value_heads").unwrap_or(heads) * dim);
        Ok(Self {
            fingerprint: fingerprint(folder, cache)?,
            layers: need("num_hidden_layers")?,
            shapes: [
                [queries, hidden],
                [keys, hidden],
                [keys, hidden],
                [hidden, queries],
                [inner, hidden],
                [inner, hidden],
                [hidden, inner],
            ],
        })
    }

    /// A model whose layers are not known: no adapter fits it.
    pub fn unknown() -> Self {
        Self { fingerprint: "unknown".to_owned(), layers: 0, shapes: [[0; 2]; 7] }
    }

    /// See [`fingerprint`].
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The tensors of an adapter, with their shapes: A is rank by columns, B rows by rank.
    pub fn tensors(&self, lora: &Lora) -> BTreeMap<String, [usize; 2]> {
        let rank = lora.rank;
        let mut tensors = BTreeMap::new();
        for (target, [rows, columns]) in TARGETS.iter().zip(self.shapes) {
            if !lora.targets.iter().any(|t| t == target) {
                continue;
            }
            let part = if target.ends_with("gate_proj") || *target == "up_proj" || *target == "down_proj" {
                "mlp"
            } else {
                "self_attn"
            };
            for layer in 0..self.layers {
                let stem = format!("base_model.model.model.layers.{layer}.{part}.{target}");
                tensors.insert(format!("{stem}.lora_A.weight"), [rank, columns]);
                tensors.insert(format!("{stem}.lora_B.weight"), [rows, rank]);
            }
        }
        tensors
    }
}

fn damaged(file: &Path, problem: &str) -> AdapterError {
    AdapterError::Damaged {
        file: file.to_owned(),
        problem: problem.to_owned(),
        fix: "look at the model with `shopclerk model check`".to_owned(),
    }
}

/// What was hashed, so that the same file is not hashed twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Hashed {
    bytes: u64,
    inode: u64,
    /// Nanoseconds since the epoch.
    changed: i128,
    sha256: String,
}

/// The SHA-256 of `model.safetensors` in `folder`; of a model in several files, the SHA-256 over one line `NAME SHA256` each,
/// by name. `cache` is a file that remembers hashes by size, inode and time of change.
pub fn fingerprint(folder: &Path, cache: &Path) -> Result<String, AdapterError> {
    let whole = folder.join("model.safetensors");
    if whole.is_file() {
        return hashed(&whole, cache);
    }
    let mut parts: Vec<PathBuf> = fs_err::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    parts.sort();
    if parts.is_empty() {
        return Err(damaged(&whole, "is missing"));
    }
    let mut all = Sha256::new();
    for part in parts {
        let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.update(format!("{name} {}\n", hashed(&part, cache)?));
    }
    Ok(hex::encode(all.finalize()))
}

fn hashed(file: &Path, cache: &Path) -> Result<String, AdapterError> {
    let meta = fs_err::metadata(file)?;
    let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let key = fs_err::canonicalize(file)?.display().to_string();
    // A cache that cannot be read is no cache.
    let mut known: BTreeMap<String, Hashed> = files::read_json(cache).ok().flatten().unwrap_or_default();
    if let Some(hit) = known.get(&key)
        && (hit.bytes, hit.inode, hit.changed) == (meta.len(), meta.ino(), changed)
    {
        return Ok(hit.sha256.clone());
    }
    let sha256 =
        hash_of(file, &mut |_| {}).map_err(|fault| AdapterError::Io(std::io::Error::other(fault)))?;
    known.insert(key, Hashed { bytes: meta.len(), inode: meta.ino(), changed, sha256: sha256.clone() });
    if let Some(dir) = cache.parent() {
        // It only saves time: a folder that cannot be written is no fault.
        let _ = fs_err::create_dir_all(dir).and_then(|()| files::write_json(cache, &known));
    }
    Ok(sha256)
}
