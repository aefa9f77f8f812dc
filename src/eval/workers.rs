//! Who a tool's suite asks: the base, or one version.

use std::collections::BTreeMap;

use crate::tools::{Calibration, Toolbox, Workers};

/// The tools, and how an adapter's scores are read.
#[derive(Clone)]
pub struct Cast {
    tools: Toolbox,
    calibration: Option<Calibration>,
    /// Of other versions that are judged as well, by their names.
    others: BTreeMap<String, Option<Calibration>>,
}

impl Cast {
    /// `calibration` is that of the adapter which is judged, if it has one.
    pub fn new(tools: Toolbox, calibration: Option<Calibration>) -> Self {
        Self { tools, calibration, others: BTreeMap::new() }
    }

    /// Another version is judged too, and its scores are read in its own way.
    #[must_use]
    pub fn beside(mut self, adapter: &str, calibration: Option<Calibration>) -> Self {
        self.others.insert(adapter.to_owned(), calibration);
        self
    }

    /// The attributes of a category; none if it is not known.
    pub fn attributes_of(&self, category: &str) -> Vec<String> {
        self.tools.prompts().attributes_of(category).map(<[String]>::to_vec).unwrap_or_default()
    }

    /// The tools done by `adapter`, or by the base.
    pub(super) fn tools(&self, adapter: Option<&str>) -> Toolbox {
        let own = |name| self.others.get(name).unwrap_or(&self.calibration);
        let calibration = adapter.and_then(|name| own(name).clone());
        self.tools.by(Workers::Only { adapter: adapter.map(str::to_owned), calibration })
    }
}
