//! `name@version`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::super::library::is_name;
use super::AdapterError;

/// One version of an adapter. It never changes, and its number is never given again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdapterId {
    name: String,
    version: u32,
}

impl AdapterId {
    /// # Errors
    /// A name that is no plain file name, or version 0.
    pub fn new(name: &str, version: u32) -> Result<Self, AdapterError> {
        if !is_name(name) || version == 0 {
            return Err(AdapterError::Name(format!("{name}@{version}")));
        }
        Ok(Self { name: name.to_owned(), version })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> u32 {
        self.version
    }
}

impl fmt::Display for AdapterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for AdapterId {
    type Err = AdapterError;

    fn from_str(text: &str) -> Result<Self, AdapterError> {
        let parts = text.rsplit_once('@').and_then(|(name, version)| Some((name, version.parse().ok()?)));
        let (name, version) = parts.ok_or_else(|| AdapterError::Name(text.to_owned()))?;
        Self::new(name, version)
    }
}

impl TryFrom<String> for AdapterId {
    type Error = AdapterError;

    fn try_from(text: String) -> Result<Self, AdapterError> {
        text.parse()
    }
}

impl From<AdapterId> for String {
    fn from(id: AdapterId) -> Self {
        id.to_string()
    }
}
