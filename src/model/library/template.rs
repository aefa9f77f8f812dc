//! Whether a model was taught to call tools: its chat template says so.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// `tools` as a name in a statement or an expression, not as a word of some text.
static NAMES_TOOLS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{[%{][^}]*\b(tools|xml_tools)\b").expect("a valid expression. This is a bug.")
});

/// Tags that a template puts around calls and what they found, besides the tokenizer's own.
static TAGS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"</?(?:tools?|tool_calls?|tool_responses?|function_calls?|function|documents?)>")
        .expect("a valid expression. This is a bug.")
});

/// What the chat template of the model in `folder` does with tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolUse {
    /// It puts tools into a prompt.
    pub tools: bool,
    /// Tags by which it tells calls and outcomes from text; whoever writes them is taken for the template.
    pub tags: Vec<String>,
}

impl ToolUse {
    /// Reads the template of the model in `folder`; one without a template knows no tools.
    pub fn of(folder: &Path) -> Self {
        let Some(template) = template(folder) else { return Self::default() };
        if !NAMES_TOOLS.is_match(&template) {
            return Self::default();
        }
        let mut tags: Vec<String> = TAGS.find_iter(&template).map(|tag| tag.as_str().to_owned()).collect();
        tags.sort();
        tags.dedup();
        Self { tools: true, tags }
    }
}

/// The template that a prompt with tools is made with. Of several, only the one called `tool_use` is: the engine takes no other.
fn template(folder: &Path) -> Option<String> {
    if let Ok(text) = fs_err::read_to_string(folder.join("chat_template.jinja")) {
        return Some(text);
    }
    let text = fs_err::read_to_string(folder.join("tokenizer_config.json")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    match config.get("chat_template")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(named) => named
            .iter()
            .find(|one| one.get("name").and_then(Value::as_str) == Some("tool_use"))
            .and_then(|one| one.get("template")?.as_str().map(str::to_owned)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn used(config: &Value, jinja: Option<&str>) -> ToolUse {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("tokenizer_config.json"), config.to_string()).expect("written");
        if let Some(jinja) = jinja {
            fs_err::write(folder.path().join("chat_template.jinja"), jinja).expect("written");
        }
        ToolUse::of(folder.path())
    }

    const PLAIN: &str = "{% for message in messages %}<|im_start|>{{ message['content'] }}{% endfor %} tools";
    const CALLS: &str = "{%- if tools %}<tools>{{ tools | tojson }}</tools> <tool_call>x</tool_call>{% endif %}\
                         {% if message.role == 'tool' %}<tool_response>{{ message.content }}</tool_response>{% endif %}";

    #[test]
    fn a_template_that_uses_tools_says_so_and_which_tags_are_its_own() {
        assert_eq!(used(&json!({"chat_template": PLAIN}), None), ToolUse::default());
        let both = used(&json!({"chat_template": CALLS}), None);
        assert!(both.tools);
        let tags =
            ["</tool_call>", "</tool_response>", "</tools>", "<tool_call>", "<tool_response>", "<tools>"];
        assert_eq!(both.tags, tags);
    }

    #[test]
    fn of_several_templates_the_one_for_tools_counts() {
        let several = |name| {
            json!({"chat_template": [
                {"name": "default", "template": PLAIN}, {"name": name, "template": CALLS},
            ]})
        };
        assert!(used(&several("tool_use"), None).tools);
        assert!(!used(&several("rag"), None).tools);
    }

    #[test]
    fn a_file_of_its_own_comes_first_and_none_is_no_tools() {
        assert!(used(&json!({"chat_template": PLAIN}), Some(CALLS)).tools);
        assert!(!used(&json!({}), None).tools);
        assert_eq!(ToolUse::of(Path::new("/nowhere")), ToolUse::default());
    }
}
