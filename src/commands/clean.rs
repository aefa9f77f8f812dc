//! Personal data out of rows that come from files, as it is taken out of the shop's own chats.

use std::fmt;

use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Row, RowBody};
use crate::prompt::Playbook;
use crate::runs::rows::redact::{Known, Redactor};
use crate::runs::rows::redactor;
use crate::train::data::prepare::Clean;

pub(super) struct Cleaner {
    redactor: Redactor,
    names: Vec<Known>,
}

impl Cleaner {
    /// `None` if the recipe does not ask for one.
    pub(super) fn of(recipe: &Recipe, config: &Config) -> anyhow::Result<Option<Self>> {
        if !recipe.data.redact {
            return Ok(None);
        }
        let playbook = Playbook::load(&config.shop, &|text| text.to_owned())?;
        let names = config.rows.names.iter().cloned().map(Known).collect();
        Ok(Some(Self { redactor: redactor(playbook.shop(), &config.rows)?, names }))
    }
}

impl fmt::Debug for Cleaner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleaner").finish_non_exhaustive()
    }
}

impl Clean for Cleaner {
    /// The texts of a row are one conversation: the same value has the same placeholder in all of them.
    fn row(&self, row: &mut Row) {
        let mut texts: Vec<&mut String> = match &mut row.body {
            RowBody::Messages(messages) => messages.iter_mut().map(|message| &mut message.content).collect(),
            RowBody::Text(text) => vec![text],
        };
        let said: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        let redacted = self.redactor.conversation(&said, &self.names);
        for (text, clean) in texts.iter_mut().zip(redacted.texts) {
            **text = clean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_file_loses_what_is_personal_and_keeps_what_is_the_shops() {
        let mut recipe = Recipe::default();
        let config = Config::default();
        assert!(Cleaner::of(&recipe, &config).expect("no shop is read").is_none());
        recipe.data.redact = true;
        let cleaner = Cleaner::of(&recipe, &config).expect("the demo shop").expect("asked for");
        let mut row: Row = serde_json::from_value(serde_json::json!({"id": "r", "group": "g", "messages": [
            {"role": "user", "content": "I am jane.miller@example.com, call 0171 2345678."},
            {"role": "assistant", "content": "We write to jane.miller@example.com today."},
        ]}))
        .expect("a row");
        cleaner.row(&mut row);
        let RowBody::Messages(messages) = &row.body else { panic!("{row:?}") };
        assert_eq!(messages[0].content, "I am [EMAIL], call [PHONE].");
        assert_eq!(messages[1].content, "We write to [EMAIL] today.");
        recipe.objective = crate::domain::recipe::Objective::Task;
        assert!(recipe.check().expect_err("spans").to_string().contains("data.redact"));
    }
}
