//! The child process that trains or judges.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child as Process, Command};

use super::folder::Folder;

/// How long a child that was asked to end may take.
const GRACE: Duration = Duration::from_secs(10);
/// Lines of the log that a failed run quotes.
const LAST_LINES: usize = 12;
/// Bytes of the log among which they are looked for.
const LAST_BYTES: u64 = 8 * 1024;

/// What a child is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Trains on the rows of a run's folder, with this many threads.
    Train { folder: PathBuf, resume: bool, threads: usize },
    /// Compares base and adapter of a run's folder and writes `scorecard.json` there.
    Evaluate { folder: PathBuf, threads: usize },
}

impl Job {
    fn folder(&self) -> &Path {
        match self {
            Self::Train { folder, .. } | Self::Evaluate { folder, .. } => folder,
        }
    }
}

/// Makes the command line of a child. It has to call [`super::leash::hold`]: its standard input ends when the server does.
pub type Launch = Arc<dyn Fn(&Job) -> std::io::Result<Command> + Send + Sync>;

/// A running child; what it prints goes to the run's `log.txt`.
pub(super) struct Child {
    process: Process,
    folder: Folder,
}

impl Child {
    pub(super) fn start(launch: &Launch, job: &Job) -> std::io::Result<Self> {
        let folder = Folder::new(job.folder());
        let log = fs_err::OpenOptions::new().create(true).append(true).open(folder.file("log.txt"))?;
        let process = launch(job)?
            // Held open, never written to: see `leash`.
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.file().try_clone()?))
            .stderr(Stdio::from(log.into_parts().0))
            .kill_on_drop(true)
            .spawn()?;
        if let Some(id) = process.id() {
            folder.write("pid", format!("{id}\n").as_bytes())?;
        }
        Ok(Self { process, folder })
    }

    /// Resolves when it has ended. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        // `wait` of the process would close its standard input, and so end it.
        let input = self.process.stdin.take();
        let mut ended = Ending { process: &mut self.process, input };
        ended.wait().await
    }

    /// Asks it to end, and makes it.
    pub(super) async fn end(mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.process.id().and_then(|id| rustix::process::Pid::from_raw(id as i32)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(GRACE, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }

    /// Ends it at once.
    pub(super) async fn kill(mut self) {
        let _ = self.process.kill().await;
    }

    /// How it ended, with its last words.
    pub(super) fn fault(&self, who: &str, status: ExitStatus) -> String {
        fault(&self.folder, who, status)
    }
}

/// Gives the input back to the process however the wait ends.
struct Ending<'a> {
    process: &'a mut Process,
    input: Option<tokio::process::ChildStdin>,
}

impl Ending<'_> {
    async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.process.stdin = self.input.take();
    }
}

fn fault(folder: &Folder, who: &str, status: ExitStatus) -> String {
    let log = folder.log_tail(LAST_BYTES).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    if last.is_empty() {
        format!("{who} ended with {status} and said nothing")
    } else {
        format!("{who} ended with {status}; its last lines:\n{last}")
    }
}

/// Ends a child that a killed server left behind: none may write into a folder that another works on.
pub(super) fn reap(folder: &Folder) {
    let Ok(text) = fs_err::read_to_string(folder.file("pid")) else { return };
    let _ = fs_err::remove_file(folder.file("pid"));
    let Ok(id) = text.trim().parse::<i32>() else { return };
    // Only if that process still has this folder on its command line: numbers are used again.
    let line = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let name = folder.path().file_name().map(|n| n.as_encoded_bytes().to_vec()).unwrap_or_default();
    if name.len() < 16 || !line.windows(name.len()).any(|part| part == name) {
        return;
    }
    #[cfg(unix)]
    if let Some(pid) = rustix::process::Pid::from_raw(id) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        tracing::warn!(pid = id, "a trainer of an earlier start was still running and was ended");
    }
}
