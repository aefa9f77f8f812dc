//! From a judged run to a version in the registry of adapters, for the server and for the command line.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Manifest, Run};
use crate::model::adapters::{AdapterId, Base, Registry};
use crate::model::library;
use crate::runs::{COMMAND_LINE, Folder, Publish, manifest_of};

/// The registry of adapters.
pub(super) struct Shelf {
    registry: Registry,
    models: PathBuf,
}

impl Shelf {
    pub(super) fn of(config: &Config) -> Self {
        Self { registry: config.adapters(), models: config.models_dir() }
    }

    /// The next version of the run's name, or the one it was taken in as before; nobody is served with it yet.
    ///
    /// # Errors
    /// A run that is not finished or not judged, or an adapter that could not be served.
    pub(super) fn take_in(&self, run: &Path, name: Option<String>) -> anyhow::Result<AdapterId> {
        let judged = manifest_of(run, Clock::System.now());
        let mut manifest =
            judged.with_context(|| format!("judge it first: shopclerk eval {}", run.display()))?;
        if let Some(name) = name {
            // The name says whose work it does, and the recipe whether it learnt that.
            let recipe = Recipe { name: name.clone(), ..Recipe::from_toml(&manifest.recipe)? };
            recipe.check().context("it was not taken in")?;
            manifest.name = name;
        }
        let id = self.put(&run.join("adapter"), manifest).context("it was not taken in")?;
        let folder = Folder::new(run);
        let known = folder.run()?;
        // The runs of a server are the server's to write to.
        if known.by == COMMAND_LINE {
            folder.save(&Run { published: Some(id.to_string()), ..known })?;
        }
        Ok(id)
    }

    fn put(&self, adapter: &Path, mut manifest: Manifest) -> anyhow::Result<AdapterId> {
        let folder = library::resolve(&self.models, &manifest.base)?;
        let base = Base::read(&folder.path, &self.registry.cache())?;
        manifest.base_fingerprint = base.fingerprint().to_owned();
        let id = self.registry.publish(adapter, manifest)?;
        if let Err(fault) = self.registry.check(&id, Some(&base)) {
            self.registry.remove(&id)?;
            return Err(fault.into());
        }
        Ok(id)
    }
}

impl Publish for Shelf {
    fn publish(&self, adapter: &Path, manifest: Manifest) -> Result<String, String> {
        self.put(adapter, manifest).map(|id| id.to_string()).map_err(|fault| format!("{fault:#}"))
    }
}
