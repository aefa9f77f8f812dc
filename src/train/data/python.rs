//! The methods of Python's strings and dictionaries that chat templates call.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// Answers `text.strip()` and the like.
pub(super) fn method(_: &State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return string(text, method, args);
    }
    if value.kind() == ValueKind::Map {
        return map(value, method, args);
    }
    Err(Error::from(ErrorKind::UnknownMethod))
}

fn string(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let chars = || -> Result<Vec<char>, Error> {
        let (set,): (Option<&str>,) = from_args(args)?;
        Ok(set.unwrap_or(" \t\n\r\u{b}\u{c}").chars().collect())
    };
    Ok(match method {
        "strip" => text.trim_matches(&chars()?[..]).into(),
        "lstrip" => text.trim_start_matches(&chars()?[..]).into(),
        "rstrip" => text.trim_end_matches(&chars()?[..]).into(),
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "capitalize" => capitalized(text).into(),
        "title" => {
            text.split_inclusive(|c: char| !c.is_alphanumeric()).map(capitalized).collect::<String>().into()
        }
        "startswith" => any_of(args, |part| text.starts_with(part))?,
        "endswith" => any_of(args, |part| text.ends_with(part))?,
        "replace" => {
            let (from, to, most): (&str, &str, Option<i64>) = from_args(args)?;
            match most.and_then(|n| usize::try_from(n).ok()) {
                Some(most) => text.replacen(from, to, most).into(),
                None => text.replace(from, to).into(),
            }
        }
        "split" => split(text, args)?,
        "splitlines" => text.lines().map(Value::from).collect::<Vec<_>>().into(),
        "join" => {
            let (parts,): (Value,) = from_args(args)?;
            let parts: Vec<String> = parts.try_iter()?.map(|part| part.to_string()).collect();
            parts.join(text).into()
        }
        "find" | "rfind" | "count" => {
            let (part,): (&str,) = from_args(args)?;
            let place = |at: Option<usize>| at.map_or(-1, |at| text[..at].chars().count() as i64);
            match method {
                "find" => place(text.find(part)).into(),
                "rfind" => place(text.rfind(part)).into(),
                _ => text.matches(part).count().into(),
            }
        }
        "isdigit" => (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into(),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect()
    })
}

/// Python takes one string or a tuple of them.
fn any_of(args: &[Value], is: impl Fn(&str) -> bool) -> Result<Value, Error> {
    let (parts,): (Value,) = from_args(args)?;
    Ok(match parts.as_str() {
        Some(part) => is(part),
        None => parts.try_iter()?.any(|part| part.as_str().is_some_and(&is)),
    }
    .into())
}

fn split(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (sep, most, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let most = most.or(named.get("maxsplit")?).and_then(|n| usize::try_from(n).ok());
    let parts: Vec<Value> = match (sep, most) {
        (Some(sep), Some(most)) => text.splitn(most + 1, sep).map(Value::from).collect(),
        (Some(sep), None) => text.split(sep).map(Value::from).collect(),
        (None, Some(most)) => {
            text.trim_start().splitn(most + 1, char::is_whitespace).map(Value::from).collect()
        }
        (None, None) => text.split_whitespace().map(Value::from).collect(),
    };
    Ok(parts.into())
}

fn map(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let keys = || Ok::<_, Error>(value.try_iter()?.collect::<Vec<Value>>());
    Ok(match method {
        "keys" => keys()?.into(),
        "values" => keys()?.iter().map(|key| value.get_item(key)).collect::<Result<Vec<_>, _>>()?.into(),
        "items" => {
            let pair = |key: Value| Ok(Value::from(vec![key.clone(), value.get_item(&key)?]));
            keys()?.into_iter().map(pair).collect::<Result<Vec<_>, Error>>()?.into()
        }
        "get" => {
            let (key, otherwise): (Value, Option<Value>) = from_args(args)?;
            let found = value.get_item(&key)?;
            if found.is_undefined() { otherwise.unwrap_or(Value::from(())) } else { found }
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}
