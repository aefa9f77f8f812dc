//! What the model is asked and what it answers, free of any engine.

use serde::{Deserialize, Serialize};

/// Who speaks in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
    /// What a tool found, for the assistant.
    Tool,
}

impl Role {
    /// As chat templates and the OpenAI API call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message of a prompt. Untrusted text has already lost the model's control tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
    /// Of the assistant: what it called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Of a tool: the id of the call it answers, and the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<(String, String)>,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), calls: Vec::new(), answers: None }
    }

    /// The assistant said `content` and called tools.
    pub fn calling(content: impl Into<String>, calls: Vec<ToolCall>) -> Self {
        Self { calls, ..Self::new(Role::Assistant, content) }
    }

    /// What `call` came to.
    pub fn found(call: &ToolCall, content: impl Into<String>) -> Self {
        Self { answers: Some((call.id.clone(), call.name.clone())), ..Self::new(Role::Tool, content) }
    }
}

/// A tool as the model is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// A JSON Schema of an object.
    pub parameters: serde_json::Value,
}

/// A model wants a tool. Nothing of it is checked: it is the model's own text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Tells the calls of one reply apart.
    pub id: String,
    /// Empty if it could not be read.
    pub name: String,
    /// JSON of an object, if the model kept to the rules.
    pub arguments: String,
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
    /// What the model may call; only a model whose facts say so is given any.
    pub tools: Vec<ToolSpec>,
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
    ToolCall(ToolCall),
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
    /// It waits for what its calls find.
    ToolCalls,
}

/// What an answer cost, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub finish: Finish,
}
