//! Personal data out of rows that come from files, as it is taken out of the shop's own chats.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::data::rows::with_staff;
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Row, RowBody};
use crate::prompt::Playbook;
use crate::runs::rows::redact::Redactor;
use crate::runs::rows::redactor;
use crate::train::data::prepare::Clean;

pub(super) struct Cleaner {
    redactor: Redactor,
}

impl Cleaner {
    /// `None` if the recipe does not ask for one.
    pub(super) fn of(recipe: &Recipe, config: &Config) -> anyhow::Result<Option<Self>> {
        if !recipe.data.redact {
            return Ok(None);
        }
        let playbook = Playbook::load(&config.shop, &|text| text.to_owned())?;
        Ok(Some(Self { redactor: redactor(&playbook, &with_staff(config)?)? }))
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
        let redacted = self.redactor.conversation(&said, &[]);
        for (text, clean) in texts.iter_mut().zip(redacted.texts) {
            **text = clean;
        }
        // What a file is grouped by may be whom it is about, and a scorecard names groups.
        row.id = hidden(&row.id);
        row.group = hidden(&row.group);
        for from in &mut row.lineage {
            from.conversation = hidden(&from.conversation);
            from.shopper = hidden(&from.shopper);
        }
    }
}

/// The same for the same value, and not to be read. An id of a server, or of a row it made, says nothing and stays: rows of one
/// shopper in a file and in the store are one group, and erasing goes by it.
fn hidden(value: &str) -> String {
    let (id, event) = value.split_once('#').unwrap_or((value, ""));
    let ours = id.parse::<Uuid>().is_ok() && event.chars().all(|c| c.is_ascii_digit());
    if ours || value.is_empty() {
        return value.to_owned();
    }
    hex::encode(&Sha256::digest(value)[..8])
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

    #[test]
    fn ids_and_groups_of_a_file_cannot_be_read_and_still_group() {
        let mut recipe = Recipe::default();
        recipe.data.redact = true;
        let cleaner = Cleaner::of(&recipe, &Config::default()).expect("the demo shop").expect("asked for");
        let ours = "0191f3a0-0000-7000-8000-000000000001";
        let clean = |id: &str, group: &str| {
            let from = serde_json::json!([{"conversation": group, "shopper": ours, "events": [2]}]);
            let row = serde_json::json!({"id": id, "group": group, "lineage": from, "text": "Hello there."});
            let mut row: Row = serde_json::from_value(row).expect("a row");
            cleaner.row(&mut row);
            row
        };
        let (row, other) = (clean("jane.miller", "jane@example.com"), clean("2", "jane@example.com"));
        assert!(!serde_json::to_string(&row).expect("JSON").contains("jane"), "{row:?}");
        assert_eq!((row.id.len(), row.group.len()), (16, 16));
        assert!(row.group == other.group && row.id != other.id, "rows of one group stay one");
        assert_eq!(row.lineage[0].conversation, row.group);
        assert_eq!(row.lineage[0].shopper, ours, "erasing finds them still");
        let made = clean(&format!("{ours}#12"), ours);
        assert_eq!((made.id, made.group), (format!("{ours}#12"), ours.to_owned()));
    }
}
