//! Follows the journal of a running trainer.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::folder::merge;
use crate::domain::run::StepLog;

/// The longest piece read at once, in bytes.
const PIECE: u64 = 1 << 20;

/// A reader of `metrics.jsonl` that remembers where it was.
#[derive(Debug)]
pub(super) struct Follow {
    path: PathBuf,
    at: u64,
    /// A line in the making.
    rest: Vec<u8>,
    steps: BTreeMap<usize, StepLog>,
}

impl Follow {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, at: 0, rest: Vec::new(), steps: BTreeMap::new() }
    }

    /// What was written since the last call. A journal that became shorter (the trainer goes back to a checkpoint) is read
    /// again from its beginning, and only what is new or different is reported.
    pub(super) fn more(&mut self) -> Vec<StepLog> {
        let Ok(mut file) = fs_err::File::open(&self.path) else { return Vec::new() };
        if file.metadata().is_ok_and(|meta| meta.len() < self.at) {
            self.at = 0;
            self.rest.clear();
        }
        let mut piece = Vec::new();
        if file.seek(SeekFrom::Start(self.at)).is_err() || file.take(PIECE).read_to_end(&mut piece).is_err() {
            return Vec::new();
        }
        self.at += piece.len() as u64;
        self.rest.extend_from_slice(&piece);
        let Some(end) = self.rest.iter().rposition(|b| *b == b'\n') else { return Vec::new() };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        let mut fresh = Vec::new();
        for log in lines.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<StepLog>(l).ok()) {
            let before = self.steps.get(&log.step).cloned();
            let merged = merge(&mut self.steps, log);
            if before.as_ref() != Some(&merged) {
                fresh.push(merged);
            }
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(step: usize, loss: f64) -> String {
        format!(
            "{{\"step\":{step},\"of\":9,\"epoch\":0.5,\"loss\":{loss},\"lr\":0.1,\"tokens_per_second\":1.0,\
             \"tokens\":1,\"memory_mib\":1.0,\"seconds\":1.0}}\n"
        )
    }

    #[test]
    fn reports_each_step_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut follow = Follow::new(path.clone());
        assert_eq!(follow.more(), []);
        let mut file = fs_err::File::create(&path).unwrap();
        let second = line(2, 2.0);
        file.write_all(format!("{}{}", line(1, 3.0), &second[..20]).as_bytes()).unwrap();
        let steps = |logs: Vec<StepLog>| logs.iter().map(|l| (l.step, l.loss)).collect::<Vec<_>>();
        assert_eq!(steps(follow.more()), [(1, Some(3.0))]);
        assert_eq!(steps(follow.more()), []);
        file.write_all(&second.as_bytes()[20..]).unwrap();
        assert_eq!(steps(follow.more()), [(2, Some(2.0))]);
        // The trainer goes back to step 1 and makes step 2 again.
        fs_err::write(&path, line(1, 3.0)).unwrap();
        assert_eq!(steps(follow.more()), []);
        fs_err::write(&path, line(1, 3.0) + &line(2, 1.5) + &line(3, 1.0)).unwrap();
        assert_eq!(steps(follow.more()), [(2, Some(1.5)), (3, Some(1.0))]);
    }
}
