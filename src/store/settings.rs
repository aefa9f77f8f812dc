//! How the store behaves; the `[store]` table of the configuration.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Refuse new messages when less than this many MiB are free on the disk.
    pub min_free_mib: u64,
    /// Commands that may wait for the writer; more are refused with "busy".
    pub queue: usize,
    /// sled's page cache in MiB.
    pub cache_mib: u64,
    /// A journal file is closed and the next begun when it reaches this many MiB.
    pub segment_mib: u64,
    /// MiB set aside in a file that is given up when the store must be opened on a full disk; 0 for none.
    pub ballast_mib: u64,
    /// Conversations that nothing happened in for so many days are erased; 0 keeps them for ever. The disk space comes back with an export and import (`docs/backup.md`).
    pub retention_days: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_free_mib: 1024,
            queue: 4096,
            cache_mib: 64,
            segment_mib: 64,
            ballast_mib: 64,
            retention_days: 0,
        }
    }
}
