//! Memory of this process, as the kernel tells it.

/// MiB in memory now, and the most there ever were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    pub now: f64,
    pub peak: f64,
}

/// Zeros where there is no /proc.
pub fn memory() -> Memory {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    };
    Memory { now: field("VmRSS:"), peak: field("VmHWM:") }
}
