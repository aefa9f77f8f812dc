//! Tool calling through the real engine. The default model knows no tools: here it is given a template that does, and a grammar
//! makes it call, so that what goes through the engine is exact.

use std::path::Path;

use futures_util::StreamExt;
use serde_json::{Value, json};
use shopclerk::domain::prompt::{Finish, Grammar, Message, Piece, Prompt, Role, ToolCall, ToolSpec, Usage};
use shopclerk::model::engine::Engine;
use shopclerk::model::{Model, Settings};

const TEMPLATE: &str = "{%- if tools %}<|im_start|>system\n<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}\
    </tools><|im_end|>\n{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}\
    {% for call in message.tool_calls or [] %}<tool_call>{{ call.function.arguments.id }}</tool_call>{% endfor %}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const CALL: &str = r#"{"name": "product", "arguments": {"id": "brook-sandal"}}"#;

/// The model in `folder` with the template above, in a folder of its own.
fn taught(folder: &Path) -> tempfile::TempDir {
    let own = tempfile::tempdir().unwrap();
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "tokenizer_config.json" {
            std::os::unix::fs::symlink(entry.path(), own.path().join(entry.file_name())).unwrap();
        }
    }
    let text = fs_err::read_to_string(folder.join("tokenizer_config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["chat_template"] = TEMPLATE.into();
    fs_err::write(own.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    own
}

async fn run(engine: &Engine, prompt: Prompt) -> (String, Vec<ToolCall>, Usage) {
    let (mut text, mut calls) = (String::new(), Vec::new());
    let mut answer = engine.stream(prompt);
    while let Some(piece) = answer.next().await {
        match piece.unwrap() {
            Piece::Text { text: more, .. } => text.push_str(&more),
            Piece::ToolCall(call) => calls.push(call),
            Piece::End(usage) => return (text, calls, usage),
        }
    }
    panic!("an answer without an end: {text}");
}

/// `plain` is the default model as it is, in `folder`.
pub(crate) async fn tools_go_through_the_engine(plain: &Engine, folder: &Path) {
    assert!(!plain.facts().tools);
    let own = taught(folder);
    let engine = Engine::load(own.path(), "taught", &Settings::default()).await.unwrap();
    assert!(engine.facts().tools);
    assert!(engine.facts().control_tokens.iter().any(|token| token == "<tool_call>"));

    let spec = ToolSpec {
        name: "product".to_owned(),
        description: "Price and stock of one product.".to_owned(),
        parameters: json!({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}),
    };
    let exactly = |text: &str| {
        let escaped =
            text.chars().flat_map(|c| c.is_ascii_punctuation().then_some('\\').into_iter().chain([c]));
        Grammar::Regex(escaped.collect())
    };
    let asked = Prompt {
        messages: vec![Message::new(Role::User, "What does the Brook Sandal cost?")],
        max_tokens: 60,
        ..Prompt::default()
    };
    let (_, _, untold) = run(&engine, Prompt { max_tokens: 1, ..asked.clone() }).await;
    let offered = Prompt { tools: vec![spec], ..asked };
    let (text, calls, usage) = run(&engine, Prompt { grammar: exactly(CALL), ..offered.clone() }).await;
    assert_eq!((text.as_str(), calls.len(), usage.finish), ("", 1, Finish::ToolCalls));
    let arguments: Value = serde_json::from_str(&calls[0].arguments).unwrap();
    assert_eq!((calls[0].name.as_str(), arguments), ("product", json!({"id": "brook-sandal"})));
    assert!(usage.prompt_tokens > untold.prompt_tokens + 20, "the model is told of its tools: {usage:?}");

    // The next round reads what was called and found; words are words, also for a model that has tools.
    let mut next = offered.clone();
    next.messages.push(Message::calling("", calls.clone()));
    next.messages.push(Message::found(&calls[0], r#"{"price": "€79"}"#));
    let (text, calls, later) = run(&engine, Prompt { grammar: exactly("It costs €79."), ..next }).await;
    assert_eq!((text.as_str(), calls.len(), later.finish), ("It costs €79.", 0, Finish::Stop));
    assert!(later.prompt_tokens > usage.prompt_tokens + 15, "{later:?} after {usage:?}");
    // The same text without tools is text.
    let (text, calls, _) =
        run(&engine, Prompt { tools: Vec::new(), grammar: exactly(CALL), ..offered }).await;
    assert_eq!((text.as_str(), calls.len()), (CALL, 0));
}
