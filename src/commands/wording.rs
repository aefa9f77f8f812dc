//! Labelled rows in the words of the tool they train: exactly what that tool asks when it serves.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::prompt::Message;
use crate::domain::run::{Labelled, RowMessage};
use crate::domain::text::quoted;
use crate::prompt::{PromptError, Settings, ToolPrompts, Wanted};
use crate::tools::{LABELS, answer};
use crate::train::data::task::Wording;

pub(super) struct ToolWording(ToolPrompts);

impl ToolWording {
    pub(super) fn load(settings: &Settings) -> Result<Self, PromptError> {
        Ok(Self(ToolPrompts::load(settings)?))
    }

    /// What an extraction is asked for. Of three texts in four the category's whole list, so that the adapter learns to leave
    /// out; of the others the row's own attributes, so that it learns to find what it is asked for.
    fn names(&self, text: &str, category: &str, own: &[(String, Vec<String>)]) -> Vec<String> {
        let list = self.0.attributes_of(category).unwrap_or_default();
        let whole = !Sha256::digest(text)[0].is_multiple_of(4);
        let asked = |name: &&String| whole || own.iter().any(|(known, _)| known == *name);
        let mut names: Vec<String> = list.iter().filter(asked).cloned().collect();
        names.extend(own.iter().map(|(name, _)| name).filter(|name| !list.contains(name)).cloned());
        names
    }
}

impl fmt::Debug for ToolWording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolWording").field("fingerprint", &self.0.fingerprint()).finish()
    }
}

impl Wording for ToolWording {
    fn dialogue(&self, row: &Labelled) -> Result<Vec<RowMessage>, String> {
        let (asked, answered) = match row {
            Labelled::Sentiment { text, label } => {
                if !LABELS.contains(&label.as_str()) {
                    return Err(format!("label {}: use one of {}", quoted(label), LABELS.join(", ")));
                }
                (self.0.sentiment(text.trim()), label.clone())
            }
            Labelled::Attributes { text, category, values } => {
                let names = self.names(text, category, values);
                let mut found = Vec::new();
                for name in &names {
                    let Some(value) =
                        values.iter().find(|(known, _)| known == name).and_then(|(_, right)| right.first())
                    else {
                        continue;
                    };
                    if !text.contains(value.as_str()) {
                        return Err(format!(
                            "attribute {name:?}: its value is no piece of the text, so it could never be found"
                        ));
                    }
                    found.push((name.as_str(), value.as_str()));
                }
                let category = Some(category.as_str()).filter(|category| !category.is_empty());
                let wanted = Wanted { text, category, attributes: &names };
                (self.0.extract(&wanted), answer(found))
            }
        };
        let mut dialogue: Vec<RowMessage> =
            asked.map_err(|fault| fault.to_string())?.into_iter().map(said).collect();
        dialogue.push(RowMessage { role: "assistant".to_owned(), content: answered, train: None });
        Ok(dialogue)
    }
}

fn said(message: Message) -> RowMessage {
    RowMessage { role: message.role.name().to_owned(), content: message.content, train: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(row: &Labelled) -> Result<String, String> {
        let said = ToolWording::load(&Settings::default()).expect("loads").dialogue(row)?;
        Ok(said.iter().map(|m| format!("[{}] {}\n", m.role, m.content)).collect())
    }

    #[test]
    fn a_review_in_the_words_of_the_tool() {
        let row = |label: &str| Labelled::Sentiment { text: " It broke. ".into(), label: label.into() };
        insta::assert_snapshot!(dialogue(&row("negative")).expect("a dialogue"), @r"
        [system] You are a careful shop clerk.
        [user] Is the customer's opinion positive, neutral or negative? Answer with one word.
        Customer: It broke.
        [assistant] negative
        ");
        assert_eq!(
            dialogue(&row("bad")).expect_err("refused"),
            "label \"bad\": use one of positive, neutral, negative"
        );
        assert_eq!(
            dialogue(&row(&"It broke after a day. ".repeat(9))).expect_err("refused"),
            "label \"It broke after a day. It broke after a d...\": use one of positive, neutral, negative"
        );
    }

    #[test]
    fn a_title_asks_for_its_own_or_for_the_whole_list_and_answers_in_the_lists_order() {
        let row = |text: &str, color: &str| Labelled::Attributes {
            text: text.into(),
            category: "Stove".into(),
            values: vec![
                ("Material".into(), vec![color.into()]),
                ("Lid".into(), Vec::new()),
                ("Fuel".into(), vec!["Gas".into()]),
            ],
        };
        insta::assert_snapshot!(dialogue(&row("Big Gas Steel stove", "Steel")).expect("a dialogue"), @r"
        [system] You are a careful shop clerk.
        [user] Copy these attributes of the product from its text, one a line, and leave out what the text does not say: Stove Type, Fuel, Model, Material, Brand Name, Applicable Seasoning Type, Lid.
        Category: Stove
        Text: Big Gas Steel stove
        [assistant] Fuel: Gas
        Material: Steel
        ");
        insta::assert_snapshot!(dialogue(&row("Old Gas Steel stove", "Steel")).expect("a dialogue"), @r"
        [system] You are a careful shop clerk.
        [user] Copy these attributes of the product from its text, one a line, and leave out what the text does not say: Fuel, Material, Lid.
        Category: Stove
        Text: Old Gas Steel stove
        [assistant] Fuel: Gas
        Material: Steel
        ");
        assert_eq!(
            dialogue(&row("Old Gas Steel stove", "Iron")).expect_err("refused"),
            "attribute \"Material\": its value is no piece of the text, so it could never be found"
        );
    }
}
