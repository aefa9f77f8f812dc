//! What was read from files: the shop, its orders, the templates. The owner's words go over it.
//!
//! Products and policies change while the server runs, so they are read again when their files have. A set that has become
//! wrong leaves everything as it was. The profile stays as it was read: it is in what all prompts begin with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::facts::Facts;
use super::shop::Files;
use super::template::{Spoken, Template};
use super::{Orders, PromptError, Settings, Shop};

pub(super) struct Source {
    folder: PathBuf,
    pub(super) shop: Shop,
    pub(super) facts: Arc<Facts>,
    pub(super) orders: Arc<Orders>,
    pub(super) templates: Arc<Templates>,
    stamp: Stamp,
}

pub(super) struct Templates {
    pub(super) system: Template,
    pub(super) turn: Template,
    pub(super) not_understood: Spoken,
    pub(super) unknown: Spoken,
    pub(super) small_talk: Spoken,
    pub(super) product: Spoken,
    pub(super) choice: Template,
    pub(super) tools: Template,
    pub(super) summary: Template,
}

/// Tells one version of the products and policies from the next: each file with its time and length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<(String, Option<SystemTime>, u64)>);

impl Stamp {
    fn of(folder: &Path) -> Self {
        let files = Files { folder };
        if files.is_demo() {
            // It is in the program and never changes.
            return Self(Vec::new());
        }
        // A folder that cannot be listed is a fault when it is read.
        let policies = files.policies().unwrap_or_default().into_iter().map(|id| format!("policies/{id}.md"));
        let stamp = |name: String| {
            let about = fs_err::metadata(folder.join(&name)).ok()?;
            Some((name, about.modified().ok(), about.len()))
        };
        Self(["products.json".to_owned()].into_iter().chain(policies).filter_map(stamp).collect())
    }
}

impl Source {
    pub(super) fn load(settings: &Settings) -> Result<Self, PromptError> {
        let folder = settings.folder.clone();
        // Before anything is read: what changes meanwhile is then read again.
        let stamp = Stamp::of(&folder);
        let templates = Arc::new(Templates::load(&settings.prompts)?);
        let shop = Shop::load(&folder)?;
        let facts = Arc::new(Facts::of(&shop, &templates.product)?);
        let orders = Arc::new(Orders::load(&folder)?);
        Ok(Self { folder, shop, facts, orders, templates, stamp })
    }

    /// The same with the products and policies as their files say now.
    pub(super) fn again(&self) -> Result<Self, PromptError> {
        let (folder, stamp) = (self.folder.clone(), Stamp::of(&self.folder));
        let shop = self.shop.restocked(&folder)?;
        let facts = Arc::new(Facts::of(&shop, &self.templates.product)?);
        let (orders, templates) = (self.orders.clone(), self.templates.clone());
        Ok(Self { folder, shop, facts, orders, templates, stamp })
    }

    /// The files as they are now, if they are other than those that were read.
    pub(super) fn changed(&self) -> Option<Stamp> {
        let now = Stamp::of(&self.folder);
        (now != self.stamp).then_some(now)
    }

    /// False for the demo shop.
    pub(super) fn may_change(&self) -> bool {
        !self.folder.as_os_str().is_empty()
    }
}

impl Templates {
    fn load(folder: &Path) -> Result<Self, PromptError> {
        let template = |name| Template::load(name, folder);
        let spoken = |name| Spoken::load(name, folder);
        Ok(Self {
            system: template("system")?,
            turn: template("turn")?,
            not_understood: spoken("not_understood")?,
            unknown: spoken("unknown")?,
            small_talk: spoken("small_talk")?,
            product: spoken("product")?,
            choice: template("choice")?,
            tools: template("tools")?,
            summary: template("summary")?,
        })
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
