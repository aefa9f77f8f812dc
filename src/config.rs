//! The whole configuration: each room's own settings, read from defaults, then a file, then the environment
//! (`SHOPCLERK__WEB__LISTEN`), then flags. Each fault comes with its key and its fix; values out of bounds are told all at once.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::model::adapters::Registry;
use crate::model::library;
use crate::runs::rows;
use crate::telemetry::LogStyle;
use crate::{chat, hooks, model, prompt, runs, store, tools, web};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of everything that changes: store, models, runs.
    pub data: PathBuf,
    /// `text` or `json`.
    pub log: LogStyle,
    pub web: web::Settings,
    pub chat: chat::Settings,
    pub model: model::Settings,
    pub store: store::Settings,
    pub shop: prompt::Settings,
    pub tools: tools::Settings,
    pub runs: runs::Settings,
    pub rows: rows::Settings,
    pub webhooks: hooks::Settings,
    /// The file it was read from, for children of this process.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            log: LogStyle::default(),
            web: web::Settings::default(),
            chat: chat::Settings::default(),
            model: model::Settings::default(),
            store: store::Settings::default(),
            shop: prompt::Settings::default(),
            tools: tools::Settings::default(),
            runs: runs::Settings::default(),
            file: None,
            rows: rows::Settings::default(),
            webhooks: hooks::Settings::default(),
        }
    }
}

/// The configuration where `--config` names none.
const FILE: &str = "shopclerk.toml";

/// What the command line may override.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Flags {
    /// Configuration file (TOML); shopclerk.toml in the working directory, if there is one, when absent
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Folder for the store and the models
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// The shop's folder (shop.toml, policies, products.json); the demo shop if absent
    #[arg(long, value_name = "DIR", global = true)]
    pub shop: Option<PathBuf>,
    // Some commands have an argument `model` of their own.
    /// The model that serves: its name, its folder, or `scripted`
    #[arg(id = "serving", long = "model", value_name = "NAME|DIR", global = true)]
    pub model: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} fault(s):\n{}", .0.len(), .0.iter().map(|f| format!("  - {f}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Defaults, then `flags.config`, else `shopclerk.toml` in the working directory if there is one, then the environment, then the
    /// other flags.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        let here = || Some(PathBuf::from(FILE)).filter(|file| file.is_file());
        let file = flags.config.clone().or_else(here);
        if let Some(file) = &file {
            if !file.is_file() {
                return Err(ConfigError(vec![format!(
                    "{}: no such file; give --config an existing TOML file",
                    file.display()
                )]));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed("SHOPCLERK__").split("__"));
        let mut config: Self = figment
            .extract()
            .map_err(|e| ConfigError(e.into_iter().map(|fault| explain(&fault)).collect()))?;
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(shop) = &flags.shop {
            config.shop.folder.clone_from(shop);
        }
        if let Some(model) = &flags.model {
            config.model.name.clone_from(model);
        }
        config.file = file;
        config.name_whole_folder();
        config.check()?;
        Ok(config)
    }

    /// A model in a folder outside the library is written down with its whole path: a run may go on from another working directory.
    fn name_whole_folder(&mut self) {
        let name = &self.model.name;
        let known = library::is_name(name) && (name == "scripted" || self.models_dir().join(name).is_dir());
        if !known
            && Path::new(name).is_dir()
            && let Some(whole) =
                std::path::absolute(name).ok().and_then(|path| path.into_os_string().into_string().ok())
        {
            self.model.name = whole;
        }
    }

    /// Refuses what cannot work, all of it at once.
    pub fn check(&self) -> Result<(), ConfigError> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(ConfigError(faults)) }
    }

    /// Where the conversations are.
    pub fn store_dir(&self) -> PathBuf {
        self.data.join("store")
    }

    /// Where accounts, the audit log and the search index are.
    pub fn staff_dir(&self) -> PathBuf {
        self.data.join("staff")
    }

    /// Where the models are.
    pub fn models_dir(&self) -> PathBuf {
        self.data.join("models")
    }

    /// The adapters: those of the data folder, and those that came with the program: in a folder `adapters` beside it, in
    /// `share/shopclerk/adapters` beside its `bin`, or in the working directory.
    pub fn adapters(&self) -> Registry {
        let beside: Vec<PathBuf> = match std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            Some(bin) => vec![bin.join("adapters"), bin.join("../share/shopclerk/adapters")],
            None => Vec::new(),
        };
        let here = std::env::current_dir().ok().map(|dir| dir.join("adapters"));
        let own = self.data.join("adapters");
        let shipped =
            beside.into_iter().chain(here).filter(|place| place.is_dir() && *place != own).collect();
        Registry::new(own, shipped).judging(tools::Calibration::judge).answering(&self.chat.adapter)
    }

    /// Where the training runs are.
    pub fn runs_dir(&self) -> PathBuf {
        self.data.join("runs")
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(self.web.faults().into_iter().map(|f| format!("web.{f}")));
        faults.extend(self.chat.faults().into_iter().map(|f| format!("chat.{f}")));
        faults.extend(self.shop.faults().into_iter().map(|f| format!("shop.{f}")));
        faults.extend(self.tools.faults().into_iter().map(|f| format!("tools.{f}")));
        faults.extend(self.runs.faults().into_iter().map(|f| format!("runs.{f}")));
        faults.extend(self.rows.faults());
        faults.extend(self.webhooks.faults().into_iter().map(|f| format!("webhooks.{f}")));
        if self.store.queue == 0 {
            faults.push("store.queue: 0 would refuse every message; use 1 or more".to_owned());
        }
        faults
    }
}

fn explain(fault: &figment::Error) -> String {
    let key = fault.path.join(".");
    let source = fault
        .metadata
        .as_ref()
        .and_then(|m| m.source.as_ref())
        .map_or_else(|| "the environment".to_owned(), |s| s.file_path().map_or_else(|| s.to_string(), show));
    let place = if key.is_empty() { source } else { format!("{source}: {key}") };
    format!("{place}: {}", fault.kind)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
