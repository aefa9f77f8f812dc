//! How much of the machine training may take; the `[runs]` table of the configuration.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Threads of the trainer beside a serving process; 0 means one less than there are cores, at least 1.
    pub threads: usize,
    /// MiB that must stay free beside what a run needs.
    pub reserve_mib: u64,
    /// Runs that may wait.
    pub queue: usize,
    /// Replies made by base and by adapter to judge them; 0 leaves that suite out.
    pub replies: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threads: 0, reserve_mib: 256, queue: 20, replies: 20 }
    }
}

impl Settings {
    /// Threads to give to a trainer.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1)),
            n => n,
        }
    }

    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.queue == 0 {
            faults.push("queue: 0 would refuse every run; use 1 or more".to_owned());
        }
        faults
    }
}
