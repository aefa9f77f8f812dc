//! The small files that are served beside the weights: the config, and what a tool keeps with its adapter.
//!
//! A number that changed in one of them parses as well as before. So the manifest holds a hash of each, and whoever knows what a
//! tool's file means judges it ([`Judge`]) before the version serves. A manifest of before has no hashes; its files are only judged.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::check::CONFIG;
use super::{AdapterError, files};

/// What a tool keeps beside its adapter.
pub(super) const EXTRAS: [&str; 1] = ["calibration.json"];

/// Says what is wrong with the content of a tool's file; this room only knows that it is JSON.
pub type Judge = fn(&[u8]) -> Result<(), String>;

/// The SHA-256 of each such file in `folder`, by its name.
pub(super) fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, AdapterError> {
    served(folder).map(|name| Ok((name.to_owned(), hash(&fs_err::read(folder.join(name))?)))).collect()
}

/// Compares the files of `folder` with the hashes in its manifest, and has those of a tool judged.
pub(super) fn check(
    folder: &Path,
    known: &BTreeMap<String, String>,
    judge: Option<Judge>,
) -> Result<(), AdapterError> {
    for name in known.keys().filter(|name| EXTRAS.contains(&name.as_str())) {
        if !folder.join(name).is_file() {
            return Err(AdapterError::damaged(&folder.join(name), "is missing"));
        }
    }
    for name in served(folder) {
        let file = folder.join(name);
        // Bounded, and JSON.
        files::read_json::<Value>(&file)?;
        let bytes = fs_err::read(&file)?;
        if !known.is_empty() && known.get(name) != Some(&hash(&bytes)) {
            let problem = "its content is not what `files` in manifest.json says (wrong SHA-256)";
            return Err(AdapterError::damaged(&file, problem));
        }
        if let Some(judge) = judge.filter(|_| name != CONFIG) {
            judge(&bytes).map_err(|problem| AdapterError::damaged(&file, problem))?;
        }
    }
    Ok(())
}

fn served(folder: &Path) -> impl Iterator<Item = &'static str> {
    std::iter::once(CONFIG).chain(EXTRAS).filter(|name| folder.join(name).is_file())
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
