//! What the team shares: canned replies, what may change while the server runs, and the shoppers it blocked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::StaffError;
use super::file::Durable;
use super::secret::fresh_id;
use crate::clock::{Clock, Millis};
use crate::domain::handoff::{Rules, Schedule};
use crate::domain::text::clean;
use crate::domain::{Said, ShopperId};

const MAX_CANNED: usize = 500;
const MAX_WORDS: usize = 50;
const MAX_BLOCKED: usize = 100_000;

/// The whole of `team.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    canned: BTreeMap<String, Canned>,
    settings: TeamSettings,
    blocked: BTreeMap<ShopperId, Blocked>,
}

/// A reply to be used again. `{{name}}`, `{{shop}}` and `{{agent}}` are filled by whoever sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Canned {
    #[serde(default)]
    pub id: String,
    pub shortcut: String,
    pub title: String,
    pub text: String,
    pub by: String,
    pub updated_at: Millis,
}

/// What admins may change while the server runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TeamSettings {
    /// When people are there, as shoppers read it, in place of what the shop's file says; empty leaves that.
    pub hours: String,
    /// A shopper's message with one of these goes to a person.
    pub handoff_words: Vec<String>,
    /// What else brings a person.
    #[schema(value_type = Object)]
    pub handoff: Rules,
    /// When people are there, as the server reckons; none for always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<Schedule>,
}

/// A shopper whose messages are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    pub by: String,
    pub at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Clones are one.
#[derive(Clone, Debug)]
pub struct Team {
    file: Arc<Durable<Data>>,
    clock: Clock,
}

/// What somebody wrote for a canned reply.
#[derive(Clone, Copy, Debug)]
pub struct CannedText<'a> {
    pub shortcut: &'a str,
    pub title: &'a str,
    pub text: &'a str,
}

impl Team {
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, StaffError> {
        Ok(Self { file: Arc::new(Durable::open(folder.join("team.json"))?), clock })
    }

    /// Grows whenever something changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.file.changes()
    }

    /// Notices changes that another process made.
    pub fn look(&self) {
        self.file.get();
    }

    /// All canned replies, by shortcut.
    pub fn canned(&self) -> Vec<Canned> {
        let data = self.file.get();
        let mut all: Vec<Canned> =
            data.canned.iter().map(|(id, canned)| Canned { id: id.clone(), ..canned.clone() }).collect();
        all.sort_by(|a, b| a.shortcut.cmp(&b.shortcut));
        all
    }

    /// Keeps a canned reply: a new one, or in place of `id`.
    pub fn keep(&self, id: Option<&str>, text: CannedText<'_>, by: &str) -> Result<Canned, StaffError> {
        let canned = text.checked(by, self.clock.now())?;
        self.file.change(|data| {
            if data
                .canned
                .iter()
                .any(|(other, c)| Some(other.as_str()) != id && c.shortcut == canned.shortcut)
            {
                return Err(StaffError::ShortcutTaken);
            }
            let id = match id {
                Some(id) if data.canned.contains_key(id) => id.to_owned(),
                Some(_) => return Err(StaffError::NoSuchCanned),
                None if data.canned.len() >= MAX_CANNED => {
                    return Err(StaffError::TooMany { what: "canned replies", limit: MAX_CANNED });
                }
                None => fresh_id(),
            };
            let canned = Canned { id: id.clone(), ..canned };
            data.canned.insert(id, canned.clone());
            Ok(canned)
        })
    }

    pub fn drop_canned(&self, id: &str) -> Result<(), StaffError> {
        self.file.change(|data| data.canned.remove(id).map(|_| ()).ok_or(StaffError::NoSuchCanned))
    }

    pub fn settings(&self) -> TeamSettings {
        self.file.get().settings.clone()
    }

    pub fn set_settings(&self, settings: &TeamSettings) -> Result<TeamSettings, StaffError> {
        let settings = settings.checked()?;
        self.file.change(|data| {
            data.settings = settings.clone();
            Ok(settings)
        })
    }

    /// Everybody who is blocked.
    pub fn blocked(&self) -> Vec<ShopperId> {
        self.file.get().blocked.keys().copied().collect()
    }

    pub fn is_blocked(&self, shopper: ShopperId) -> bool {
        self.file.get().blocked.contains_key(&shopper)
    }

    pub fn block(&self, shopper: ShopperId, by: &str, reason: Option<&str>) -> Result<(), StaffError> {
        let reason = reason
            .map(|text| clean(text).chars().take(200).collect())
            .filter(|text: &String| !text.is_empty());
        let blocked = Blocked { by: by.to_owned(), at: self.clock.now(), reason };
        self.file.change(|data| {
            if data.blocked.len() >= MAX_BLOCKED {
                return Err(StaffError::TooMany { what: "blocked shoppers", limit: MAX_BLOCKED });
            }
            data.blocked.insert(shopper, blocked);
            Ok(())
        })
    }

    pub fn unblock(&self, shopper: ShopperId) -> Result<(), StaffError> {
        self.file.change(|data| {
            data.blocked.remove(&shopper);
            Ok(())
        })
    }
}

impl CannedText<'_> {
    fn checked(self, by: &str, at: Millis) -> Result<Canned, StaffError> {
        let shortcut = self.shortcut.to_owned();
        let fits = (1..=32).contains(&shortcut.len())
            && shortcut
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
        let title = clean(self.title).trim().to_owned();
        if !fits || !(1..=100).contains(&title.chars().count()) {
            return Err(StaffError::BadCanned);
        }
        let text = Said::parse(self.text).map_err(|_| StaffError::BadCanned)?.into_string();
        Ok(Canned { id: String::new(), shortcut, title, text, by: by.to_owned(), updated_at: at })
    }
}

impl TeamSettings {
    fn checked(&self) -> Result<Self, StaffError> {
        let hours = clean(&self.hours).trim().to_owned();
        let mut words: Vec<String> =
            self.handoff_words.iter().map(|word| clean(word).trim().to_lowercase()).collect();
        words.sort();
        words.dedup();
        let long = |word: &String| !(2..=40).contains(&word.chars().count());
        if hours.chars().count() > 200 || words.len() > MAX_WORDS || words.iter().any(long) {
            return Err(StaffError::BadSettings);
        }
        if !self.handoff.fits() || self.schedule.as_ref().is_some_and(|schedule| !schedule.fits()) {
            return Err(StaffError::BadSettings);
        }
        Ok(Self { hours, handoff_words: words, handoff: self.handoff, schedule: self.schedule.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team() -> (Team, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Team::open(folder.path(), Clock::manual(5)).unwrap(), folder)
    }

    fn text<'a>(shortcut: &'a str, text: &'a str) -> CannedText<'a> {
        CannedText { shortcut, title: "Title", text }
    }

    #[test]
    fn canned_replies_come_and_go() {
        let (team, _folder) = team();
        let hello = team.keep(None, text("hello", "Hello {{name}}"), "anna").unwrap();
        assert_eq!(team.keep(None, text("hello", "x"), "bob"), Err(StaffError::ShortcutTaken));
        assert_eq!(team.keep(None, text("Hel lo", "x"), "bob"), Err(StaffError::BadCanned));
        assert_eq!(team.keep(Some("none"), text("x", "x"), "bob"), Err(StaffError::NoSuchCanned));
        let changed = team.keep(Some(&hello.id), text("hello", "Hi"), "bob").unwrap();
        assert_eq!((team.canned(), changed.by.as_str()), (vec![changed.clone()], "bob"));
        team.drop_canned(&hello.id).unwrap();
        assert_eq!(team.drop_canned(&hello.id), Err(StaffError::NoSuchCanned));
    }

    #[test]
    fn settings_and_blocks_survive_a_restart() {
        let (team, folder) = team();
        let schedule = Some(Schedule { zone: "Europe/Berlin".into(), week: [Some((540, 1020)); 7] });
        let handoff = Rules { unsure: Some(2), ..Rules::default() };
        let wanted = TeamSettings {
            hours: " Mon-Fri ".into(),
            handoff_words: vec!["Refund".into(), "refund".into()],
            handoff,
            schedule,
        };
        let kept = team.set_settings(&wanted).unwrap();
        let tidy = TeamSettings { hours: "Mon-Fri".into(), handoff_words: vec!["refund".into()], ..wanted };
        assert_eq!(kept, tidy);
        let nowhere = Some(Schedule { zone: "Mars/Olympus".into(), week: [None; 7] });
        let never = Rules { mood: Some(0), ..Rules::default() };
        for wrong in [
            TeamSettings { schedule: nowhere, ..TeamSettings::default() },
            TeamSettings { handoff: never, ..TeamSettings::default() },
        ] {
            assert_eq!(team.set_settings(&wrong), Err(StaffError::BadSettings));
        }
        let long = TeamSettings { handoff_words: vec!["x".into()], ..TeamSettings::default() };
        assert_eq!(team.set_settings(&long), Err(StaffError::BadSettings));
        let shopper = ShopperId::from_bytes([1; 16]);
        team.block(shopper, "anna", Some("spam")).unwrap();
        let again = Team::open(folder.path(), Clock::manual(6)).unwrap();
        assert!(again.is_blocked(shopper) && again.settings() == kept);
        again.unblock(shopper).unwrap();
        assert_eq!(team.blocked(), [], "the first one notices");
    }
}
