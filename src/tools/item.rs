//! What a tool is given, however it comes.

use serde::de::{DeserializeOwned, Error};
use serde_json::{Map, Value};

use super::{ToolError, Toolbox};

/// What a tool is given.
pub trait Item {
    /// Refuses what [`Toolbox`] would refuse later, without asking the model.
    ///
    /// # Errors
    /// [`ToolError::is_of_item`].
    fn check(&self, tools: &Toolbox) -> Result<(), ToolError>;
}

/// An item of its fields. A list of the values of an object would be read too, and hide what each is: none is taken for one.
///
/// # Errors
/// A field that is missing, unknown or of the wrong type.
pub fn item<I: DeserializeOwned>(fields: Map<String, Value>) -> serde_json::Result<I> {
    let lists = fields.iter().filter_map(|(name, value)| Some((name, value.as_array()?)));
    if let Some((name, _)) = lists.clone().find(|(_, list)| list.iter().any(Value::is_array)) {
        return Err(serde_json::Error::custom(format!("{name}: is a list of lists")));
    }
    serde_json::from_value(Value::Object(fields))
}

/// The longest title or category, in characters.
const BRIEF: usize = 200;

pub(super) fn brief(field: &'static str, text: Option<&str>) -> Result<(), ToolError> {
    match text.map_or(0, |text| text.chars().count()) {
        0..=BRIEF => Ok(()),
        long => Err(ToolError::item(field, format!("is {long} characters long; the limit is {BRIEF}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tools::{ExtractItem, QaItem};

    #[test]
    fn a_list_is_no_object() {
        let read = |value: Value| value.as_object().cloned().expect("an object");
        let turns = read(json!({"turns": [["shopper", "Where is it?"]]}));
        assert_eq!(item::<QaItem>(turns).expect_err("refused").to_string(), "turns: is a list of lists");
        let turns = read(json!({"turns": [{"by": "shopper", "text": "Where is it?"}]}));
        assert_eq!(item::<QaItem>(turns).expect("read").turns.len(), 1);
        let names = read(json!({"text": "Crocs", "attributes": ["Brand"]}));
        assert_eq!(item::<ExtractItem>(names).expect("read").attributes, ["Brand"]);
    }
}
