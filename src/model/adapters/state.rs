//! Which version of an adapter serves: `current.json` in its folder, and the decisions that change it.

use serde::{Deserialize, Serialize};

use super::{AdapterError, AdapterId};
use crate::domain::run::Manifest;

/// Older ones can still be promoted by name.
const REMEMBERED: usize = 50;

/// What serves under one name. Only ever replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Grows with every change.
    pub revision: u64,
    /// The highest version that was ever published: numbers are not given twice.
    pub highest: u32,
    pub current: Served,
    pub candidate: Option<Candidate>,
    /// What was current before, oldest first.
    pub history: Vec<Served>,
    /// Why the last change was taken back.
    pub fault: Option<String>,
}

/// What answers, and who made it so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Served {
    /// `None` is the base model.
    pub version: Option<u32>,
    /// Milliseconds since the Unix epoch; 0 for what serves without anybody's doing.
    pub since: u64,
    pub by: String,
    /// The gate had said no, and who overruled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced_by: Option<String>,
}

/// A version on trial with a part of the conversations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    #[serde(flatten)]
    pub served: Served,
    /// Of conversations, between 0 and 1.
    pub share: f64,
}

/// A wish to have a version serve.
#[derive(Clone, Debug, PartialEq)]
pub struct Promotion {
    pub id: AdapterId,
    /// Of conversations, between 0 and 1; `None` for all.
    pub share: Option<f64>,
    pub by: String,
    /// Promote against the verdict of the gate.
    pub force: Force,
    /// Milliseconds since the Unix epoch.
    pub at: u64,
}

impl Promotion {
    /// A trial takes a share of the conversations, so only `chat`, the adapter that answers them, can be on trial. A tool would go to
    /// it always or never.
    ///
    /// # Errors
    /// [`AdapterError::Trial`].
    pub(super) fn check_trial(&self, chat: &str) -> Result<(), AdapterError> {
        let part = self.share.is_some_and(|share| share < 1.0);
        if part && self.id.name() != chat {
            return Err(AdapterError::Trial { id: self.id.clone(), chat: chat.to_owned() });
        }
        Ok(())
    }
}

/// Whether the gate may be overruled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    #[default]
    No,
    Yes,
}

/// Why an adapter should not be promoted, one reason a line; empty if nothing speaks against it.
pub fn objections(manifest: &Manifest) -> Vec<String> {
    let mut reasons = match &manifest.scorecard {
        None => vec!["it has no scorecard: it was never compared with the base".to_owned()],
        Some(card) if card.passed => Vec::new(),
        Some(card) if card.reasons.is_empty() => vec!["its scorecard says no".to_owned()],
        Some(card) => card.reasons.clone(),
    };
    if manifest.tainted {
        reasons.push("shoppers whose words it learnt from have since been erased".to_owned());
    }
    reasons
}

impl State {
    /// True if the version answers anybody.
    pub fn serves(&self, version: u32) -> bool {
        self.current.version == Some(version)
            || self.candidate.as_ref().is_some_and(|c| c.served.version == Some(version))
    }

    pub(super) fn promote(&mut self, wish: &Promotion, forced: bool) -> Result<(), AdapterError> {
        if self.current.version == Some(wish.id.version()) {
            return Err(AdapterError::Serves(wish.id.clone()));
        }
        let served = Served {
            version: Some(wish.id.version()),
            since: wish.at,
            by: wish.by.clone(),
            forced_by: forced.then(|| wish.by.clone()),
        };
        match wish.share {
            Some(share) if !(share > 0.0 && share <= 1.0) => return Err(AdapterError::Share(share)),
            Some(share) if share < 1.0 => self.candidate = Some(Candidate { served, share }),
            _ => {
                self.candidate = None;
                self.history.push(std::mem::replace(&mut self.current, served));
                let forgotten = self.history.len().saturating_sub(REMEMBERED);
                self.history.drain(..forgotten);
            }
        }
        self.changed(None);
        Ok(())
    }

    /// Takes a candidate off trial; without one, brings back what was current before.
    pub(super) fn roll_back(&mut self, name: &str, by: &str, at: u64) -> Result<(), AdapterError> {
        if self.candidate.take().is_none() {
            if self.current.version.is_none() && self.history.is_empty() {
                return Err(AdapterError::Bottom(name.to_owned()));
            }
            let before = self.history.pop().unwrap_or_default();
            self.current = Served { since: at, by: by.to_owned(), ..before };
        }
        self.changed(None);
        Ok(())
    }

    /// Takes back what could not be loaded.
    pub(super) fn revert(&mut self, version: u32, fault: String) {
        if self.candidate.as_ref().is_some_and(|c| c.served.version == Some(version)) {
            self.candidate = None;
        } else {
            self.current = self.history.pop().unwrap_or_default();
        }
        self.changed(Some(fault));
    }

    /// A version is gone for good.
    pub(super) fn forget(&mut self, version: u32) {
        self.history.retain(|past| past.version != Some(version));
        self.changed(self.fault.clone());
    }

    fn changed(&mut self, fault: Option<String>) {
        self.revision += 1;
        self.fault = fault;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(version: u32, share: Option<f64>) -> Promotion {
        Promotion {
            id: AdapterId::new("shop", version).expect("an id"),
            share,
            by: "ann".to_owned(),
            force: Force::No,
            at: u64::from(version) * 1000,
        }
    }

    #[test]
    fn rolling_back_goes_the_whole_way_down() {
        let mut state = State::default();
        for version in [1, 2] {
            state.promote(&wish(version, None), false).expect("promoted");
        }
        state.promote(&wish(3, Some(0.1)), false).expect("on trial");
        assert!(state.serves(2) && state.serves(3) && !state.serves(1));
        let mut seen = Vec::new();
        for n in 0..3 {
            state.roll_back("shop", "ann", 9000 + n).expect("something to go back to");
            assert_eq!(state.candidate, None);
            seen.push(state.current.version);
        }
        assert_eq!(seen, [Some(2), Some(1), None]);
        assert!(matches!(state.roll_back("shop", "ann", 1), Err(AdapterError::Bottom(_))));
        assert_eq!(state.revision, 6);
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let mut state = State::default();
        state.promote(&wish(1, None), false).expect("promoted");
        let before = state.clone();
        assert!(matches!(state.promote(&wish(1, Some(0.5)), false), Err(AdapterError::Serves(_))));
        for share in [0.0, -0.1, 1.5, f64::NAN] {
            assert!(matches!(state.promote(&wish(2, Some(share)), false), Err(AdapterError::Share(_))));
        }
        assert_eq!(state, before);
    }

    #[test]
    fn a_version_that_failed_is_taken_back_with_the_reason() {
        let mut state = State::default();
        state.promote(&wish(1, None), false).expect("promoted");
        state.promote(&wish(2, None), true).expect("promoted");
        assert_eq!(state.current.forced_by.as_deref(), Some("ann"));
        state.revert(2, "broken".to_owned());
        assert_eq!((state.current.version, state.fault.as_deref()), (Some(1), Some("broken")));
        state.promote(&wish(3, Some(0.2)), false).expect("on trial");
        assert_eq!(state.fault, None);
        state.revert(3, "broken too".to_owned());
        assert_eq!((state.current.version, state.candidate), (Some(1), None));
    }
}
