//! Brings the index to the disk's surface now and then, beside the writer: a message need not wait for it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::index::Index;
use super::record::Mark;

/// How often. A restart after a kill replays at most what came after.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Checkpoints {
    due: Option<SyncSender<Mark>>,
    thread: Option<JoinHandle<()>>,
    last: Instant,
}

impl Checkpoints {
    pub(super) fn start(index: Arc<Index>) -> std::io::Result<Self> {
        let (due, marks) = sync_channel::<Mark>(1);
        let thread = std::thread::Builder::new().name("store-index".into()).spawn(move || {
            for mark in marks {
                // A failure stops the store by way of the index's health.
                let _ = index.checkpoint(mark);
            }
        })?;
        Ok(Self { due: Some(due), thread: Some(thread), last: Instant::now() })
    }

    /// `mark` is the end of what was applied. Does nothing while it is not time, or while the last one still runs.
    pub(super) fn reached(&mut self, mark: Mark) {
        if self.last.elapsed() >= EVERY
            && let Some(due) = &self.due
            && due.try_send(mark).is_ok()
        {
            self.last = Instant::now();
        }
    }
}

impl Drop for Checkpoints {
    /// Waits for the one that runs.
    fn drop(&mut self) {
        self.due = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
