//! Checkpoints: everything a killed run needs to go on as if nothing had happened.
//!
//! `checkpoints/step-000012/` holds the network's files and `state.json`. It appears whole or not at all (written beside its
//! place, synced, renamed), and the one before is removed only then. Kept are the newest and the best. A step that is saved again
//! keeps its network, which is the same, and gets a new `state.json`: nothing is removed that a kill could leave removed.

use std::path::PathBuf;

use anyhow::{Context, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Folder, Net};
use crate::train::files;

const STATE: &str = "state.json";

/// Why a run ended before its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The dev loss did not get better for `train.patience` looks.
    Patience,
    /// `train.minutes` are over.
    Minutes,
    /// Worse than the other trials of a search at the same point.
    Pruned,
}

/// A checkpoint among the best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub step: usize,
    pub dev_loss: f64,
}

/// Where a run is. With the recipe and the data it decides everything that follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds worked, over all starts.
    pub seconds: f64,
    /// Seconds of those spent on steps, without looks at the dev part.
    pub step_seconds: f64,
    /// The untrained adapter's loss on the dev part.
    pub base_dev: Option<f64>,
    /// The best so far, best first.
    pub best: Vec<Kept>,
    /// Looks since the last one that was the best.
    pub stale: usize,
    pub stopped: Option<Stop>,
    /// Of the frozen weights; a resumed run must find the same.
    pub base_checksum: u64,
    /// Of the recipe and the rows.
    pub fingerprint: u64,
}

impl Folder {
    /// Where the checkpoint of a step is.
    pub fn checkpoint(&self, step: usize) -> PathBuf {
        self.checkpoints().join(format!("step-{step:06}"))
    }

    /// Writes a checkpoint, then removes those that are neither the newest nor among the best.
    ///
    /// # Errors
    /// A full disk; the checkpoints before are untouched.
    pub fn save(&self, state: &State, net: &dyn Net) -> anyhow::Result<()> {
        let place = self.checkpoint(state.step);
        let written = if place.join(STATE).is_file() {
            files::write_json(&place.join(STATE), state).map_err(anyhow::Error::from)
        } else {
            files::write_folder(&place, |folder| {
                net.save(folder)?;
                files::write_json(&folder.join(STATE), state)?;
                anyhow::Ok(())
            })
        };
        written.with_context(|| {
            format!(
                "the checkpoint of step {} cannot be written to {}; what was written before is whole: free some space and \
                 go on with `shopclerk train --resume {}`",
                state.step,
                self.checkpoints().display(),
                self.path().display()
            )
        })?;
        for step in self.saved_steps()? {
            if step < state.step && !state.best.iter().any(|kept| kept.step == step) {
                fs::remove_dir_all(self.checkpoint(step))?;
            }
        }
        Ok(())
    }

    /// The newest checkpoint's state; `None` before the first.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn newest(&self) -> anyhow::Result<Option<State>> {
        files::sweep(&self.checkpoints())?;
        let Some(step) = self.saved_steps()?.into_iter().max() else { return Ok(None) };
        let file = self.checkpoint(step).join(STATE);
        let state: State =
            serde_json::from_str(&fs::read_to_string(&file)?).with_context(|| file.display().to_string())?;
        Ok(Some(state))
    }

    /// Removes all checkpoints: the run begins anew.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget(&self) -> anyhow::Result<()> {
        for step in self.saved_steps()? {
            fs::remove_dir_all(self.checkpoint(step))?;
        }
        files::sweep(&self.checkpoints())?;
        Ok(())
    }

    fn saved_steps(&self) -> anyhow::Result<Vec<usize>> {
        let folder = self.checkpoints();
        if !folder.exists() {
            return Ok(Vec::new());
        }
        if !folder.is_dir() {
            bail!("{}: not a folder; remove it", folder.display());
        }
        let mut steps = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if let Some(step) = name.to_string_lossy().strip_prefix("step-").and_then(|s| s.parse().ok()) {
                steps.push(step);
            }
        }
        Ok(steps)
    }
}
