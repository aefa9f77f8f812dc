//! Adapters as PEFT folders: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Plain LoRA only, so that everything that reads adapters reads ours: rsLoRA is written out as an ordinary alpha.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::nn::{Adapter, Matrix};
use super::{TrainError, tensors};
use crate::domain::recipe::{AdapterDtype, Recipe, TARGETS};

pub const CONFIG: &str = "adapter_config.json";
pub const WEIGHTS: &str = "adapter_model.safetensors";

/// What PEFT puts before a module's path.
const PREFIX: &str = "base_model.model.";

/// `adapter_config.json`, as far as the trainer reads it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AdapterConfig {
    pub peft_type: String,
    pub r: usize,
    pub lora_alpha: f64,
    #[serde(default)]
    pub lora_dropout: f64,
    pub target_modules: BTreeSet<String>,
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    #[serde(default)]
    pub use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
}

impl AdapterConfig {
    /// What multiplies B(A(x)).
    pub fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }
}

/// An adapter read from a folder.
#[derive(Clone, Debug)]
pub struct AdapterFile {
    pub config: AdapterConfig,
    /// By module path and side, as [`Adapter::tensors`] names them.
    pub tensors: BTreeMap<String, Matrix>,
}

/// Keys in the order PEFT's own documentation has them.
#[derive(Serialize)]
struct Written<'a> {
    peft_type: &'a str,
    task_type: &'a str,
    base_model_name_or_path: &'a str,
    revision: Option<()>,
    inference_mode: bool,
    r: usize,
    lora_alpha: serde_json::Number,
    lora_dropout: f64,
    bias: &'a str,
    fan_in_fan_out: bool,
    init_lora_weights: bool,
    target_modules: &'a [String],
    modules_to_save: Option<()>,
    rank_pattern: BTreeMap<String, usize>,
    alpha_pattern: BTreeMap<String, f64>,
    layers_to_transform: Option<()>,
    layers_pattern: Option<()>,
    use_rslora: bool,
    use_dora: bool,
}

/// Writes `adapter`, as `recipe` had it trained, into the existing folder `dir`, with its numbers as the recipe wants them.
///
/// # Errors
/// A disk that fails.
pub fn write(dir: &Path, adapter: &Adapter, recipe: &Recipe) -> Result<(), TrainError> {
    write_as(recipe.output.dtype, dir, adapter, recipe)
}

/// The same, with every number as `dtype`.
///
/// # Errors
/// A disk that fails.
pub(super) fn write_as(
    dtype: AdapterDtype,
    dir: &Path,
    adapter: &Adapter,
    recipe: &Recipe,
) -> Result<(), TrainError> {
    let lora = &recipe.lora;
    let written = Written {
        peft_type: "LORA",
        task_type: "CAUSAL_LM",
        base_model_name_or_path: &recipe.base,
        revision: None,
        inference_mode: true,
        r: lora.rank,
        lora_alpha: whole(adapter.scale() * lora.rank as f64),
        lora_dropout: lora.dropout,
        bias: "none",
        fan_in_fan_out: false,
        init_lora_weights: true,
        target_modules: &lora.targets,
        modules_to_save: None,
        rank_pattern: BTreeMap::new(),
        alpha_pattern: BTreeMap::new(),
        layers_to_transform: None,
        layers_pattern: None,
        use_rslora: false,
        use_dora: false,
    };
    let mut text = serde_json::to_vec_pretty(&written).map_err(std::io::Error::from)?;
    text.push(b'\n');
    fs_err::write(dir.join(CONFIG), text)?;
    let matrices = adapter.tensors();
    let named = matrices.iter().map(|(name, matrix)| (format!("{PREFIX}{name}"), matrix)).collect();
    tensors::write_as(dtype, &dir.join(WEIGHTS), named, &[])
}

/// A whole number without a point, as most readers expect of alpha; others as they are.
fn whole(number: f64) -> serde_json::Number {
    if number.fract() == 0.0 && number < 1e15 {
        (number as u64).into()
    } else {
        serde_json::Number::from_f64(number).unwrap_or_else(|| 0.into())
    }
}

/// Reads a PEFT folder.
///
/// # Errors
/// A file that is absent or damaged; a kind of adapter that is not plain LoRA; a tensor whose name, shape or numbers
/// are not those of a LoRA pair of this rank. Each by file and field.
pub fn read(dir: &Path) -> Result<AdapterFile, TrainError> {
    let path = dir.join(CONFIG);
    let file = path.display().to_string();
    let text = fs_err::read_to_string(&path)?;
    let config: AdapterConfig = serde_json::from_str(&text)
        .map_err(|fault| TrainError::File { file: file.clone(), what: fault.to_string() })?;
    plain(&config).map_err(|what| TrainError::File { file, what })?;
    let path = dir.join(WEIGHTS);
    let (found, _) = tensors::read(&path)?;
    let file = path.display().to_string();
    let mut matrices = BTreeMap::new();
    for (name, matrix) in found {
        let fault =
            |what: &str| TrainError::Tensor { file: file.clone(), tensor: name.clone(), what: what.into() };
        let own =
            name.strip_prefix(PREFIX).ok_or_else(|| fault("does not begin with `base_model.model.`"))?;
        let (module, side) = own.rsplit_once(".lora_").ok_or_else(|| fault("is no part of a LoRA pair"))?;
        let target = module.rsplit('.').next().unwrap_or(module);
        if !config.target_modules.contains(target) {
            return Err(fault("its module is not in target_modules"));
        }
        match side {
            "A.weight" if matrix.rows == config.r => {}
            "B.weight" if matrix.columns == config.r => {}
            "A.weight" | "B.weight" => return Err(fault(&format!("is not of rank {}", config.r))),
            _ => return Err(fault("is no part of a LoRA pair")),
        }
        matrices.insert(own.to_owned(), matrix);
    }
    whole_pairs(&matrices).map_err(|tensor| TrainError::Tensor {
        file: file.clone(),
        tensor,
        what: "is missing".into(),
    })?;
    if matrices.is_empty() {
        return Err(TrainError::File { file, what: "holds no adapter".into() });
    }
    Ok(AdapterFile { config, tensors: matrices })
}

fn plain(config: &AdapterConfig) -> Result<(), String> {
    let odd_target = config.target_modules.iter().find(|target| !TARGETS.contains(&target.as_str()));
    for (odd, what) in [
        (config.peft_type != "LORA", format!("peft_type: {:?}: only \"LORA\"", config.peft_type)),
        (config.r == 0, "r: must not be 0".to_owned()),
        (
            !(config.lora_alpha.is_finite() && config.lora_alpha > 0.0),
            "lora_alpha: must be above 0".to_owned(),
        ),
        (config.use_dora, "use_dora: only false".to_owned()),
        (config.fan_in_fan_out, "fan_in_fan_out: only false".to_owned()),
        (config.bias.as_deref().is_some_and(|bias| bias != "none"), "bias: only \"none\"".to_owned()),
        (
            config.modules_to_save.as_ref().is_some_and(|m| !m.is_empty()),
            "modules_to_save: only null".to_owned(),
        ),
        (!config.rank_pattern.is_empty(), "rank_pattern: only {}".to_owned()),
        (!config.alpha_pattern.is_empty(), "alpha_pattern: only {}".to_owned()),
        (odd_target.is_some(), format!("target_modules: {:?}", odd_target.map_or("", String::as_str))),
    ] {
        if odd {
            return Err(format!("{what} can be read; the adapter is not plain LoRA"));
        }
    }
    Ok(())
}

/// Every A has its B, and the other way round; else the name of the absent one.
fn whole_pairs(matrices: &BTreeMap<String, Matrix>) -> Result<(), String> {
    for name in matrices.keys() {
        let other = match name.strip_suffix(".lora_A.weight") {
            Some(module) => format!("{module}.lora_B.weight"),
            None => name.replace(".lora_B.weight", ".lora_A.weight"),
        };
        if !matrices.contains_key(&other) {
            return Err(format!("{PREFIX}{other}"));
        }
    }
    Ok(())
}
