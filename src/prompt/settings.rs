//! Where the shop's own words are; the `[shop]` table of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder with `shop.toml`, `policies/*.md`, `products.json` and, if there are any, `orders.json`; empty means the demo shop in the binary.
    pub folder: PathBuf,
    /// A folder whose templates replace the built-in ones of the same name. In `unknown`, `not_understood`, `small_talk` and `product` a line `[de]` begins the text for German shops.
    pub prompts: PathBuf,
}

impl Settings {
    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        let named = [("folder", &self.folder), ("prompts", &self.prompts)];
        named
            .into_iter()
            .filter(|(_, path)| !path.as_os_str().is_empty() && !path.is_dir())
            .map(|(key, path)| {
                format!("{key}: there is no folder {}; make it or leave the key out", path.display())
            })
            .collect()
    }
}
