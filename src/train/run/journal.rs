//! What happened, step by step: `metrics.jsonl` for people and the dashboard, event files for TensorBoard.

use std::io::{BufRead, BufReader, Write};
use std::time::Instant;

use fs_err as fs;

use super::Folder;
use super::tensorboard::Board;
use crate::domain::run::StepLog;
use crate::train::files;

/// The journal of one start of a run.
#[derive(Debug)]
pub struct Journal {
    metrics: fs::File,
    board: Board,
    started: (u64, Instant),
}

impl Journal {
    /// Opens the journal after `step`: what a killed start wrote of later steps is taken out, since they come again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Folder, step: Option<usize>, now: u64) -> std::io::Result<Self> {
        let kept: Vec<StepLog> = match step {
            Some(step) => read(folder)?.into_iter().filter(|log| log.step <= step).collect(),
            None => Vec::new(),
        };
        let mut text = Vec::new();
        for log in &kept {
            serde_json::to_writer(&mut text, log).map_err(std::io::Error::other)?;
            text.push(b'\n');
        }
        files::write(&folder.metrics(), &text)?;
        let metrics = fs::OpenOptions::new().append(true).open(folder.metrics())?;
        if step.is_none() && folder.tensorboard().is_dir() {
            fs::remove_dir_all(folder.tensorboard())?;
        }
        let board = Board::create(&folder.tensorboard(), step.map_or(0, |step| step + 1), now)?;
        Ok(Self { metrics, board, started: (now, Instant::now()) })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// A full disk.
    pub fn log(&mut self, log: &StepLog) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(log).map_err(std::io::Error::other)?;
        line.push(b'\n');
        self.metrics.write_all(&line)?;
        let mut values = vec![("memory/mib", log.memory_mib)];
        if log.step > 0 {
            values.extend([("train/lr", log.lr), ("train/tokens_per_second", log.tokens_per_second)]);
            values.push(("train/epoch", log.epoch));
        }
        values.extend(log.loss.map(|v| ("loss/train", v)));
        values.extend(log.dev_loss.map(|v| ("loss/dev", v)));
        values.extend(log.grad_norm.map(|v| ("train/grad_norm", v)));
        let now = self.started.0 + self.started.1.elapsed().as_millis() as u64;
        self.board.scalars(now, log.step, &values)
    }

    /// Makes everything so far last.
    ///
    /// # Errors
    /// A full disk.
    pub fn sync(&self) -> std::io::Result<()> {
        self.metrics.sync_all()
    }
}

/// The lines of a journal; a last one that a killed process did not finish is left out.
///
/// # Errors
/// What the file system says.
pub fn read(folder: &Folder) -> std::io::Result<Vec<StepLog>> {
    let file = folder.metrics();
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let mut logs = Vec::new();
    for line in BufReader::new(fs::File::open(file)?).split(b'\n') {
        logs.extend(serde_json::from_slice::<StepLog>(&line?));
    }
    Ok(logs)
}
