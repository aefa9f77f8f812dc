//! What the owner sets from the dashboard in place of the files: the look of the widget, the pages that may open a chat, how long
//! conversations are kept, and the words every prompt begins with. The files stay the default: what is empty here says what they say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::StaffError;
use super::file::Durable;
use crate::domain::ShopWords;
use crate::domain::text::clean;

const MAX_ORIGINS: usize = 50;
const MAX_LANGUAGES: usize = 30;
const MAX_SUGGESTIONS: usize = 6;
/// Hundred years.
const MAX_DAYS: u64 = 36_500;

/// The whole of `shop.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShopSettings {
    /// Conversations that nothing happened in for so many days are erased; 0 keeps them for ever, none leaves
    /// `store.retention_days`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u64>,
    /// Pages that may open a chat besides those of `web.origins`.
    pub origins: Vec<String>,
    pub look: LookSettings,
    /// The shop in its owner's words; what is empty is as the shop's file says.
    pub words: ShopWords,
}

/// How the widget looks and greets; what is empty is as the shop's file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LookSettings {
    /// `#rrggbb`.
    pub color: String,
    /// What the assistant is called in the widget's head.
    pub title: String,
    /// By language code.
    pub greeting: BTreeMap<String, String>,
    /// First questions, by language code.
    pub suggestions: BTreeMap<String, Vec<String>>,
}

/// Clones are one.
#[derive(Clone, Debug)]
pub struct ShopDesk(Arc<Durable<ShopSettings>>);

impl ShopDesk {
    pub(super) fn open(folder: &Path) -> Result<Self, StaffError> {
        Ok(Self(Arc::new(Durable::open(folder.join("shop.json"))?)))
    }

    /// What is in force now.
    pub fn get(&self) -> Arc<ShopSettings> {
        self.0.get()
    }

    /// Puts `settings` in force. Blocks until it is on the disk.
    pub fn set(&self, settings: &ShopSettings) -> Result<ShopSettings, StaffError> {
        let settings = settings.checked()?;
        self.0.change(|kept| {
            *kept = settings.clone();
            Ok(settings)
        })
    }

    /// Grows whenever something changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes()
    }
}

/// The owner's words in the staff's `folder`, for programs beside the server.
pub fn words_in(folder: &Path) -> Result<ShopWords, StaffError> {
    Ok(ShopDesk::open(folder)?.get().words.clone())
}

impl ShopSettings {
    /// As it is kept.
    ///
    /// # Errors
    /// [`StaffError::BadShop`] names what does not fit.
    pub fn checked(&self) -> Result<Self, StaffError> {
        let mut origins: Vec<String> =
            self.origins.iter().map(|one| one.trim().trim_end_matches('/').to_ascii_lowercase()).collect();
        origins.retain(|one| !one.is_empty());
        origins.sort();
        origins.dedup();
        if let Some(wrong) = origins.iter().find(|one| !is_origin(one)) {
            return Err(StaffError::BadShop(format!(
                "`{}` is not the origin of a page; write scheme, host and port, e.g. https://shop.example.com",
                clean(wrong).chars().take(80).collect::<String>()
            )));
        }
        let fault = |what: &str| Err(StaffError::BadShop(what.to_owned()));
        if origins.len() > MAX_ORIGINS {
            return fault("at most 50 origins");
        }
        if self.retention_days.is_some_and(|days| days > MAX_DAYS) {
            return fault("at most 36,500 days");
        }
        let words = self.words.checked().map_err(StaffError::BadShop)?;
        Ok(Self { retention_days: self.retention_days, origins, look: self.look.checked()?, words })
    }
}

impl LookSettings {
    fn checked(&self) -> Result<Self, StaffError> {
        let fault = |what: &str| Err(StaffError::BadShop(what.to_owned()));
        let color = self.color.trim().to_ascii_lowercase();
        let is_color =
            color.len() == 7 && color.starts_with('#') && color[1..].chars().all(|c| c.is_ascii_hexdigit());
        if !color.is_empty() && !is_color {
            return fault("a colour is written #rrggbb");
        }
        let title = line(&self.title);
        if title.chars().count() > 40 {
            return fault("the assistant's name has at most 40 characters");
        }
        let mut greeting = BTreeMap::new();
        for (language, text) in &self.greeting {
            let text = line(text);
            if text.chars().count() > 300 {
                return fault("a greeting has at most 300 characters");
            }
            if !text.is_empty() {
                greeting.insert(code(language)?, text);
            }
        }
        let mut suggestions = BTreeMap::new();
        for (language, texts) in &self.suggestions {
            let mut texts: Vec<String> = texts.iter().map(|text| line(text)).collect();
            texts.retain(|text| !text.is_empty());
            if texts.len() > MAX_SUGGESTIONS || texts.iter().any(|text| text.chars().count() > 100) {
                return fault("at most 6 first questions of 100 characters each");
            }
            if !texts.is_empty() {
                suggestions.insert(code(language)?, texts);
            }
        }
        if greeting.len() > MAX_LANGUAGES || suggestions.len() > MAX_LANGUAGES {
            return fault("at most 30 languages");
        }
        Ok(Self { color, title, greeting, suggestions })
    }
}

/// One line of clean text.
fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code(language: &str) -> Result<String, StaffError> {
    let fits =
        (2..=35).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits {
        Ok(language.to_ascii_lowercase())
    } else {
        Err(StaffError::BadShop("a language is a code like `en` or `zh-tw`".to_owned()))
    }
}

/// True for `http(s)://host[:port]` with nothing behind it, in the one spelling a browser sends.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    matches!(scheme, "http" | "https")
        && text.len() <= 260
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && rest.chars().all(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_checked_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let desk = ShopDesk::open(folder.path()).unwrap();
        assert_eq!(*desk.get(), ShopSettings::default());
        let look = LookSettings {
            color: " #A1b2C3 ".into(),
            title: "Mia\u{202e}\n".into(),
            greeting: BTreeMap::from([("EN".into(), "  Hello  there ".into()), ("zh".into(), " ".into())]),
            suggestions: BTreeMap::from([("en".into(), vec!["Where is it?".into(), String::new()])]),
        };
        let origins = vec!["https://Shop.example.com/".into(), "https://shop.example.com".into(), " ".into()];
        let words = ShopWords { tone: " brisk ".into(), ..ShopWords::default() };
        let kept = desk.set(&ShopSettings { retention_days: Some(30), origins, look, words }).unwrap();
        assert_eq!(kept.words.tone, "brisk");
        assert_eq!(words_in(folder.path()).unwrap(), kept.words);
        assert_eq!(kept.origins, ["https://shop.example.com"]);
        assert_eq!((kept.look.color.as_str(), kept.look.title.as_str()), ("#a1b2c3", "Mia"));
        assert_eq!(kept.look.greeting, BTreeMap::from([("en".into(), "Hello there".into())]));
        assert_eq!(kept.look.suggestions["en"], ["Where is it?"]);
        assert_eq!(*ShopDesk::open(folder.path()).unwrap().get(), kept);
        for origin in [
            "shop.example.com",
            "https://*",
            "https://a b",
            "https://shop.example.com/x",
            "javascript://x",
            "null",
            "https://",
        ] {
            let wrong = ShopSettings { origins: vec![origin.into()], ..ShopSettings::default() };
            assert!(matches!(desk.set(&wrong), Err(StaffError::BadShop(_))), "{origin}");
        }
        for color in ["red", "#12345", "#12345g", "#1234567"] {
            let look = LookSettings { color: color.into(), ..LookSettings::default() };
            assert!(desk.set(&ShopSettings { look, ..ShopSettings::default() }).is_err(), "{color}");
        }
        assert_eq!(*desk.get(), kept, "what was refused changed nothing");
    }
}
