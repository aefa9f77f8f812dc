//! A fine-tuning run as everybody sees it: its rows, its state, its journal and its verdict.
//!
//! Files in a run's folder: `recipe.toml`, `rows.jsonl` ([`Row`]), `report.json` (what was left out), `run.json` ([`Run`]),
//! `metrics.jsonl` ([`StepLog`]), `trials.jsonl` ([`Trial`]), `control` (a [`Control`] word), `log.txt`,
//! `checkpoints/`, `adapter/` (a PEFT folder), `scorecard.json` ([`Scorecard`]).

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// One row of training data, as the trainer reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Unique in its file.
    pub id: String,
    /// Rows of one group never part: a conversation, a product, a review.
    pub group: String,
    #[serde(flatten)]
    pub body: RowBody,
    /// Where it came from, event by event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Lineage>,
    /// What the row says before it was put into a tool's words; scores are counted from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<Labelled>,
}

/// A labelled row of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labelled {
    Sentiment {
        text: String,
        label: String,
    },
    /// Attributes in the order of the row, each with the values that are right; none is one that the text does not have.
    Attributes {
        text: String,
        category: String,
        values: Vec<(String, Vec<String>)>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowBody {
    /// A dialogue, exactly as the model is shown it when serving.
    Messages(Vec<RowMessage>),
    /// Plain text, all of it learnt.
    Text(String),
}

/// One message of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowMessage {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    pub content: String,
    /// Whether its text and its end of turn are learnt; absent means: if the assistant says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<bool>,
}

impl RowMessage {
    pub fn is_target(&self) -> bool {
        self.role == "assistant" && self.train.unwrap_or(true)
    }
}

/// The events of a conversation that went into a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    pub conversation: String,
    pub shopper: String,
    /// Numbers of the events whose text is in the row.
    pub events: Vec<u64>,
}

/// Which part of the data a row is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Train,
    Dev,
    Test,
}

/// A run as the server and the dashboard see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: String,
    /// The adapter's name, from the recipe.
    pub name: String,
    pub state: RunState,
    /// Who asked for it.
    pub by: String,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    /// Why it failed, in words: the last lines of the trainer.
    pub fault: Option<String>,
    /// `name@version` it was published as.
    pub published: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Rows are chosen and written.
    Preparing,
    Queued,
    Training,
    Paused,
    /// Base and adapter are compared through the served path.
    Evaluating,
    Done,
    Failed,
    Cancelled,
}

impl RunState {
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// What the file `control` may say to a trainer; it is read before every step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    #[default]
    Go,
    Pause,
    Cancel,
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLog {
    /// 1 for the first optimiser step; 0 for the look at the dev part before it.
    pub step: usize,
    /// Steps in all.
    pub of: usize,
    /// Epochs done, e.g. 0.25.
    pub epoch: f64,
    /// Mean loss of the step's trained tokens, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Mean loss of the dev part's trained tokens, in nats; only where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_loss: Option<f64>,
    pub lr: f64,
    /// Global norm of the gradient before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Tokens (trained or context) a second in this step.
    pub tokens_per_second: f64,
    /// Tokens seen so far.
    pub tokens: u64,
    /// Resident memory of the trainer now, MiB.
    pub memory_mib: f64,
    pub seconds: f64,
    /// Seconds left, as far as can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
}

/// One trial of a search over recipes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub number: usize,
    /// The searched fields and their values.
    pub values: std::collections::BTreeMap<String, serde_json::Value>,
    pub dev_loss: Option<f64>,
    pub pruned: bool,
    /// Why it was lost: a loss or a gradient that is not a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    pub seconds: f64,
}

/// Base and adapter side by side on data neither was trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    pub suites: Vec<Suite>,
    /// Whether the gate of the recipe lets the adapter be promoted.
    pub passed: bool,
    /// Why not, one reason a line.
    pub reasons: Vec<String>,
    /// `name@version` that served when it was judged, and was judged beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// One thing that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// `held_out`, `sentiment`, `attributes`, `qa`, `reference_facts`.
    pub name: String,
    /// What a higher value means.
    pub direction: Direction,
    pub measure: String,
    /// Rows it was measured on.
    pub rows: usize,
    /// The trivial answer's score, where there is one.
    pub trivial: Option<Score>,
    pub base: Option<Score>,
    /// The version that the adapter would take the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Score>,
    pub adapter: Option<Score>,
    /// More numbers, e.g. per class.
    #[serde(default)]
    pub details: serde_json::Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Higher,
    Lower,
}

/// A score with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// What a published adapter says of itself: `manifest.json` beside the PEFT files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub name: String,
    pub version: u32,
    /// Name of the base model.
    pub base: String,
    /// SHA-256 of the base's `model.safetensors`.
    pub base_fingerprint: String,
    /// SHA-256 of `adapter_model.safetensors`.
    pub weights_hash: String,
    /// SHA-256 of the other files that are served, by name; empty in manifests of before.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub files: std::collections::BTreeMap<String, String>,
    /// SHA-256 of the rows it was trained on.
    pub data_hash: String,
    /// The recipe as it ran (TOML).
    pub recipe: String,
    pub scorecard: Option<Scorecard>,
    /// The run it came from.
    pub run: Option<String>,
    pub created_at: Millis,
    /// The gate said no and somebody promoted it all the same: who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_by: Option<String>,
    /// Shoppers whose words went into it have since been erased.
    #[serde(default)]
    pub tainted: bool,
}
