//! What one line of each format means.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::recipe::Format;
use crate::domain::run::{Labelled, Lineage, RowBody, RowMessage};
use crate::domain::text::quoted;

/// A line that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) about: About,
    pub(super) body: Body,
}

/// What a line says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) id: Option<String>,
    pub(super) group: Option<String>,
    pub(super) lineage: Vec<Lineage>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Ready(RowBody),
    /// Waits for the tool's wording.
    Labelled(Labelled),
}

/// Which format a line has; `None` if it has none that is known.
pub(super) fn detect(line: &str) -> Option<Format> {
    if !line.starts_with('{') {
        return Some(Format::Text).filter(|_| !line.starts_with('['));
    }
    let object: Map<String, Value> = serde_json::from_str(line).ok()?;
    let has = |key: &str| object.contains_key(key);
    Some(match () {
        () if has("messages") => Format::Messages,
        () if has("conversations") => Format::Sharegpt,
        () if has("prompt") && has("completion") => Format::Completion,
        () if has("instruction") && has("output") => Format::Alpaca,
        () if has("target_scores") || (has("attributes") && (has("text") || has("input"))) => {
            Format::Attributes
        }
        () if has("text") && has("label") => Format::Sentiment,
        () if has("text") => Format::Text,
        () => return None,
    })
}

/// Reads one line of `format`, which is not `Auto`.
///
/// # Errors
/// What is wrong with it, in words, without its text.
pub(super) fn parse(format: Format, line: &str) -> Result<Draft, String> {
    if format == Format::Text && !line.starts_with('{') {
        let body = Body::Ready(RowBody::Text(line.to_owned()));
        return Ok(Draft { about: About::default(), body });
    }
    let object: Map<String, Value> =
        serde_json::from_str(line).map_err(|fault| match line.starts_with('[') {
            true => "a list; write one JSON object a line".to_owned(),
            false => format!("not a JSON object: {}", short(&fault)),
        })?;
    let value = Value::Object(object);
    let known: Known = of(&value)?;
    let body = match format {
        Format::Messages => Body::Ready(RowBody::Messages(messages(&value)?)),
        Format::Completion => Body::Ready(RowBody::Messages(completion(&value)?)),
        Format::Alpaca => Body::Ready(RowBody::Messages(alpaca(&value)?)),
        Format::Sharegpt => Body::Ready(RowBody::Messages(sharegpt(&value)?)),
        Format::Sentiment => Body::Labelled(sentiment(&value)?),
        Format::Attributes => Body::Labelled(attributes(&value)?),
        Format::Text | Format::Auto => Body::Ready(RowBody::Text(text_of(&value, &["text"])?)),
    };
    let id = known.id.as_ref().and_then(plain);
    let group = known.group.or(known.conversation).as_ref().and_then(plain);
    // Sentences of one review are numbered `<review>_<sentence>`; they must not part. Nor must rows about one product.
    let group = group.or_else(|| match (&body, format) {
        (Body::Labelled(Labelled::Attributes { text, .. }), _) => Some(text.clone()),
        (_, Format::Sentiment) => id.as_ref()?.rsplit_once('_').map(|(review, _)| review.to_owned()),
        _ => None,
    });
    Ok(Draft { about: About { id, group, lineage: known.lineage }, body })
}

/// What a line of any format may say of itself.
#[derive(Deserialize)]
struct Known {
    id: Option<Value>,
    group: Option<Value>,
    conversation: Option<Value>,
    #[serde(default)]
    lineage: Vec<Lineage>,
}

fn of<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|fault| short(&fault))
}

/// The message of a fault without its place in the line, and never a piece of the text.
fn short(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
    // "invalid type: string "what somebody wrote", expected ..."
    match (text.find('"'), text.rfind("\", expected")) {
        (Some(from), Some(to)) if from < to => format!("{}...{}", &text[..=from], &text[to..]),
        _ => text,
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Said {
    role: String,
    #[serde(default)]
    content: Value,
    train: Option<bool>,
    /// As some tools write it: 0 is not learnt.
    weight: Option<f64>,
}

fn messages(value: &Value) -> Result<Vec<RowMessage>, String> {
    list(value.get("messages").unwrap_or(&Value::Null)).map_err(|fault| format!("messages: {fault}"))
}

fn list(value: &Value) -> Result<Vec<RowMessage>, String> {
    let said: Vec<Said> = of(value)?;
    if said.is_empty() {
        return Err("empty".to_owned());
    }
    said.into_iter()
        .enumerate()
        .map(|(n, said)| {
            let train = said.train.or(said.weight.map(|w| w != 0.0));
            message(&said.role, content(&said.content)?, train)
                .map_err(|fault| format!("message {}: {fault}", n + 1))
        })
        .collect()
}

fn message(role: &str, content: String, train: Option<bool>) -> Result<RowMessage, String> {
    let role = match role {
        "system" | "developer" => "system",
        "user" | "human" => "user",
        "assistant" | "gpt" | "model" | "bot" => "assistant",
        "tool" | "function" | "observation" => "tool",
        other => return Err(format!("role {}: use system, user, assistant or tool", quoted(other))),
    };
    if role == "assistant" && content.trim().is_empty() && train != Some(false) {
        return Err("the assistant says nothing (calls of tools without text are not learnt)".to_owned());
    }
    if train == Some(true) && role != "assistant" {
        return Err(format!("\"train\": true on a message of role {role}; only the assistant's are learnt"));
    }
    Ok(RowMessage { role: role.to_owned(), content, train })
}

/// A string, or a list of text parts.
fn content(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => parts
            .iter()
            .map(|part| part.get("text").and_then(Value::as_str))
            .collect::<Option<String>>()
            .ok_or_else(|| "a part of the content is not text".to_owned()),
        _ => Err("the content is not text".to_owned()),
    }
}

fn text_of(value: &Value, keys: &[&str]) -> Result<String, String> {
    let found = keys.iter().find_map(|key| value.get(*key));
    match found {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(format!("`{}` is empty", keys[0])),
        Some(_) => Err(format!("`{}` is not text", keys[0])),
        None => Err(format!("no `{}`", keys.join("` or `"))),
    }
}

fn completion(value: &Value) -> Result<Vec<RowMessage>, String> {
    let part = |key: &str, role: &str| match value.get(key) {
        Some(turns @ Value::Array(_)) => list(turns).map_err(|fault| format!("{key}: {fault}")),
        _ => Ok(vec![message(role, text_of(value, &[key])?, None)?]),
    };
    let mut all = part("prompt", "user")?;
    for turn in all.iter_mut().filter(|turn| turn.role == "assistant") {
        turn.train = Some(false);
    }
    all.extend(part("completion", "assistant")?);
    Ok(all)
}

fn alpaca(value: &Value) -> Result<Vec<RowMessage>, String> {
    #[derive(Deserialize)]
    struct Alpaca {
        #[serde(default)]
        input: String,
        #[serde(default)]
        system: String,
        #[serde(default)]
        history: Vec<(String, String)>,
    }
    let row: Alpaca = of(value)?;
    let mut all = Vec::new();
    if !row.system.is_empty() {
        all.push(message("system", row.system, None)?);
    }
    // Earlier turns are learnt too, as the format's users expect.
    for (asked, answered) in row.history {
        all.push(message("user", asked, None)?);
        all.push(message("assistant", answered, None)?);
    }
    let instruction = text_of(value, &["instruction"])?;
    let asked = if row.input.is_empty() { instruction } else { format!("{instruction}\n\n{}", row.input) };
    all.push(message("user", asked, None)?);
    all.push(message("assistant", text_of(value, &["output"])?, None)?);
    Ok(all)
}

fn sharegpt(value: &Value) -> Result<Vec<RowMessage>, String> {
    #[derive(Deserialize)]
    struct Turn {
        from: String,
        value: String,
    }
    #[derive(Deserialize)]
    struct Sharegpt {
        #[serde(default)]
        system: String,
        conversations: Vec<Turn>,
    }
    let row: Sharegpt = of(value)?;
    let mut all = Vec::new();
    if !row.system.is_empty() {
        all.push(message("system", row.system, None)?);
    }
    for (n, turn) in row.conversations.into_iter().enumerate() {
        all.push(message(&turn.from, turn.value, None).map_err(|fault| format!("turn {}: {fault}", n + 1))?);
    }
    Ok(all)
}

fn sentiment(value: &Value) -> Result<Labelled, String> {
    let label = value.get("label").and_then(plain).ok_or_else(|| "no `label`".to_owned())?;
    Ok(Labelled::Sentiment { text: text_of(value, &["text"])?, label })
}

fn attributes(value: &Value) -> Result<Labelled, String> {
    let text = text_of(value, &["text", "input"])?;
    let category = value.get("category").and_then(plain).unwrap_or_default();
    let (key, found) = match (value.get("attributes"), value.get("target_scores")) {
        (Some(Value::Object(found)), _) => ("attributes", found),
        (None, Some(Value::Object(found))) => ("target_scores", found),
        _ => return Err("no object `attributes` or `target_scores`".to_owned()),
    };
    let values = found.iter().map(|(name, value)| Ok((name.clone(), attribute(key, name, value)?)));
    let values = values.collect::<Result<Vec<_>, String>>()?;
    if values.is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    Ok(Labelled::Attributes { text, category, values })
}

/// The right values, of several scored ones those with the best score; `n/a` and null are none.
fn attribute(key: &str, name: &str, value: &Value) -> Result<Vec<String>, String> {
    let mut right: Vec<String> = match value {
        Value::Null => Vec::new(),
        Value::Object(scored) => {
            let score = |value: &Value| value.as_f64().unwrap_or(0.0);
            let best = scored.values().map(score).fold(f64::NEG_INFINITY, f64::max);
            scored.iter().filter(|(_, value)| score(value) >= best).map(|(text, _)| text.clone()).collect()
        }
        other => vec![plain(other).ok_or_else(|| format!("{key}.{name}: not a text"))?],
    };
    right.retain(|text| text != "n/a");
    Ok(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(line: &str) -> Vec<(String, String, bool)> {
        let format = detect(line).unwrap();
        match parse(format, line).unwrap().body {
            Body::Ready(RowBody::Messages(all)) => {
                all.into_iter().map(|m| (m.role.clone(), m.content.clone(), m.is_target())).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn turn(role: &str, content: &str, learnt: u8) -> (String, String, bool) {
        (role.to_owned(), content.to_owned(), learnt == 1)
    }

    #[test]
    fn every_format_is_told_by_its_line_and_means_a_dialogue() {
        let expected = [turn("user", "a?", 0), turn("assistant", "b", 1)];
        for line in [
            r#"{"messages":[{"role":"user","content":"a?"},{"role":"assistant","content":"b"}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a?"}]},{"role":"assistant","content":"b","weight":1}]}"#,
            r#"{"prompt":"a?","completion":"b"}"#,
            r#"{"prompt":[{"role":"user","content":"a?"}],"completion":[{"role":"assistant","content":"b"}]}"#,
            r#"{"instruction":"a?","input":"","output":"b"}"#,
            r#"{"conversations":[{"from":"human","value":"a?"},{"from":"gpt","value":"b"}]}"#,
        ] {
            assert_eq!(dialogue(line), expected, "{line}");
        }
        let alpaca = r#"{"instruction":"c","input":"d","output":"e","system":"s","history":[["a","b"]]}"#;
        let turns = [
            turn("system", "s", 0),
            turn("user", "a", 0),
            turn("assistant", "b", 1),
            turn("user", "c\n\nd", 0),
            turn("assistant", "e", 1),
        ];
        assert_eq!(dialogue(alpaca), turns);
        let prompt = r#"{"prompt":[{"role":"assistant","content":"Hi"},{"role":"user","content":"a?"}],"completion":"b"}"#;
        assert_eq!(dialogue(prompt)[0], turn("assistant", "Hi", 0), "what is given is not learnt");
    }

    #[test]
    fn labelled_rows_and_plain_text() {
        let row = parse(Format::Sentiment, r#"{"id":"3_1","text":"no good","label":"negative"}"#).unwrap();
        assert_eq!((row.about.id.as_deref(), row.about.group.as_deref()), (Some("3_1"), Some("3")));
        let line = r#"{"input":"Shoe, 14","category":"Shoes","target_scores":{"Size":{"13":0.2,"14":1},"Brand":{"n/a":1}}}"#;
        assert_eq!(detect(line), Some(Format::Attributes));
        let Body::Labelled(Labelled::Attributes { values, .. }) =
            parse(Format::Attributes, line).unwrap().body
        else {
            panic!()
        };
        assert_eq!(values, [("Size".to_owned(), vec!["14".to_owned()]), ("Brand".to_owned(), Vec::new())]);
        assert_eq!(detect("Just words."), Some(Format::Text));
        assert_eq!(detect(r#"{"text":"Just words."}"#), Some(Format::Text));
        assert_eq!(detect(r#"{"foo":1}"#), None);
    }

    #[test]
    fn a_bad_line_is_explained_without_its_text() {
        let told = |format, line: &str| parse(format, line).unwrap_err();
        assert_eq!(told(Format::Messages, r#"[{"a":1}]"#), "a list; write one JSON object a line");
        assert_eq!(told(Format::Messages, r#"{"messages":[]}"#), "messages: empty");
        assert_eq!(
            told(Format::Messages, r#"{"messages":[{"role":"boss","content":"x"}]}"#),
            "messages: message 1: role \"boss\": use system, user, assistant or tool"
        );
        assert_eq!(
            told(Format::Messages, r#"{"messages":"my secret, \"quoted\""}"#),
            "messages: invalid type: string \"...\", expected a sequence"
        );
        assert_eq!(told(Format::Completion, r#"{"prompt":"a"}"#), "no `completion`");
        assert_eq!(told(Format::Text, r#"{"text":" "}"#), "`text` is empty");
        assert!(
            told(Format::Messages, r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[]}]}"#)
                .contains("says nothing")
        );
    }
}
