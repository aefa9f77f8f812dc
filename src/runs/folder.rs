//! The files of one run; what they mean is said at [`crate::domain::run`]. Whatever the server writes appears whole or not
//! at all, and is on the disk when the function returns.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;

use super::error::RunsError;
use crate::domain::run::{Control, Row, Run, Scorecard, StepLog, Trial};

/// What may be fetched of a run, by its public name.
const ARTEFACTS: [(&str, &str); 14] = [
    ("recipe.toml", "recipe.toml"),
    ("winner.toml", "winner.toml"),
    ("rows.jsonl", "rows.jsonl"),
    ("report.json", "report.json"),
    ("data.json", "data.json"),
    ("metrics.jsonl", "metrics.jsonl"),
    ("trials.jsonl", "trials.jsonl"),
    ("log.txt", "log.txt"),
    ("scorecard.json", "scorecard.json"),
    ("adapter_config.json", "adapter/adapter_config.json"),
    ("adapter_model.safetensors", "adapter/adapter_model.safetensors"),
    ("README.md", "adapter/README.md"),
    ("model.gguf", "model.gguf"),
    ("run.json", "run.json"),
];

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Replaces a file: written beside it, flushed to the disk, renamed.
    pub fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.file(name);
        let mut beside = tempfile::NamedTempFile::new_in(&self.0)?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        beside.persist(&path).map_err(|fault| fault.error)?;
        fs_err::File::open(&self.0)?.sync_all()
    }

    pub fn save(&self, run: &Run) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(run).map_err(std::io::Error::other)?;
        self.write("run.json", &text)
    }

    pub fn run(&self) -> Result<Run, RunsError> {
        self.json("run.json")?.ok_or(RunsError::Unknown)
    }

    /// How many rows there are to train on.
    pub fn count_rows(&self) -> std::io::Result<usize> {
        let Some(file) = open(&self.file("rows.jsonl"))? else { return Ok(0) };
        let mut count = 0;
        for line in BufReader::new(file).lines() {
            count += usize::from(!line?.trim().is_empty());
        }
        Ok(count)
    }

    /// At most `limit` rows behind the first `skip`.
    pub fn rows(&self, skip: usize, limit: usize) -> std::io::Result<Vec<Row>> {
        let Some(file) = open(&self.file("rows.jsonl"))? else { return Ok(Vec::new()) };
        let rows = BufReader::new(file).lines().skip(skip).take(limit);
        rows.map(|line| serde_json::from_str(&line?).map_err(std::io::Error::other)).collect()
    }

    /// Tells the trainer what to do before its next step.
    pub fn control(&self, word: Control) -> std::io::Result<()> {
        let word = match word {
            Control::Go => "go\n",
            Control::Pause => "pause\n",
            Control::Cancel => "cancel\n",
        };
        self.write("control", word.as_bytes())
    }

    /// True if the trainer was told to give up.
    pub fn is_cancelled(&self) -> bool {
        fs_err::read_to_string(self.file("control")).is_ok_and(|word| word.trim() == "cancel")
    }

    /// True if a trainer held this folder and ended, however it ended: the kernel lets go of the lock that `train` takes.
    pub(super) fn is_let_go(&self) -> bool {
        let Ok(lock) = fs_err::File::open(self.file(".lock")) else { return false };
        // Shared, and given back when the file is closed here.
        rustix::fs::flock(lock.file(), FlockOperation::NonBlockingLockShared).is_ok()
    }

    /// True if the trainer left something to go on from.
    pub fn has_checkpoint(&self) -> bool {
        fs_err::read_dir(self.file("checkpoints")).is_ok_and(|mut entries| entries.next().is_some())
    }

    pub fn has_adapter(&self) -> bool {
        self.file("adapter/adapter_model.safetensors").is_file()
    }

    /// The journal after step `after`, one entry a step: a step that was made again after a resume counts as it was made last.
    pub fn steps(&self, after: Option<usize>) -> std::io::Result<Vec<StepLog>> {
        let mut steps = BTreeMap::new();
        for log in self.lines::<StepLog>("metrics.jsonl")? {
            merge(&mut steps, log);
        }
        Ok(steps.into_values().filter(|log: &StepLog| after.is_none_or(|after| log.step > after)).collect())
    }

    pub fn trials(&self) -> std::io::Result<Vec<Trial>> {
        self.lines("trials.jsonl")
    }

    pub fn scorecard(&self) -> Result<Option<Scorecard>, RunsError> {
        self.json("scorecard.json")
    }

    pub fn report(&self) -> Result<Option<serde_json::Value>, RunsError> {
        self.json("report.json")
    }

    /// The last `bytes` of the log at most, from the beginning of a line.
    pub fn log_tail(&self, bytes: u64) -> std::io::Result<String> {
        let Some(mut file) = open(&self.file("log.txt"))? else { return Ok(String::new()) };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut text = Vec::new();
        file.take(bytes).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        if length <= bytes {
            return Ok(text.into_owned());
        }
        Ok(text.split_once('\n').map_or("", |(_, rest)| rest).to_owned())
    }

    /// The path of a file that may be fetched, if it is there.
    pub fn artefact(&self, name: &str) -> Option<PathBuf> {
        let (_, place) = ARTEFACTS.iter().find(|(public, _)| *public == name)?;
        let path = self.file(place);
        fs_err::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()).then_some(path)
    }

    /// The names of the files that may be fetched now.
    pub fn artefacts(&self) -> Vec<&'static str> {
        ARTEFACTS.iter().map(|(name, _)| *name).filter(|name| self.artefact(name).is_some()).collect()
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RunsError> {
        let path = self.file(name);
        let Some(mut file) = open(&path)? else { return Ok(None) };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        serde_json::from_slice(&text).map(Some).map_err(|fault| RunsError::Damaged {
            file: path.display().to_string(),
            fault: fault.to_string(),
        })
    }

    /// Whole lines that can be read: the last one may be in the making.
    fn lines<T: DeserializeOwned>(&self, name: &str) -> std::io::Result<Vec<T>> {
        let Some(mut file) = open(&self.file(name))? else { return Ok(Vec::new()) };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(text.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

/// Puts `log` beside what is known of the same step: a look at the dev part may come on a line of its own.
pub(super) fn merge(steps: &mut BTreeMap<usize, StepLog>, mut log: StepLog) -> StepLog {
    if let Some(known) = steps.get(&log.step) {
        log.loss = log.loss.or(known.loss);
        log.dev_loss = log.dev_loss.or(known.dev_loss);
        log.grad_norm = log.grad_norm.or(known.grad_norm);
        log.eta = log.eta.or(known.eta);
    }
    steps.insert(log.step, log.clone());
    log
}

/// A file, or `None` if there is none.
fn open(path: &Path) -> std::io::Result<Option<fs_err::File>> {
    match fs_err::File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}
