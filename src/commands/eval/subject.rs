//! What is judged: a base, and perhaps an adapter over it.

use std::path::{Path, PathBuf};

use super::Args;
use crate::config::Config;
use crate::domain::run::Manifest;
use crate::model::adapters::{AdapterId, Base, Bundle, Registry};
use crate::model::{SharedModel, library};
use crate::tools::Calibration;

/// What is judged.
pub(super) struct Subject {
    pub(super) base: library::ModelFolder,
    pub(super) bundle: Option<Bundle>,
    /// The run it came from, if it is still there.
    pub(super) run: Option<PathBuf>,
    /// How the adapter's scores of labels are read, if it is a tool's.
    pub(super) calibration: Option<Calibration>,
}

/// The version that serves now.
pub(super) struct Rival {
    bundle: Bundle,
    /// How its scores of labels are read, if it is a tool's.
    pub(super) calibration: Option<Calibration>,
}

impl Rival {
    /// Loads it beside what is judged; `name@version`.
    pub(super) async fn load(&self, model: &SharedModel) -> anyhow::Result<String> {
        let id = self.bundle.id.to_string();
        model.install(self.bundle.clone()).await?;
        model.prove(&id).await?;
        Ok(id)
    }
}

/// How the adapter of a run is called while it is judged.
const JUDGED: &str = "judged";

impl Subject {
    /// The version that serves under `name`; the base alone if there is none.
    pub(super) fn serving(name: &str, config: &Config) -> anyhow::Result<Self> {
        let base = library::resolve(&config.models_dir(), &config.model.name)?;
        let registry = config.adapters();
        let version = match registry.names()?.iter().any(|known| known == name) {
            true => registry.state(name)?.current.version,
            false => None,
        };
        let Some(version) = version else {
            return Ok(Self { base, bundle: None, run: None, calibration: None });
        };
        let id = AdapterId::new(name, version)?;
        let bundle = registry.check(&id, Some(&Base::read(&base.path, &registry.cache())?))?;
        let calibration = calibration(&registry.folder(&id)?)?;
        Ok(Self { base, bundle: Some(bundle), run: None, calibration })
    }

    /// A PEFT folder that is in no registry, beside the version that serves under the same name.
    pub(super) fn of_run(
        dir: &Path,
        name: &str,
        base: library::ModelFolder,
        config: &Config,
    ) -> anyhow::Result<(Self, Option<Rival>)> {
        let subject = Self { base, bundle: None, run: None, calibration: None };
        let rival = subject.rival(name, config)?;
        // Both are in the engine at once, so their names must differ.
        let judged = if name == JUDGED { "candidate" } else { JUDGED };
        let bundle = subject.bundle_of(dir, judged, config)?;
        Ok((Self { bundle: Some(bundle), ..subject }, rival))
    }

    /// The version that serves under `name`; one that this base cannot be served with is no rival.
    fn rival(&self, name: &str, config: &Config) -> anyhow::Result<Option<Rival>> {
        let registry = config.adapters();
        let Some(version) = registry.state(name)?.current.version else { return Ok(None) };
        let id = AdapterId::new(name, version)?;
        let base = Base::read(&self.base.path, &registry.cache())?;
        match registry.check(&id, Some(&base)) {
            Ok(bundle) => Ok(Some(Rival { bundle, calibration: calibration(&registry.folder(&id)?)? })),
            Err(fault) => {
                eprintln!("{id} serves now, and is not compared with: {fault}");
                Ok(None)
            }
        }
    }

    pub(super) fn find(args: &Args, config: &Config) -> anyhow::Result<Self> {
        let Some(adapter) = &args.adapter else {
            let base = library::resolve(&config.models_dir(), &config.model.name)?;
            return Ok(Self { base, bundle: None, run: None, calibration: None });
        };
        if Path::new(adapter).is_dir() {
            let base = library::resolve(&config.models_dir(), &config.model.name)?;
            let subject = Self { base, bundle: None, run: None, calibration: None };
            let bundle = subject.bundle_of(Path::new(adapter), JUDGED, config)?;
            return Ok(Self {
                bundle: Some(bundle),
                calibration: calibration(Path::new(adapter))?,
                ..subject
            });
        }
        let id: AdapterId = adapter.parse()?;
        let registry = config.adapters();
        let manifest = registry.manifest(&id)?;
        let base = library::resolve(&config.models_dir(), &manifest.base)?;
        let bundle = registry.check(&id, Some(&Base::read(&base.path, &registry.cache())?))?;
        let run = manifest.run.map(|run| config.runs_dir().join(run)).filter(|run| run.is_dir());
        let calibration = calibration(&registry.folder(&id)?)?;
        Ok(Self { base, bundle: Some(bundle), run, calibration })
    }

    /// A PEFT folder that is in no registry, looked at as if it were.
    fn bundle_of(&self, dir: &Path, name: &str, config: &Config) -> anyhow::Result<Bundle> {
        let base = Base::read(&self.base.path, &config.adapters().cache())?;
        let scratch = tempfile::tempdir()?;
        let registry = Registry::new(scratch.path().to_owned(), Vec::new());
        let manifest = Manifest {
            name: name.to_owned(),
            version: 0,
            base: self.base.name.clone(),
            base_fingerprint: base.fingerprint().to_owned(),
            weights_hash: String::new(),
            data_hash: String::new(),
            recipe: String::new(),
            scorecard: None,
            run: None,
            created_at: 0,
            forced_by: None,
            tainted: false,
            files: Default::default(),
        };
        let id = registry.publish(dir, manifest)?;
        Ok(registry.check(&id, Some(&base))?)
    }

    pub(super) async fn load(self, config: &Config) -> anyhow::Result<(SharedModel, Option<String>)> {
        let model = super::super::serve::load_engine(&self.base, config).await?;
        let Some(bundle) = self.bundle else { return Ok((model, None)) };
        let id = bundle.id.to_string();
        model.install(bundle).await?;
        model.prove(&id).await?;
        Ok((model, Some(id)))
    }
}

fn calibration(folder: &Path) -> anyhow::Result<Option<Calibration>> {
    Calibration::of(folder).map_err(anyhow::Error::msg)
}
