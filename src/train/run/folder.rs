//! The names in a run's folder, and that only one trainer works in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use fs_err as fs;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::domain::recipe::Recipe;

/// A server that lists the runs holds the lock for a moment, to see whether anybody else does.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 10;

/// A run's folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Held while a trainer works; the kernel lets go when the process ends, however it ends.
pub struct Lock(#[expect(dead_code, reason = "held, never read")] fs::File);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn recipe_file(&self) -> PathBuf {
        self.0.join("recipe.toml")
    }

    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    pub fn adapter(&self) -> PathBuf {
        self.0.join("adapter")
    }

    pub fn control(&self) -> PathBuf {
        self.0.join("control")
    }

    /// The report on the data.
    pub fn data(&self) -> PathBuf {
        self.0.join("data.json")
    }

    /// Which part every row is in.
    pub fn parts(&self) -> PathBuf {
        self.0.join("parts.json")
    }

    /// What came out: `result.json`.
    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    pub fn trials(&self) -> PathBuf {
        self.0.join("trials.jsonl")
    }

    /// The folder of one trial of a search.
    pub fn trial(&self, number: usize) -> Self {
        Self(self.0.join("trials").join(format!("{number:03}")))
    }

    /// Whether a trainer has worked here.
    pub fn has_begun(&self) -> bool {
        let some = |folder: PathBuf| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        some(self.checkpoints()) || some(self.0.join("trials"))
    }

    pub fn tensorboard(&self) -> PathBuf {
        self.0.join("tensorboard")
    }

    /// Reads the recipe.
    ///
    /// # Errors
    /// No such file, or faults in it, by name.
    pub fn recipe(&self) -> anyhow::Result<Recipe> {
        let file = self.recipe_file();
        if !file.is_file() {
            bail!(
                "{}: there is no recipe.toml here; give a recipe, or the folder of a run",
                self.0.display()
            );
        }
        Recipe::from_toml(&fs::read_to_string(&file)?).with_context(|| file.display().to_string())
    }

    /// Takes the folder for this process alone.
    ///
    /// # Errors
    /// Another trainer works in it.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.0.join(".lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        let mut taken = lock_of(&file);
        for _ in 0..LOOKS {
            if taken != Err(Errno::WOULDBLOCK) {
                break;
            }
            std::thread::sleep(LOOK);
            taken = lock_of(&file);
        }
        match taken {
            Ok(()) => Ok(Lock(file)),
            Err(fault) if fault == Errno::WOULDBLOCK => {
                bail!("{}: another trainer works in this folder; wait for it or stop it", self.0.display())
            }
            Err(fault) => Err(std::io::Error::from(fault)).with_context(|| path.display().to_string()),
        }
    }
}

fn lock_of(file: &fs::File) -> Result<(), Errno> {
    rustix::fs::flock(file.file(), FlockOperation::NonBlockingLockExclusive)
}
