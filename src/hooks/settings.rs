//! How webhooks are sent; the `[webhooks]` table of the configuration.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Tries of one delivery before it is given up.
    pub tries: u32,
    /// Milliseconds until the second try; each further wait is twice as long, up to an hour, give or take a quarter.
    pub first_retry_ms: u64,
    /// Milliseconds a receiver has to answer.
    pub timeout_ms: u64,
    /// Deliveries that may wait for one endpoint; more are dropped, and counted on the dashboard.
    pub queue: usize,
    /// Also send to private and loopback addresses and by plain http. For tests, and for receivers in the shop's own network:
    /// an admin of the dashboard can then reach whatever this machine can.
    pub allow_private: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tries: 12, first_retry_ms: 10_000, timeout_ms: 10_000, queue: 10_000, allow_private: false }
    }
}

impl Settings {
    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, value) in [
            ("tries", u64::from(self.tries)),
            ("first_retry_ms", self.first_retry_ms),
            ("timeout_ms", self.timeout_ms),
            ("queue", self.queue as u64),
        ] {
            if value == 0 {
                faults.push(format!("{key}: 0 would send nothing; use 1 or more"));
            }
        }
        faults
    }
}
