//! A child gives way to the server beside it, in time and in memory.

/// Lowers the priority of this process, and has it be the one that is killed when memory runs out: a run goes on from its last
/// checkpoint, a shopper whose server was killed is gone.
///
/// # Errors
/// The priority cannot be lowered. Where nothing is known of memory that runs out, nothing is said of it.
pub fn give_way() -> std::io::Result<()> {
    rustix::process::nice(10)?;
    let _ = fs_err::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}
