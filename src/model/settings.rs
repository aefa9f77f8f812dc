//! Which model is loaded and how; the `[model]` table of the configuration.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The longest prompt and answer together unless the configuration says otherwise.
pub const CONTEXT: usize = 4096;

/// The model a shop starts with.
pub const DEFAULT_MODEL: &str = "smollm2-135m-instruct";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The name of a model under `data/models`, a folder, or `scripted`.
    pub name: String,
    /// `auto`, `none`, `q8_0` or `q4_0`: how weights are quantised in place after loading.
    pub quantise: Quantise,
    /// How many answers are made at once; 0 means by hardware.
    pub parallel: usize,
    /// The longest prompt and answer together, in tokens; 0 means the model's own limit, at most 4096.
    pub context: usize,
    /// CPU threads; 0 means one per core.
    pub threads: usize,
    /// MiB that the kept keys and values of finished answers may take on a CPU before they are dropped.
    pub cache_mib: u64,
    /// Answers that are told again when the same is asked, without the model; 0 for none. Only greedy ones are kept.
    pub recall: usize,
    /// Adapters kept in memory beside the base model, each a copy of its weights. Those that answer chats always are; the
    /// tool whose adapter was used longest ago makes room.
    pub variants: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantise {
    #[default]
    Auto,
    None,
    Q8_0,
    Q4_0,
}

impl Settings {
    /// The model that a recipe is for if it does not say: the one that serves. The scripted one has nothing to train.
    pub fn to_train(&self) -> &str {
        if self.name == "scripted" { DEFAULT_MODEL } else { &self.name }
    }

    /// The longest prompt and answer together, in tokens, of a model whose own limit is `own`.
    pub fn context_of(&self, own: Option<usize>) -> usize {
        if self.context == 0 { own.unwrap_or(CONTEXT).min(CONTEXT) } else { self.context }
    }

    /// The same of the model in `folder`, by its `config.json`; a file that cannot be read says nothing.
    pub fn context_in(&self, folder: &Path) -> usize {
        let text = fs_err::read(folder.join("config.json")).unwrap_or_default();
        let config: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let own = config.get("max_position_embeddings").and_then(serde_json::Value::as_u64);
        self.context_of(own.map(|own| own as usize))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: DEFAULT_MODEL.to_owned(),
            quantise: Quantise::Auto,
            parallel: 0,
            context: 0,
            threads: 0,
            cache_mib: 512,
            recall: 1000,
            variants: 3,
        }
    }
}
