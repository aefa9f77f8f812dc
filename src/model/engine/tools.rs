//! Tools as mistralrs names them: what is offered to the model, and what it called.

use indexmap::IndexMap;
use mistralrs::{Function, Tool, ToolCallResponse, ToolType};
use serde_json::{Value, json};

use crate::domain::prompt::{Piece, ToolCall, ToolSpec};

/// How calls begin in the templates that the engine knows. It holds back what follows; a text that still begins like this is a
/// call it could not read.
const MARKS: [&str; 5] =
    ["<tool_call>", "<|tool_call>", "<｜tool▁call▁begin｜>", "<|python_tag|>", "[TOOL_CALLS]"];

/// The tools of a request; none at all if there are none, so that the engine looks for no calls.
pub(super) fn offered(specs: Vec<ToolSpec>) -> Option<Vec<Tool>> {
    let tool = |spec: ToolSpec| {
        let parameters = match spec.parameters {
            Value::Object(entries) => Some(entries.into_iter().collect()),
            _ => None,
        };
        let function = Function { name: spec.name, description: Some(spec.description), parameters };
        Tool { tp: ToolType::Function, function }
    };
    (!specs.is_empty()).then(|| specs.into_iter().map(tool).collect())
}

/// An earlier call, for the template. Templates write arguments as JSON: they take an object, not its text.
pub(super) fn called(call: ToolCall) -> IndexMap<String, Value> {
    let arguments = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(entries)) => Value::Object(entries),
        _ => Value::String(call.arguments),
    };
    IndexMap::from([
        ("id".to_owned(), Value::String(call.id)),
        ("type".to_owned(), Value::String("function".to_owned())),
        ("function".to_owned(), json!({ "name": call.name, "arguments": arguments })),
    ])
}

pub(super) fn call(made: ToolCallResponse) -> Piece {
    Piece::ToolCall(ToolCall { id: made.id, name: made.function.name, arguments: made.function.arguments })
}

/// A piece of an answer for which tools were offered: a text that is a call which could not be read is a call without a name.
pub(super) fn unread(piece: Piece) -> Piece {
    match piece {
        Piece::Text { text, .. } if MARKS.iter().any(|mark| text.trim_start().starts_with(mark)) => {
            Piece::ToolCall(ToolCall { id: "call-unread".to_owned(), name: String::new(), arguments: text })
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_get_arguments_as_an_object() {
        let call = |arguments: &str| {
            let (id, name) = ("1".to_owned(), "product".to_owned());
            called(ToolCall { id, name, arguments: arguments.to_owned() })["function"]["arguments"].clone()
        };
        assert_eq!(call(r#"{"id": "a"}"#), json!({"id": "a"}));
        assert_eq!(call("[1]"), json!("[1]"));
    }

    #[test]
    fn a_call_that_could_not_be_read_is_no_text() {
        let piece = |text: &str| unread(Piece::Text { text: text.to_owned(), logprob: None });
        assert!(matches!(piece("\n<tool_call>{oh"), Piece::ToolCall(call) if call.name.is_empty()));
        assert!(matches!(piece("A <tool_call> is"), Piece::Text { .. }));
    }

    #[test]
    fn no_tools_are_no_tools() {
        assert!(offered(Vec::new()).is_none());
        let parameters = json!({"type": "object"});
        let spec = ToolSpec { name: "a".to_owned(), description: "b".to_owned(), parameters };
        let tools = offered(vec![spec]).unwrap_or_default();
        let parameters = tools[0].function.parameters.as_ref();
        assert_eq!(parameters.and_then(|entries| entries.get("type")), Some(&json!("object")));
    }
}
