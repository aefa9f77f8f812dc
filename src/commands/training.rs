//! Fine-tuning beside a server: its rows, its children, its adapters.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::process::Command;

use super::clean::Cleaner;
use super::data::open_existing;
use super::data::rows::{of_store, write_rows};
use super::shelf::Shelf;
use super::wording::ToolWording;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::{Recipe, StoreRecipe};
use crate::runs::rows::{Report, forget};
use crate::runs::{Gather, GatherError, Job, Launch, Parts, Runs};
use crate::store::Store;
use crate::train::data::DataError;
use crate::train::data::prepare::{self, Clean, Place};

/// The service of runs. Needs a tokio runtime.
pub(super) fn open(config: &Config, store: &Store) -> anyhow::Result<Runs> {
    let runs = Runs::open(Parts {
        root: config.runs_dir(),
        models: config.models_dir(),
        settings: config.runs.clone(),
        model: config.model.clone(),
        clock: Clock::System,
        launch: launch(config)?,
        gather: Arc::new(Rows { store: store.clone(), config: config.clone() }),
        publish: Arc::new(Shelf::of(config)),
    })?;
    Ok(runs)
}

/// This program again, as a trainer or a judge: of the same data folder, shop and model as the server, whichever way it was told them.
fn launch(config: &Config) -> anyhow::Result<Launch> {
    let (data, file) = (std::path::absolute(&config.data)?, config.file.clone());
    let shop = Some(&config.shop.folder).filter(|folder| !folder.as_os_str().is_empty());
    let shop = shop.map(std::path::absolute).transpose()?;
    let model = config.model.name.clone();
    Ok(Arc::new(move |job: &Job| {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("SHOPCLERK__MODEL__NAME", &model);
        if let Some(shop) = &shop {
            command.env("SHOPCLERK__SHOP__FOLDER", shop);
        }
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
            let report = put(&self.store, from, recipe, (&self.config, folder));
            chats = Some(report.map_err(|fault| GatherError::Store(format!("{fault:#}")))?);
        }
        let beside = self.config.data.join("datasets");
        let wording = ToolWording::load(&self.config.shop).map_err(|fault| invalid(&fault))?;
        let clean = Cleaner::of(recipe, &self.config).map_err(|fault| invalid(&fault))?;
        let clean = clean.as_ref().map(|clean| clean as &dyn Clean);
        let place =
            Place { folder, beside: &beside, now: Clock::System.now(), wording: Some(&wording), clean };
        let files = match prepare::prepare(recipe, place) {
            Ok(report) => Some(report),
            // That no conversation gave a row is no fault: the report says why.
            Err(DataError::Empty(_)) if chats.is_some() => None,
            Err(fault) => return Err(invalid(&fault)),
        };
        Ok(serde_json::json!({"chats": chats, "files": files}))
    }
}

/// Writes the rows of the shop's own chats into a run's folder, if there are any; says what was left out.
fn put(
    store: &Store,
    from: &StoreRecipe,
    recipe: &Recipe,
    (config, folder): (&Config, &Path),
) -> anyhow::Result<Report> {
    let prepared = of_store(store, from, recipe, config)?;
    if !prepared.rows.is_empty() {
        write_rows(&folder.join(prepare::ROWS), &prepared.rows)?;
    }
    Ok(prepared.report)
}

/// As the server does it, while no server has the store; `None` if the recipe wants no conversations. Blocks: call it off the
/// runtime.
pub(super) fn put_chats(recipe: &Recipe, config: &Config, folder: &Path) -> anyhow::Result<Option<Report>> {
    let Some(from) = &recipe.data.store else { return Ok(None) };
    let _gate = forget::gate(&config.data)?;
    let store = open_existing(config).context(
        "data.store: where a server has the store, ask the server for this run: POST /v1/staff/runs, or the dashboard",
    )?;
    let put = put(&store, from, recipe, (config, folder));
    tokio::runtime::Handle::current().block_on(store.close());
    put.map(Some)
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};

    use super::*;

    fn environment(config: &Config, name: &str) -> Option<OsString> {
        let job = Job::Evaluate { folder: "run".into(), threads: 1 };
        let command = launch(config).expect("a folder to be in")(&job).expect("a program to start");
        let found = command.as_std().get_envs().find(|(key, _)| *key == OsStr::new(name));
        found.and_then(|(_, value)| value.map(OsStr::to_owned))
    }

    /// `serve --shop DIR --model NAME` is in no file and in no environment.
    #[test]
    fn a_child_knows_the_shop_and_the_model_of_its_server() {
        let mut config = Config::default();
        assert_eq!(environment(&config, "SHOPCLERK__SHOP__FOLDER"), None);
        assert_eq!(environment(&config, "SHOPCLERK__MODEL__NAME"), Some(config.model.name.clone().into()));
        (config.shop.folder, config.model.name) = ("my-shop".into(), "big".to_owned());
        let whole = |name: &str| Some(std::path::absolute(name).expect("a folder to be in").into_os_string());
        assert_eq!(environment(&config, "SHOPCLERK__SHOP__FOLDER"), whole("my-shop"));
        assert_eq!(environment(&config, "SHOPCLERK__MODEL__NAME"), Some("big".into()));
    }
}
