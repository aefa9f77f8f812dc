//! What to train, on what, and how: the recipe of one fine-tuning run.
//!
//! A recipe is read from TOML; every field has a default, unknown fields are refused, and all faults are reported at once.

mod check;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use check::{RecipeError, is_name};

/// The seven linear layers of a decoder block that an adapter may sit on, in the order of PEFT's names.
pub const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// The tools that labelled rows can train: such an adapter bears its tool's name, and does that tool's work when it is promoted.
pub const TOOLS: [&str; 3] = ["extract", "sentiment", "qa"];

/// One fine-tuning run, complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The adapter's name: lower-case letters, digits and dashes. A tool's adapter bears the tool's name, of [`TOOLS`], and no other does.
    pub name: String,
    /// The model to adapt: a name in the library, or a folder.
    pub base: String,
    pub objective: Objective,
    pub data: DataRecipe,
    pub lora: LoraRecipe,
    pub train: TrainRecipe,
    pub search: SearchRecipe,
    pub gate: GateRecipe,
    pub output: OutputRecipe,
}

/// What the rows teach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Dialogues: the assistant's turns are learnt.
    #[default]
    Chat,
    /// Labelled rows for one of the tools.
    Task,
    /// Continued pre-training: every token of plain text is learnt.
    Text,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataRecipe {
    /// Files of rows, relative to the recipe's own folder.
    pub files: Vec<PathBuf>,
    pub format: Format,
    /// Take personal data out of the rows of `files`; those of conversations never have any.
    pub redact: bool,
    /// Which of the server's own conversations to use; absent means none.
    pub store: Option<StoreRecipe>,
    /// Share of the conversations kept for choosing (early stopping, search).
    pub dev: f64,
    /// Share of the conversations kept for the verdict; used once.
    pub test: f64,
    /// Decides which conversation goes into which part.
    pub split_seed: u64,
    /// The longest row, in tokens.
    pub max_tokens: usize,
    pub too_long: TooLong,
}

/// How a file's lines are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Told by the first line.
    #[default]
    Auto,
    /// `{"messages": [{"role", "content"}]}`
    Messages,
    /// `{"prompt", "completion"}`
    Completion,
    /// `{"instruction", "input", "output", "system", "history"}`
    Alpaca,
    /// `{"conversations": [{"from", "value"}]}`
    Sharegpt,
    /// `{"text", "label"}` for sentiment
    Sentiment,
    /// `{"text" or "input", "attributes" or "target_scores"}` for extraction
    Attributes,
    /// `{"text"}` or plain lines: continued pre-training
    Text,
}

/// What happens to a row that is longer than `max_tokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// Cut at the end; a row that loses all its targets is an error.
    #[default]
    Cut,
    /// Cut at the end; a row that loses all its targets is left out and counted.
    CutOrDrop,
    /// Left out and counted.
    Drop,
    /// An error.
    Error,
}

/// Which of the server's own conversations become rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreRecipe {
    /// Conversations touched at or after this moment, in milliseconds since 1970.
    pub since: Option<u64>,
    pub until: Option<u64>,
    /// Only these conversations; empty means all.
    pub conversations: Vec<String>,
    pub tags: Vec<String>,
    /// Only conversations with an answer that the shopper rated so.
    pub rated: Option<Rated>,
    /// Only conversations that one of these answered in: `staff`, `model`, or a colleague's name; empty means all.
    pub answered_by: Vec<String>,
    /// Which turns are targets.
    pub targets: Vec<TargetKind>,
    /// At most this many answers of one shopper, so that nobody can flood the rest with thumbs; 0 means no limit.
    pub per_shopper: usize,
}

/// How a shopper rated an answer, by their newest thumb on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rated {
    Up,
    Down,
    /// Up or down.
    Any,
}

/// Which turns of a dialogue are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Written by a member of staff.
    Staff,
    /// The corrected form of a model's reply.
    Corrected,
    /// A model's reply that a shopper rated up.
    Liked,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraRecipe {
    pub rank: usize,
    pub alpha: f64,
    /// Share of the adapter's inputs that are zeroed while training.
    pub dropout: f64,
    /// Layers the adapter sits on, of [`TARGETS`].
    pub targets: Vec<String>,
    /// Scale by alpha / sqrt(rank) instead of alpha / rank; written out as a plain alpha.
    pub rslora: bool,
    /// LoRA+: how many times faster B learns than A.
    pub plus: f64,
    /// The frozen weights while training.
    pub base: BaseWeights,
}

/// How the frozen weights are kept in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseWeights {
    /// float32 on a CPU, bfloat16 on a GPU.
    #[default]
    Full,
    /// QLoRA with 8-bit blocks: a quarter of the memory.
    Q8_0,
    /// QLoRA with 4-bit blocks: an eighth.
    Q4_0,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    pub epochs: f64,
    /// Stops after this many steps; 0 means by epochs alone.
    pub max_steps: usize,
    /// Rows of one optimiser step.
    pub batch: usize,
    pub lr: f64,
    pub schedule: Schedule,
    /// Share of the steps in which the rate grows from 0.
    pub warmup: f64,
    pub weight_decay: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// The longest gradient (global norm); 0 means any.
    pub clip: f64,
    /// Seeds the adapter, the order of the rows and the dropout masks.
    pub seed: u64,
    /// Compute each layer again on the way back instead of keeping it: slower, less memory.
    pub recompute: bool,
    /// Steps between looks at the dev part; 0 means at the end of every epoch.
    pub eval_every: usize,
    /// Looks without improvement before it stops; 0 means never.
    pub patience: usize,
    /// How many of the best checkpoints are kept.
    pub keep: usize,
    /// Threads; 0 means all.
    pub threads: usize,
    /// Stops at the next step after this many minutes; 0 means no limit.
    pub minutes: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    #[default]
    Cosine,
    Linear,
    Constant,
}

/// Several recipes tried, the best by dev loss kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchRecipe {
    pub method: SearchMethod,
    /// At most this many trials; 0 means the whole grid (10 for TPE).
    pub trials: usize,
    /// For all trials together; 0 means no limit.
    pub minutes: f64,
    /// A trial is given up when its dev loss is above the median of the others at the same step.
    pub prune: bool,
    /// Keys such as `train.lr` or `lora.rank`, each with its values.
    pub space: BTreeMap<String, Range>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMethod {
    #[default]
    None,
    Grid,
    Tpe,
}

/// The values of one searched field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Range {
    Choice(Vec<serde_json::Value>),
    Between {
        min: f64,
        max: f64,
        #[serde(default)]
        log: bool,
    },
}

/// When an adapter may be promoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateRecipe {
    /// The held-out loss must be lower than the base's by at least this share of it.
    pub loss_gain: f64,
    /// No tool's score may fall by more than this (0.01 is one point).
    pub tool_loss: f64,
    /// The held-out loss may be above that of the version that serves now by at most this share of it.
    pub current_loss: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputRecipe {
    /// Also write the base with the adapter merged in, as a model folder.
    pub merged: bool,
    /// Also write that as a GGUF file.
    pub gguf: bool,
    /// How the adapter's numbers are written.
    pub dtype: AdapterDtype,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterDtype {
    #[default]
    F32,
    F16,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "shop".to_owned(),
            base: "smollm2-135m-instruct".to_owned(),
            objective: Objective::default(),
            data: DataRecipe::default(),
            lora: LoraRecipe::default(),
            train: TrainRecipe::default(),
            search: SearchRecipe::default(),
            gate: GateRecipe::default(),
            output: OutputRecipe::default(),
        }
    }
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            format: Format::default(),
            redact: false,
            store: None,
            dev: 0.1,
            test: 0.1,
            split_seed: 0,
            max_tokens: 512,
            too_long: TooLong::default(),
        }
    }
}

impl Default for StoreRecipe {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            conversations: Vec::new(),
            tags: Vec::new(),
            rated: None,
            answered_by: Vec::new(),
            targets: Vec::new(),
            per_shopper: 20,
        }
    }
}

impl Default for LoraRecipe {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            targets: TARGETS.map(str::to_owned).to_vec(),
            rslora: false,
            plus: 1.0,
            base: BaseWeights::default(),
        }
    }
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            epochs: 1.0,
            max_steps: 0,
            batch: 4,
            lr: 2e-4,
            schedule: Schedule::default(),
            warmup: 0.03,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            clip: 1.0,
            seed: 0,
            recompute: false,
            eval_every: 0,
            patience: 0,
            keep: 1,
            threads: 0,
            minutes: 0.0,
        }
    }
}

impl Default for SearchRecipe {
    fn default() -> Self {
        Self { method: SearchMethod::default(), trials: 0, minutes: 0.0, prune: true, space: BTreeMap::new() }
    }
}

impl Default for GateRecipe {
    fn default() -> Self {
        Self { loss_gain: 0.0, tool_loss: 0.01, current_loss: 0.01 }
    }
}
