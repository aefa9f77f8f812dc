//! Erasures that were begun: on the disk before anything is removed, until everything is.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::ShopperId;
use crate::staff::{Durable, StaffError};

/// The whole of `erasing.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    /// Whom, and who asked for it.
    shoppers: BTreeMap<ShopperId, String>,
}

pub(super) struct Pending(Durable<Data>);

impl Pending {
    pub(super) fn open(folder: &Path) -> Result<Self, StaffError> {
        Ok(Self(Durable::open(folder.join("erasing.json"))?))
    }

    pub(super) fn all(&self) -> Vec<(ShopperId, String)> {
        self.0.get().shoppers.iter().map(|(id, by)| (*id, by.clone())).collect()
    }

    /// From here on it will be done, whatever happens.
    pub(super) fn begin(&self, id: ShopperId, by: &str) -> Result<(), StaffError> {
        self.0.change(|data| {
            data.shoppers.insert(id, by.to_owned());
            Ok(())
        })
    }

    pub(super) fn done(&self, id: ShopperId) -> Result<(), StaffError> {
        self.0.change(|data| {
            data.shoppers.remove(&id);
            Ok(())
        })
    }
}
