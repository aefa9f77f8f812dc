//! From a finished run to a version in the registry of adapters.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::folder::Folder;
use super::rows::forget::TAINTED;
use crate::clock::Millis;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Manifest, Run, Scorecard};

/// The registry of adapters, as far as a run needs it.
pub trait Publish: Send + Sync {
    /// Puts the PEFT folder `adapter` into the registry under the next version of `manifest.name`; `manifest.version` and
    /// `manifest.base_fingerprint` are filled in by the registry where they are 0 and empty. Nothing is promoted. Asked again
    /// for the same `manifest.run`, as after a crash before anybody had written down the answer, it gives the same version.
    ///
    /// Returns `name@version`.
    ///
    /// # Errors
    /// Why the adapter cannot be served, in words.
    fn publish(&self, adapter: &Path, manifest: Manifest) -> Result<String, String>;
}

/// What the adapter of the judged run in `folder` says of itself.
///
/// # Errors
/// A run that is not finished or not judged: the file that is missing.
pub fn manifest_of(folder: &Path, now: Millis) -> std::io::Result<Manifest> {
    let folder = Folder::new(folder);
    let run = folder.run().map_err(std::io::Error::other)?;
    manifest(&folder, &run, now)
}

/// What the adapter of `run` says of itself.
pub(super) fn manifest(folder: &Folder, run: &Run, now: Millis) -> std::io::Result<Manifest> {
    // Of a search the recipe that won: it says what the adapter is.
    let won = folder.file("winner.toml");
    let text = fs_err::read_to_string(if won.is_file() { won } else { folder.file("recipe.toml") })?;
    let base = Recipe::from_toml(&text).map(|recipe| recipe.base).unwrap_or_default();
    let scorecard = fs_err::read(folder.file("scorecard.json"))?;
    let mut scorecard: Scorecard = serde_json::from_slice(&scorecard).map_err(std::io::Error::other)?;
    let tainted = folder.file(TAINTED).exists();
    if tainted {
        // Examples of somebody who was erased while the run went on.
        scorecard.suites.iter_mut().for_each(|suite| suite.details = serde_json::Value::Null);
        folder.write(
            "scorecard.json",
            &serde_json::to_vec_pretty(&scorecard).map_err(std::io::Error::other)?,
        )?;
    }
    Ok(Manifest {
        name: run.name.clone(),
        version: 0,
        base,
        base_fingerprint: String::new(),
        weights_hash: hash_of(&folder.file("adapter/adapter_model.safetensors"))?,
        data_hash: hash_of(&folder.file("rows.jsonl"))?,
        recipe: text,
        scorecard: Some(scorecard),
        run: Some(run.id.clone()),
        created_at: now,
        forced_by: None,
        tainted,
        files: std::collections::BTreeMap::new(),
    })
}

/// SHA-256 of a file, in hex.
fn hash_of(path: &Path) -> std::io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}
