//! Checks what a model calls a tool with against the schema that it was told: one truth for both.
//!
//! The part of JSON Schema that our tools use. A word that is not known here is a fault of ours, and refuses everything.

use serde_json::Value;

/// Why `value` does not fit `schema`, naming the place in it; `place` is empty for the whole.
pub(super) fn check(value: &Value, schema: &Value, place: &str) -> Result<(), String> {
    let Some(rules) = schema.as_object() else { return Err(at(place, "has no schema")) };
    for (word, rule) in rules {
        let fault = match word.as_str() {
            "description" => None,
            "type" => wrong_type(value, rule),
            "properties" => properties(value, rule, place)?,
            "required" => missing(value, rule),
            "additionalProperties" => unknown(value, rules.get("properties")),
            "minLength" | "maxLength" => wrong_length(value, rules),
            "minimum" | "maximum" => out_of_range(value, rules),
            other => Some(format!("cannot be checked: `{other}`")),
        };
        if let Some(fault) = fault {
            return Err(at(place, &fault));
        }
    }
    Ok(())
}

fn at(place: &str, fault: &str) -> String {
    if place.is_empty() { fault.to_owned() } else { format!("{place}: {fault}") }
}

fn wrong_type(value: &Value, rule: &Value) -> Option<String> {
    let fits = match rule.as_str() {
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        _ => false,
    };
    (!fits).then(|| format!("must be of type {}", rule.as_str().unwrap_or("?")))
}

/// Checks each property that is there by its own schema.
fn properties(value: &Value, rule: &Value, place: &str) -> Result<Option<String>, String> {
    let (Some(entries), Some(schemas)) = (value.as_object(), rule.as_object()) else { return Ok(None) };
    for (name, entry) in entries {
        if let Some(schema) = schemas.get(name) {
            check(entry, schema, &if place.is_empty() { name.clone() } else { format!("{place}.{name}") })?;
        }
    }
    Ok(None)
}

fn missing(value: &Value, rule: &Value) -> Option<String> {
    let needed = rule.as_array()?.iter().filter_map(Value::as_str);
    let missing: Vec<&str> = needed.filter(|name| value.get(name).is_none()).collect();
    (!missing.is_empty()).then(|| format!("`{}` is missing", missing.join("`, `")))
}

fn unknown(value: &Value, properties: Option<&Value>) -> Option<String> {
    let known = properties.and_then(Value::as_object);
    let stranger =
        value.as_object()?.keys().find(|name| known.is_none_or(|known| !known.contains_key(*name)))?;
    let names: Vec<&str> = known.into_iter().flat_map(|known| known.keys()).map(String::as_str).collect();
    let stranger: String = stranger.chars().take(40).collect();
    Some(format!("`{stranger}` is unknown; known are `{}`", names.join("`, `")))
}

fn wrong_length(value: &Value, rules: &serde_json::Map<String, Value>) -> Option<String> {
    let chars = value.as_str()?.trim().chars().count() as u64;
    let bound = |word: &str| rules.get(word).and_then(Value::as_u64);
    let (least, most) = (bound("minLength").unwrap_or(0), bound("maxLength").unwrap_or(u64::MAX));
    (!(least..=most).contains(&chars)).then(|| format!("must be {least} to {most} characters long"))
}

fn out_of_range(value: &Value, rules: &serde_json::Map<String, Value>) -> Option<String> {
    let whole = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    let number = whole(value)?;
    let bound = |word: &str| rules.get(word).and_then(whole);
    let (least, most) = (bound("minimum").unwrap_or(i128::MIN), bound("maximum").unwrap_or(i128::MAX));
    (!(least..=most).contains(&number)).then(|| format!("must be {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let schema = json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1, "maxLength": 5, "description": "Words"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 3},
            },
            "required": ["query"],
            "additionalProperties": false,
        });
        let fault = |value: Value| check(&value, &schema, "").err();
        assert_eq!(fault(json!({"query": "boots", "limit": 3})), None);
        assert_eq!(fault(json!({"query": "界界界界界"})), None, "characters count, not bytes");
        let cases = [
            (json!([]), "must be of type object"),
            (json!({}), "`query` is missing"),
            (json!({"query": 3}), "query: must be of type string"),
            (json!({"query": " "}), "query: must be 1 to 5 characters long"),
            (json!({"query": "sandal"}), "query: must be 1 to 5 characters long"),
            (json!({"query": "a", "limit": 0}), "limit: must be 1 to 3"),
            (json!({"query": "a", "limit": 1.5}), "limit: must be of type integer"),
            (json!({"query": "a", "limit": u64::MAX}), "limit: must be 1 to 3"),
            (json!({"query": "a", "customer": "b"}), "`customer` is unknown; known are `query`, `limit`"),
        ];
        for (value, expected) in cases {
            assert_eq!(fault(value.clone()).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn a_word_that_cannot_be_checked_lets_nothing_through() {
        let fault = check(&json!("a"), &json!({"type": "string", "pattern": "b"}), "");
        assert_eq!(fault, Err("cannot be checked: `pattern`".to_owned()));
    }
}
