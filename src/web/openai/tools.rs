//! Tools in the shape of OpenAI's clients: offered with a request, called in an answer, answered in the next request. The
//! caller runs them: nothing here looks anything up.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::error::OpenAiError;
use crate::domain::prompt::{Message, Role, ToolCall, ToolSpec};

const MAX_TOOLS: usize = 64;
const MAX_CALLS: usize = 64;
const MAX_NAME: usize = 64;

/// A function the model may call.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct OfferedTool {
    /// Always `function`.
    r#type: String,
    #[serde(default)]
    function: Option<OfferedFunction>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct OfferedFunction {
    /// 1 to 64 letters, digits, `_` and `-`.
    name: String,
    #[serde(default)]
    description: Option<String>,
    /// A JSON Schema of an object.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
}

/// A call in an earlier answer of the assistant.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CalledTool {
    id: String,
    function: CalledFunction,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CalledFunction {
    name: String,
    /// JSON, as the model wrote it.
    arguments: String,
}

/// What the model is offered.
pub(super) fn offered(
    tools: Option<Vec<OfferedTool>>,
    choice: Option<Value>,
) -> Result<Vec<ToolSpec>, OpenAiError> {
    let tools = tools.unwrap_or_default();
    if tools.len() > MAX_TOOLS {
        return Err(OpenAiError::parameter("`tools` takes up to 64 entries"));
    }
    let specs = tools.into_iter().map(spec).collect::<Result<Vec<_>, _>>()?;
    match choice.as_ref().map_or(Some("auto"), Value::as_str) {
        Some("auto") => Ok(specs),
        Some("none") => Ok(Vec::new()),
        // A call cannot be forced: the engine fails at the first word that is none.
        _ => Err(OpenAiError::parameter("`tool_choice` is auto or none here")),
    }
}

fn spec(tool: OfferedTool) -> Result<ToolSpec, OpenAiError> {
    let Some(function) = tool.function.filter(|_| tool.r#type == "function") else {
        return Err(OpenAiError::parameter(
            "a tool is {\"type\": \"function\", \"function\": {\"name\": ...}}",
        ));
    };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !(1..=MAX_NAME).contains(&function.name.len()) || !function.name.chars().all(is_letter) {
        return Err(OpenAiError::parameter("a function's `name` is 1 to 64 letters, digits, `_` and `-`"));
    }
    let parameters = function.parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    if !parameters.is_object() {
        return Err(OpenAiError::parameter("a function's `parameters` is a JSON Schema of an object"));
    }
    Ok(ToolSpec { name: function.name, description: function.description.unwrap_or_default(), parameters })
}

/// A message with its calls, or with the call it answers.
pub(super) fn message(
    role: Role,
    content: String,
    calls: Option<Vec<CalledTool>>,
    answers: Option<String>,
) -> Result<Message, OpenAiError> {
    let calls = calls.unwrap_or_default();
    match (role, answers) {
        (Role::Tool, Some(id)) if calls.is_empty() => {
            Ok(Message { answers: Some((id, String::new())), ..Message::new(role, content) })
        }
        (Role::Tool, _) => Err(OpenAiError::parameter("a message of a tool has a `tool_call_id`")),
        (Role::Assistant, _) if calls.len() > MAX_CALLS => {
            Err(OpenAiError::parameter("`tool_calls` takes up to 64 entries"))
        }
        (Role::Assistant, _) => Ok(Message::calling(content, calls.into_iter().map(call).collect())),
        _ if calls.is_empty() => Ok(Message::new(role, content)),
        _ => Err(OpenAiError::parameter("only the assistant has `tool_calls`")),
    }
}

fn call(from: CalledTool) -> ToolCall {
    ToolCall { id: from.id, name: from.function.name, arguments: from.function.arguments }
}

/// Gives each outcome the name of the tool, which clients leave out; one that answers no call is refused.
pub(super) fn name_outcomes(messages: &mut [Message]) -> Result<(), OpenAiError> {
    let mut names: HashMap<String, String> = HashMap::new();
    for message in messages {
        names.extend(message.calls.iter().map(|call| (call.id.clone(), call.name.clone())));
        if let Some((id, name)) = &mut message.answers {
            *name = names.get(id).cloned().ok_or_else(|| {
                OpenAiError::parameter("a `tool_call_id` is that of a call in a message before")
            })?;
        }
    }
    Ok(())
}

/// A call in an answer.
pub(super) fn made(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}
