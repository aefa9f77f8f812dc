//! What the model is asked and what it answers, free of any engine.

use serde::{Deserialize, Serialize};

/// Who speaks in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// One message of a prompt. Untrusted text has already lost the model's control tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// How to sample. `None` leaves the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<usize>,
    pub min_p: Option<f64>,
    pub repetition_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
}

/// What a reply must look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Grammar {
    #[default]
    Free,
    Regex(String),
    JsonSchema(serde_json::Value),
    Lark(String),
}

/// A whole question to the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    pub messages: Vec<Message>,
    pub sampling: Sampling,
    /// The most tokens to generate.
    pub max_tokens: usize,
    pub stop: Vec<String>,
    pub grammar: Grammar,
    pub seed: u64,
    /// How many alternatives to report with each token's log-probability; 0 for none.
    pub logprobs: usize,
    /// `name@version` of the adapter that answers; the base model without one.
    pub adapter: Option<String>,
}

/// One piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text {
        text: String,
        logprob: Option<TokenLogprob>,
    },
    /// The last piece. A stream that ends without it is incomplete.
    End(Usage),
}

/// A token, the natural logarithm of its probability, and its rivals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenLogprob {
    pub token: String,
    pub logprob: f32,
    pub top: Vec<(String, f32)>,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stop,
    Length,
}

/// What an answer cost, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub finish: Finish,
}
