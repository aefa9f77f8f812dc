//! Fine-tuning beside a server: its rows, its children, its adapters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::process::Command;

use super::data::rows::{of_store, write_rows};
use super::wording::ToolWording;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::Manifest;
use crate::model::adapters::{Base, Registry};
use crate::model::library;
use crate::runs::rows::forget;
use crate::runs::{Gather, GatherError, Job, Launch, Parts, Publish, Runs};
use crate::store::Store;
use crate::train::data::prepare::{self, Place};

/// The service of runs. Needs a tokio runtime.
pub(super) fn open(config: &Config, store: &Store) -> anyhow::Result<Runs> {
    let runs = Runs::open(Parts {
        root: config.runs_dir(),
        models: config.models_dir(),
        settings: config.runs.clone(),
        clock: Clock::System,
        launch: launch(config)?,
        gather: Arc::new(Rows { store: store.clone(), config: config.clone() }),
        publish: Arc::new(Shelf { registry: config.adapters(), models: config.models_dir() }),
    })?;
    Ok(runs)
}

/// This program again, as a trainer or a judge.
fn launch(config: &Config) -> anyhow::Result<Launch> {
    let (data, file) = (std::path::absolute(&config.data)?, config.file.clone());
    Ok(Arc::new(move |job: &Job| {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--data").arg(&data);
        if let Some(file) = &file {
            command.arg("--config").arg(file);
        }
        let threads = match job {
            Job::Train { folder, resume, threads } => {
                command.arg("train").arg(folder).args(resume.then_some("--resume"));
                threads
            }
            Job::Evaluate { folder, threads } => {
                command.arg("eval").arg(folder);
                threads
            }
        };
        command
            .args(["--nice", "--leash"])
            .env("RAYON_NUM_THREADS", threads.to_string())
            // It serves nobody.
            .env_remove("SHOPCLERK_API_KEY");
        Ok(command)
    }))
}

/// Rows of the shop's own chats, and of files under `datasets`.
struct Rows {
    store: Store,
    config: Config,
}

impl Gather for Rows {
    fn gather(&self, recipe: &Recipe, folder: &Path) -> Result<serde_json::Value, GatherError> {
        let invalid = |fault: &dyn std::fmt::Display| GatherError::Invalid(fault.to_string());
        // Nobody is erased while their words are on the way from the store to the folder.
        let _gate = forget::gate(&self.config.data).map_err(|fault| GatherError::Store(fault.to_string()))?;
        let mut chats = None;
        if let Some(from) = &recipe.data.store {
            let prepared = of_store(&self.store, from, recipe, &self.config)
                .map_err(|fault| GatherError::Store(format!("{fault:#}")))?;
            if !prepared.rows.is_empty() {
                write_rows(&folder.join(prepare::ROWS), &prepared.rows).map_err(|fault| invalid(&fault))?;
            }
            chats = Some(prepared.report);
        }
        let beside = self.config.data.join("datasets");
        let wording = ToolWording::load(&self.config.shop).map_err(|fault| invalid(&fault))?;
        let place = Place { folder, beside: &beside, now: Clock::System.now(), wording: Some(&wording) };
        let files = prepare::prepare(recipe, place).map_err(|fault| invalid(&fault))?;
        Ok(serde_json::json!({"chats": chats, "files": files}))
    }
}

/// The registry of adapters.
struct Shelf {
    registry: Registry,
    models: PathBuf,
}

impl Publish for Shelf {
    fn publish(&self, adapter: &Path, mut manifest: Manifest) -> Result<String, String> {
        let publish = || -> anyhow::Result<String> {
            let folder = library::resolve(&self.models, &manifest.base)?;
            let base = Base::read(&folder.path, &self.registry.cache())?;
            manifest.base_fingerprint = base.fingerprint().to_owned();
            let id = self.registry.publish(adapter, manifest)?;
            if let Err(fault) = self.registry.check(&id, Some(&base)) {
                self.registry.remove(&id)?;
                return Err(fault.into());
            }
            Ok(id.to_string())
        };
        publish().map_err(|fault| format!("{fault:#}"))
    }
}
