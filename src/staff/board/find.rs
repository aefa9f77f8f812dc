//! Conversations by who they are with: a name, an e-mail address, a tag.

use std::collections::HashMap;

use super::Board;
use super::row::Row;
use crate::clock::Millis;
use crate::domain::{ConvId, Shopper, ShopperId};
use crate::staff::StaffError;
use crate::staff::search::words;

/// Words of a question that are looked for.
const MAX_WORDS: usize = 16;

/// Who was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    /// The newest first.
    pub rows: Vec<Row>,
    pub total: usize,
}

/// What is looked for: each is the beginning of a word.
struct Wanted(Vec<String>);

impl Wanted {
    fn of(typed: &str) -> Self {
        Self(words(typed).into_iter().take(MAX_WORDS).map(|word| word.text).collect())
    }

    /// Which of the wanted words are in `texts`: a bit each.
    fn found<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> u32 {
        let mut found = 0;
        for text in texts {
            for word in words(text) {
                for (n, wanted) in self.0.iter().enumerate() {
                    found |= u32::from(word.text.starts_with(wanted.as_str())) << n;
                }
            }
        }
        found
    }

    fn all(&self) -> u32 {
        (1 << self.0.len()) - 1
    }
}

impl Board {
    /// At most `limit` conversations of which the shopper's name and addresses and the tags, together, have every word that
    /// was `typed`. Blocks while it reads the names of all shoppers.
    pub fn find(&self, typed: &str, limit: usize) -> Result<People, StaffError> {
        let wanted = Wanted::of(typed);
        if wanted.0.is_empty() {
            return Ok(People::default());
        }
        let mut named: HashMap<ShopperId, u32> = HashMap::new();
        self.0.store.each_shopper(|shopper: &Shopper| {
            let texts = [&shopper.name, &shopper.email, &shopper.contact];
            let found = wanted.found(texts.into_iter().flatten().map(String::as_str));
            if found != 0 {
                named.insert(shopper.id, found);
            }
        })?;
        let (found, total) = {
            let state = self.lock();
            let mut found: Vec<(Millis, ConvId)> = Vec::new();
            for (conv, card) in state.cards.iter().filter(|(_, card)| card.spoken) {
                let by_name = card.row.shopper.id.and_then(|id| named.get(&id)).copied().unwrap_or(0);
                let by_tag = wanted.found(card.row.tags.iter().map(String::as_str));
                if by_name | by_tag == wanted.all() {
                    found.push((card.row.updated_at, *conv));
                }
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            (found.iter().take(limit).map(|(_, conv)| *conv).collect::<Vec<_>>(), found.len())
        };
        Ok(People { rows: self.rows(found), total })
    }
}
