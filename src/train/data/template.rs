//! The model's own chat template, rendered as the engine renders it when it serves: what is learnt must look like what will be
//! asked. Templates are Jinja as transformers runs it, so Python's methods and a few functions are needed.

use std::path::{Path, PathBuf};

use minijinja::{Environment, Error, ErrorKind, Value};
use regex::Regex;
use serde::Serialize;
use serde_json::Value as Json;

use super::{DataError, python};
use crate::domain::run::RowMessage;

/// A template with the model's special tokens.
pub struct ChatTemplate {
    env: Environment<'static>,
    tokens: Tokens,
    /// `strftime_now` in the engine's wording of a day.
    day: String,
}

#[derive(Clone, Debug, Default)]
struct Tokens {
    bos: Option<String>,
    eos: Option<String>,
    unk: Option<String>,
}

/// What a template sees of a message.
#[derive(Serialize)]
struct Shown<'a> {
    role: &'a str,
    content: &'a str,
}

/// Whether the text ends where the assistant is about to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After the last message.
    Said,
    /// With the opening of an answer.
    Asked,
}

impl ChatTemplate {
    /// Reads the template of a model folder. `now` (milliseconds since 1970) is what a template that prints the date shows: one
    /// moment for a whole run, so that a resumed run reads the same text.
    ///
    /// # Errors
    /// A folder without a template, or one that cannot be parsed.
    pub fn load(folder: &Path, now: u64) -> Result<Self, DataError> {
        let file = folder.join("tokenizer_config.json");
        let config: Json = serde_json::from_str(&fs_err::read_to_string(&file)?)
            .map_err(|fault| DataError::file(&file, fault.to_string()))?;
        let (place, source) = source(folder, &config)?.ok_or_else(|| {
            DataError::file(
                &file,
                "no `chat_template`; a base model without one can only be trained on plain text",
            )
        })?;
        let token = |key: &str| match config.get(key) {
            Some(Json::String(text)) => Some(text.clone()),
            Some(Json::Object(token)) => token.get("content")?.as_str().map(str::to_owned),
            _ => None,
        };
        let tokens = Tokens { bos: token("bos_token"), eos: token("eos_token"), unk: token("unk_token") };
        Self::new(&source, tokens, now)
            .map_err(|fault| DataError::file(place, format!("chat template: {fault:#}")))
    }

    fn new(source: &str, tokens: Tokens, now: u64) -> Result<Self, Error> {
        let mut env = Environment::new();
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.set_unknown_method_callback(python::method);
        env.add_function("raise_exception", |text: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, text))
        });
        env.add_function("strftime_now", move |form: String| date(now, &form));
        env.add_filter("tojson", to_json);
        env.add_template_owned("chat", as_served(source))?;
        Ok(Self { env, tokens, day: date(now, "%d, %B, %Y")? })
    }

    /// The text of `messages`.
    ///
    /// # Errors
    /// What the template says against them, e.g. that roles must alternate.
    pub fn render(&self, messages: &[RowMessage], end: End) -> Result<String, String> {
        let shown: Vec<Shown<'_>> =
            messages.iter().map(|m| Shown { role: &m.role, content: &m.content }).collect();
        let context = minijinja::context! {
            messages => shown,
            add_generation_prompt => end == End::Asked,
            bos_token => self.tokens.bos,
            eos_token => self.tokens.eos,
            unk_token => self.tokens.unk,
            date_string => self.day,
            // As the server asks the engine.
            enable_thinking => false,
            reasoning_effort => "medium",
        };
        let rendered = self.env.get_template("chat").and_then(|template| template.render(context));
        rendered.map_err(|fault| {
            format!("the model's chat template refuses it: {}", fault.detail().unwrap_or("error"))
        })
    }
}

/// Where a folder keeps its template, and the template.
fn source(folder: &Path, config: &Json) -> Result<Option<(PathBuf, String)>, DataError> {
    let file = folder.join("chat_template.jinja");
    if file.is_file() {
        let text = fs_err::read_to_string(&file)?;
        return Ok(Some((file, text)));
    }
    let file = folder.join("chat_template.json");
    if file.is_file() {
        let json: Json = serde_json::from_str(&fs_err::read_to_string(&file)?)
            .map_err(|fault| DataError::file(&file, fault.to_string()))?;
        return Ok(named(json.get("chat_template")).map(|text| (file, text)));
    }
    Ok(named(config.get("chat_template")).map(|text| (folder.join("tokenizer_config.json"), text)))
}

/// One template, or the one called `default` of several.
fn named(value: Option<&Json>) -> Option<String> {
    match value? {
        Json::String(text) => Some(text.clone()),
        Json::Array(several) => {
            let default =
                several.iter().find(|one| one.get("name").and_then(Json::as_str) == Some("default"))?;
            default.get("template")?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// Python that MiniJinja lacks, put in other words, as the engine does.
fn as_served(source: &str) -> String {
    let mut text = source.replace("[::-1]", "|reverse");
    if let Ok(countdown) = Regex::new(r"range\(([^,]+),\s*-1,\s*-1\)") {
        text = countdown.replace_all(&text, "range($1)|reverse").into_owned();
    }
    // Marks for other trainers' masks; ours comes from the text itself.
    text.replace("{% generation %}", "").replace("{% endgeneration %}", "")
}

fn date(now: u64, form: &str) -> Result<String, Error> {
    let fault = |_| Error::new(ErrorKind::InvalidOperation, "a date that cannot be shown");
    let at = jiff::Timestamp::from_millisecond(i64::try_from(now).unwrap_or(0)).map_err(fault)?;
    jiff::fmt::strtime::format(form, &at.to_zoned(jiff::tz::TimeZone::UTC)).map_err(fault)
}

/// As the engine writes JSON into a prompt: compact, and safe in HTML.
fn to_json(value: Value, named: minijinja::value::Kwargs) -> Result<Value, Error> {
    let fault = |_| Error::new(ErrorKind::BadSerialization, "cannot be written as JSON");
    let text = match named.get::<Option<usize>>("indent")? {
        None => serde_json::to_string(&value).map_err(fault)?,
        Some(indent) => {
            let mut bytes = Vec::new();
            let spaces = b" ".repeat(indent);
            let form = serde_json::ser::PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, form)).map_err(fault)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\'' => safe.push_str("\\u0027"),
            _ => safe.push(c),
        }
    }
    Ok(Value::from_safe_string(safe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: &str, content: &str) -> RowMessage {
        RowMessage { role: role.into(), content: content.into(), train: None }
    }

    #[test]
    fn pythons_words_and_the_engines_are_understood() {
        let source = "{{- bos_token -}}\n{% for m in messages[::-1] %}\n  {% if m['content'].strip().startswith(('b', 'c')) %}\n\
                      {{ m.role.upper() }}:{{ m.content.split('-')[-1] }};{% endif %}\n{% endfor %}\
                      {% generation %}{{ {'a': '<b>'} | tojson }}{% endgeneration %}{{ strftime_now('%d %b %Y') }}\
                      {% for i in range(2, -1, -1) %}{{ i }}{% endfor %}{% if add_generation_prompt %}>{% endif %}";
        let tokens = Tokens { bos: Some("<s>".to_owned()), ..Tokens::default() };
        let template = ChatTemplate::new(source, tokens, 1_700_000_000_000).unwrap();
        let text = template.render(&[said("user", " a-1"), said("user", " b-2")], End::Asked).unwrap();
        assert_eq!(text, "<s>USER:2;{\"a\":\"\\u003cb\\u003e\"}14 Nov 202310>");
    }

    #[test]
    fn what_a_template_says_against_a_dialogue_is_told() {
        let source =
            "{% if messages[0].role != 'user' %}{{ raise_exception('roles must alternate') }}{% endif %}";
        let template = ChatTemplate::new(source, Tokens::default(), 0).unwrap();
        let fault = template.render(&[said("assistant", "secret")], End::Said).unwrap_err();
        assert_eq!(fault, "the model's chat template refuses it: roles must alternate");
    }
}
