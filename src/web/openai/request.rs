//! A request of an OpenAI client, checked and turned into a prompt. Fields we do not know are ignored, as clients expect;
//! fields that would change the answer and cannot be honoured are refused.

use serde::Deserialize;
use utoipa::ToSchema;

use super::error::OpenAiError;
use super::tools::{self, CalledTool, OfferedTool};
use crate::domain::prompt::{Grammar, Message, Prompt, Role, Sampling};
use crate::model::Facts;
use crate::web::error::ApiError;

/// Tokens of an answer where the request names no limit.
const DEFAULT_TOKENS: usize = 512;
const MAX_MESSAGES: usize = 256;
const MAX_STOPS: usize = 4;
const MAX_STOP_BYTES: usize = 256;
const MAX_TOP_LOGPROBS: usize = 20;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CompletionRequest {
    /// The name at `/v1/models`, or `default`.
    model: String,
    messages: Vec<ChatMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    frequency_penalty: Option<f32>,
    #[serde(default)]
    presence_penalty: Option<f32>,
    #[serde(default)]
    stop: Option<Stop>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<usize>,
    #[serde(default)]
    response_format: Option<ResponseFormat>,
    #[serde(default)]
    n: Option<u32>,
    /// Functions the model may call; the caller runs them and asks again with what they found. Only for a model whose chat
    /// template knows tools.
    #[serde(default)]
    tools: Option<Vec<OfferedTool>>,
    /// `auto` or `none`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    role: String,
    content: Option<Content>,
    /// Of the assistant: what it called.
    #[serde(default)]
    tool_calls: Option<Vec<CalledTool>>,
    /// Of a tool: which call it answers.
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// A part of a message; only `text` is understood.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Part {
    r#type: String,
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub(super) struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NamedSchema {
    #[serde(default)]
    #[schema(value_type = Object)]
    schema: serde_json::Value,
}

/// How the answer is to be given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub stream: bool,
    pub include_usage: bool,
    pub logprobs: bool,
}

impl CompletionRequest {
    /// The name must be the loaded model's, so that nobody takes one model's answers for another's.
    pub(super) fn check_model(&self, loaded: &str) -> Result<(), OpenAiError> {
        if self.model == loaded || self.model == "default" {
            return Ok(());
        }
        Err(OpenAiError(ApiError::new(
            actix_web::http::StatusCode::NOT_FOUND,
            "model_not_found",
            format!("this server has the model `{loaded}`; use that name, or `default`"),
        )))
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
            logprobs: self.logprobs.unwrap_or(false),
        }
    }

    /// The prompt, for the model of these facts.
    pub(super) fn into_prompt(self, facts: &Facts) -> Result<Prompt, OpenAiError> {
        self.check_bounds()?;
        self.check_tools(facts)?;
        let logprobs = match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, top) => top.unwrap_or(0).max(1),
            (false, None | Some(0)) => 0,
            (false, Some(_)) => return Err(OpenAiError::parameter("`top_logprobs` needs `logprobs`: true")),
        };
        let max_tokens = self.max_completion_tokens.or(self.max_tokens).unwrap_or(DEFAULT_TOKENS);
        let mut messages = self.messages.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
        tools::name_outcomes(&mut messages)?;
        Ok(Prompt {
            messages,
            sampling: Sampling {
                temperature: self.temperature,
                top_p: self.top_p,
                frequency_penalty: self.frequency_penalty,
                presence_penalty: self.presence_penalty,
                ..Sampling::default()
            },
            max_tokens: max_tokens.min(facts.context),
            stop: stops(self.stop)?,
            grammar: grammar(self.response_format)?,
            tools: tools::offered(self.tools, self.tool_choice)?,
            seed: self.seed.map_or_else(rand::random, |seed| seed as u64),
            logprobs,
            adapter: None,
        })
    }

    fn check_bounds(&self) -> Result<(), OpenAiError> {
        let within =
            |value: Option<f64>, low: f64, high: f64| value.is_none_or(|v| (low..=high).contains(&v));
        let penalty = |value: Option<f32>| within(value.map(f64::from), -2.0, 2.0);
        let fault = if self.messages.is_empty() || self.messages.len() > MAX_MESSAGES {
            "`messages` needs 1 to 256 entries"
        } else if !within(self.temperature, 0.0, 2.0) {
            "`temperature` is from 0 to 2"
        } else if !within(self.top_p, f64::MIN_POSITIVE, 1.0) {
            "`top_p` is above 0 and at most 1"
        } else if !penalty(self.frequency_penalty) || !penalty(self.presence_penalty) {
            "penalties are from -2 to 2"
        } else if self.top_logprobs.is_some_and(|n| n > MAX_TOP_LOGPROBS) {
            "`top_logprobs` is at most 20"
        } else if self.max_tokens == Some(0) || self.max_completion_tokens == Some(0) {
            "`max_tokens` is at least 1"
        } else if self.n.is_some_and(|n| n != 1) {
            "`n` other than 1 is not supported"
        } else {
            return Ok(());
        };
        Err(OpenAiError::parameter(fault))
    }

    /// A model that was taught no tools would answer as if it had been offered none: better said than done.
    fn check_tools(&self, facts: &Facts) -> Result<(), OpenAiError> {
        let offered = self.tools.as_ref().is_some_and(|tools| !tools.is_empty());
        let spoken =
            self.messages.iter().any(|message| message.role == "tool" || message.tool_calls.is_some());
        if (offered || spoken) && !facts.tools {
            let fault = format!("the model `{}` cannot call tools; leave `tools` out", facts.name);
            return Err(OpenAiError::parameter(fault));
        }
        let constrained = !matches!(self.response_format, None | Some(ResponseFormat::Text));
        if offered && constrained {
            return Err(OpenAiError::parameter("`tools` and `response_format` do not go together here"));
        }
        Ok(())
    }
}

fn message(from: ChatMessage) -> Result<Message, OpenAiError> {
    let role = match from.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(OpenAiError::parameter("`role` is system, developer, user, assistant or tool")),
    };
    let content = match from.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            if parts.iter().any(|part| part.r#type != "text") {
                return Err(OpenAiError::parameter("only parts of type `text` are supported"));
            }
            parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join("\n")
        }
    };
    tools::message(role, content, from.tool_calls, from.tool_call_id)
}

fn stops(from: Option<Stop>) -> Result<Vec<String>, OpenAiError> {
    let stops = match from {
        None => Vec::new(),
        Some(Stop::One(one)) => vec![one],
        Some(Stop::Many(many)) => many,
    };
    if stops.len() > MAX_STOPS || stops.iter().any(|s| s.is_empty() || s.len() > MAX_STOP_BYTES) {
        return Err(OpenAiError::parameter("`stop` takes up to 4 texts of 1 to 256 bytes"));
    }
    Ok(stops)
}

fn grammar(from: Option<ResponseFormat>) -> Result<Grammar, OpenAiError> {
    match from {
        None | Some(ResponseFormat::Text) => Ok(Grammar::Free),
        Some(ResponseFormat::JsonObject) => Ok(Grammar::JsonSchema(serde_json::json!({"type": "object"}))),
        Some(ResponseFormat::JsonSchema { json_schema }) if json_schema.schema.is_object() => {
            Ok(Grammar::JsonSchema(json_schema.schema))
        }
        Some(ResponseFormat::JsonSchema { .. }) => {
            Err(OpenAiError::parameter("`response_format.json_schema.schema` is a JSON object"))
        }
    }
}
