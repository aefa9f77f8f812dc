//! The server under measurement, as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::client::{Shopper, Wire};

/// The key of the child's staff.
pub(super) const KEY: &str = "sk-bench";

/// What the child serves with.
pub(super) enum Model {
    Scripted,
    /// A model's folder, and the longest answer in tokens.
    Folder(PathBuf, usize),
    /// A model's folder, with the settings that a shop begins with.
    Shipped(PathBuf),
}

/// A running `shopclerk serve`; stopped when dropped.
pub(super) struct Child {
    process: tokio::process::Child,
    pub(super) address: SocketAddr,
    data: tempfile::TempDir,
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) resident: u64,
    /// The most it ever was.
    pub(super) peak: u64,
}

impl Child {
    /// Starts it with limits that the clients here do not meet, and waits until it is ready.
    pub(super) async fn start(model: &Model) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir().context("cannot make a folder for the child's data")?, model).await
    }

    /// The same over the shop that is in `data`, which is removed with the child.
    pub(super) async fn start_in(data: tempfile::TempDir, model: &Model) -> anyhow::Result<Self> {
        let many = "10000000";
        let longest = match model {
            Model::Scripted => Some(256),
            Model::Folder(_, tokens) => Some(*tokens),
            Model::Shipped(_) => None,
        };
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        if let Some(longest) = longest {
            speak_freely(&mut command, longest);
        }
        let mut process = command
            .arg("--data")
            .arg(data.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--model"])
            .arg(match model {
                Model::Scripted => Path::new("scripted"),
                Model::Folder(path, _) | Model::Shipped(path) => path,
            })
            .env("SHOPCLERK__WEB__SOCKETS_PER_ADDRESS", many)
            .env("SHOPCLERK__WEB__REQUESTS_PER_MINUTE", many)
            .env("SHOPCLERK__WEB__SESSIONS_PER_MINUTE", many)
            .env("SHOPCLERK__WEB__UPGRADES_PER_MINUTE", many)
            .env("SHOPCLERK__CHAT__MESSAGES_PER_MINUTE", many)
            .env("SHOPCLERK__CHAT__ADDRESS_MESSAGES_PER_MINUTE", many)
            .env("SHOPCLERK__CHAT__TOKENS_PER_HOUR", many)
            .env("SHOPCLERK__CHAT__ADDRESS_TOKENS_PER_HOUR", many)
            .env("SHOPCLERK__STORE__MIN_FREE_MIB", "0")
            .env("SHOPCLERK_API_KEY", KEY)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server")?;
        let stdout = process.stdout.take().context("the child has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line())
            .await
            .context("the server did not start within 30 s")??
            .context("the server ended at once; its error is above")?;
        let address = line
            .rsplit("http://")
            .next()
            .and_then(|text| text.trim().parse().ok())
            .with_context(|| format!("the server said `{line}` instead of its address"))?;
        let child = Self { process, address, data };
        child.wait_until_ready().await?;
        Ok(child)
    }

    /// The same shop in a new process, whose memory nothing was done with yet.
    pub(super) async fn restart(mut self, model: &Model) -> anyhow::Result<Self> {
        self.process.kill().await.context("cannot end the server")?;
        Self::start_in(self.data, model).await
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if self.request("GET", "/readyz", "").await?.starts_with("HTTP/1.1 200") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the server was not ready within 30 s")
    }

    /// What the staff's side answers, as JSON, and how long that took.
    pub(super) async fn staff(&self, path: &str) -> anyhow::Result<(serde_json::Value, Duration)> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let took = asked.elapsed();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
        let status = head.lines().next().unwrap_or_default();
        anyhow::ensure!(status.contains(" 200 "), "{path}: {status}");
        let body = serde_json::from_str(body).with_context(|| format!("{path}: no JSON"))?;
        Ok((body, took))
    }

    /// A socket of the staff that has said `hello` and was welcomed.
    pub(super) async fn agent(&self) -> anyhow::Result<Wire> {
        let key = Shopper { conv: String::new(), token: KEY.to_owned() };
        let mut wire = Wire::open(self.address, &key).await?;
        wire.send(r#"{"t":"hello","resume":[]}"#).await?;
        while !wire.next().await?.contains(r#""t":"welcome""#) {}
        Ok(wire)
    }

    /// One request on a connection of its own; the whole answer.
    pub(super) async fn request(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        request(self.address, method, path, body).await
    }

    /// A JSON request with the server's API key; the whole answer.
    pub(super) async fn work(&self, path: &str, body: &str) -> anyhow::Result<String> {
        let head = format!("Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n");
        exchange(self.address, &format!("POST {path}"), &head, body).await
    }

    /// Where its adapters and conversations are.
    pub(super) fn data(&self) -> &Path {
        self.data.path()
    }

    /// A new shopper with a conversation.
    pub(super) async fn shopper(&self) -> anyhow::Result<Shopper> {
        let answer = self.request("POST", "/v1/shopper/session", "").await?;
        Shopper::parse(&answer)
    }

    /// A socket that has said `hello` and was welcomed.
    pub(super) async fn greeted(&self, shopper: &Shopper) -> anyhow::Result<Wire> {
        let mut wire = Wire::open(self.address, shopper).await?;
        wire.hello(shopper).await?;
        Ok(wire)
    }

    /// Open sockets, as the server counts them.
    pub(super) async fn connections(&self) -> anyhow::Result<u64> {
        let page = self.request("GET", "/metrics", "").await?;
        page.lines()
            .find_map(|line| {
                line.strip_prefix(crate::telemetry::metric::CONNECTIONS)?.trim().parse::<f64>().ok()
            })
            .map(|n| n as u64)
            .context("the server does not say how many sockets are open")
    }

    /// The most it ever was is what it is now.
    pub(super) fn forget_peak(&self) -> anyhow::Result<()> {
        let id = self.process.id().context("the server has ended")?;
        Ok(fs_err::write(format!("/proc/{id}/clear_refs"), "5")?)
    }

    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        let id = self.process.id().context("the server has ended")?;
        let status = fs_err::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse().ok())
                .with_context(|| format!("/proc/{id}/status has no {name}"))
        };
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

/// As the engine alone: what is measured is free text of a given length.
fn speak_freely(command: &mut tokio::process::Command, longest: usize) {
    command
        .env("SHOPCLERK__CHAT__MAX_REPLY_TOKENS", longest.to_string())
        .env("SHOPCLERK__CHAT__GROUNDED", "false")
        .env("SHOPCLERK__CHAT__SAMPLING__TEMPERATURE", "0.8")
        // The tenth turn is to be as long as it gets.
        .env("SHOPCLERK__CHAT__REMEMBER", "1000")
        // Each answer is the model's own work.
        .env("SHOPCLERK__MODEL__RECALL", "0");
}

/// One request on a connection of its own; the whole answer.
pub(super) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> anyhow::Result<String> {
    exchange(address, &format!("{method} {path}"), "", body).await
}

/// `head` is further header lines, each with its end.
async fn exchange(address: SocketAddr, what: &str, head: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{what} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n{head}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
