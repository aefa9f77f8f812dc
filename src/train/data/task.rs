//! Labelled rows of a tool as the dialogue the tool has with the model.
//!
//! The wording is the tool's own and comes from outside: from whoever starts a run, or as `task.json` beside the recipe. This room
//! never reads `prompts/`.

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::DataError;
use crate::domain::run::{Labelled, RowMessage};
use crate::domain::text::quoted;

/// The name of the file.
pub const FILE: &str = "task.json";

/// What a tool says to the model, and how the answer looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPrompts {
    /// The system message; empty means none. May use the same variables as `user`.
    #[serde(default)]
    pub system: String,
    /// The user message, a template: `{{ text }}`, and for attributes `{{ category }}` and `{{ attributes }}` (a list of names).
    pub user: String,
    /// The labels the tool knows; empty means any.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What stands for an attribute that the text does not have; absent means JSON's null.
    #[serde(default)]
    pub absent: Option<String>,
}

/// Puts labelled rows into the words that serve them.
pub trait Wording: std::fmt::Debug {
    /// The dialogue of one row: context, and the answer to learn.
    ///
    /// # Errors
    /// A row that the tool could not answer like this, in words.
    fn dialogue(&self, row: &Labelled) -> Result<Vec<RowMessage>, String>;
}

impl TaskPrompts {
    /// Reads `task.json` of `folder`; `None` if there is none.
    ///
    /// # Errors
    /// A file that is not what it should be, by name.
    pub fn load(folder: &Path) -> Result<Option<Self>, DataError> {
        let file = folder.join(FILE);
        if !file.is_file() {
            return Ok(None);
        }
        let text = fs_err::read_to_string(&file)?;
        let prompts: Self =
            serde_json::from_str(&text).map_err(|fault| DataError::file(&file, fault.to_string()))?;
        if !prompts.user.contains("text") {
            return Err(DataError::file(
                file,
                "`user` does not use {{ text }}, so every row would read the same",
            ));
        }
        Ok(Some(prompts))
    }
}

impl Wording for TaskPrompts {
    /// System, user, and the answer to learn: a label, or a JSON object of attributes.
    fn dialogue(&self, row: &Labelled) -> Result<Vec<RowMessage>, String> {
        let (context, answer) = match row {
            Labelled::Sentiment { text, label } => {
                if !self.labels.is_empty() && !self.labels.contains(label) {
                    return Err(format!("label {}: use one of {}", quoted(label), self.labels.join(", ")));
                }
                (minijinja::context! { text => text }, label.clone())
            }
            Labelled::Attributes { text, category, values } => {
                let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
                let answer: serde_json::Map<String, serde_json::Value> = values
                    .iter()
                    .map(|(name, right)| {
                        (name.clone(), right.first().or(self.absent.as_ref()).cloned().into())
                    })
                    .collect();
                let context = minijinja::context! { text => text, category => category, attributes => names };
                (context, serde_json::Value::Object(answer).to_string())
            }
        };
        let mut messages = Vec::new();
        if !self.system.is_empty() {
            messages.push(said("system", fill(&self.system, &context)?));
        }
        messages.push(said("user", fill(&self.user, &context)?));
        messages.push(said("assistant", answer));
        Ok(messages)
    }
}

fn fill(template: &str, context: &minijinja::Value) -> Result<String, String> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.render_str(template, context).map_err(|fault| format!("{FILE}: {fault:#}"))
}

fn said(role: &str, content: String) -> RowMessage {
    RowMessage { role: role.to_owned(), content, train: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(user: &str) -> TaskPrompts {
        let labels = vec!["good".to_owned(), "bad".to_owned()];
        TaskPrompts { system: "Judge.".to_owned(), user: user.to_owned(), labels, absent: None }
    }

    #[test]
    fn a_review_becomes_a_dialogue_and_a_foreign_label_is_refused() {
        let row = |label: &str| Labelled::Sentiment { text: "Fits <b>well</b>".into(), label: label.into() };
        let messages = prompts("Review: {{ text }}").dialogue(&row("good")).unwrap();
        let told: Vec<(&str, &str)> = messages.iter().map(|m| (&*m.role, &*m.content)).collect();
        assert_eq!(told, [("system", "Judge."), ("user", "Review: Fits <b>well</b>"), ("assistant", "good")]);
        assert_eq!(
            prompts("{{ text }}").dialogue(&row("fine")).unwrap_err(),
            "label \"fine\": use one of good, bad"
        );
        // Columns that were swapped.
        assert_eq!(
            prompts("{{ text }}").dialogue(&row(&"It broke after a day. ".repeat(9))).unwrap_err(),
            "label \"It broke after a day. It broke after a d...\": use one of good, bad"
        );
        assert!(prompts("{{ txt }}").dialogue(&row("good")).unwrap_err().starts_with("task.json: "));
    }

    #[test]
    fn attributes_keep_their_order_and_say_what_is_absent() {
        let values = vec![("Size".to_owned(), vec!["M".to_owned()]), ("Brand".to_owned(), Vec::new())];
        let row = Labelled::Attributes { text: "A shirt, M".into(), category: "Shirt".into(), values };
        let mut prompts = prompts("{{ category }}: {{ attributes | join(', ') }}: {{ text }}");
        let messages = prompts.dialogue(&row).unwrap();
        assert_eq!(messages[1].content, "Shirt: Size, Brand: A shirt, M");
        assert_eq!(messages[2].content, r#"{"Size":"M","Brand":null}"#);
        prompts.absent = Some("n/a".to_owned());
        assert_eq!(prompts.dialogue(&row).unwrap()[2].content, r#"{"Size":"M","Brand":"n/a"}"#);
    }
}
