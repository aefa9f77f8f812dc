//! The server in a process of its own: signals, memory and what it writes are seen from outside only.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::client::{Answer, Socket, exchange, upgrade};
use super::site::Session;

/// A start takes long on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(60);
/// Limits that no test meets by accident.
const ROOMY: [(&str, &str); 9] = [
    ("SHOPCLERK__STORE__MIN_FREE_MIB", "0"),
    ("SHOPCLERK__WEB__SOCKETS_PER_ADDRESS", "1000"),
    ("SHOPCLERK__WEB__REQUESTS_PER_MINUTE", "1000000"),
    ("SHOPCLERK__WEB__SESSIONS_PER_MINUTE", "1000000"),
    ("SHOPCLERK__WEB__UPGRADES_PER_MINUTE", "1000000"),
    ("SHOPCLERK__CHAT__MESSAGES_PER_MINUTE", "1000000"),
    ("SHOPCLERK__CHAT__ADDRESS_MESSAGES_PER_MINUTE", "1000000"),
    ("SHOPCLERK__CHAT__TOKENS_PER_HOUR", "1000000000"),
    ("SHOPCLERK__CHAT__ADDRESS_TOKENS_PER_HOUR", "1000000000"),
];

/// A running `shopclerk serve --model scripted`; killed when dropped.
pub(super) struct Child {
    process: tokio::process::Child,
    pub(super) address: SocketAddr,
    said: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

/// A process that may not listen yet.
pub(super) fn spawn(data: &Path, env: &[(&str, &str)]) -> tokio::process::Child {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_shopclerk"))
        .arg("--data")
        .arg(data)
        .args(["serve", "--listen", "127.0.0.1:0", "--model", "scripted"])
        .envs(ROOMY)
        .env("RUST_LOG", "error")
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Keeps what comes out of `pipe`, and tells of the line with the address.
fn keep(
    pipe: impl AsyncRead + Unpin + Send + 'static,
    said: Arc<Mutex<String>>,
    address: oneshot::Sender<SocketAddr>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (mut lines, mut address) = (BufReader::new(pipe).lines(), Some(address));
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, there)) = line.split_once("listening on http://")
                && let (Ok(there), Some(tell)) = (there.trim().parse(), address.take())
            {
                let _ = tell.send(there);
            }
            said.lock().unwrap().extend([line.as_str(), "\n"]);
        }
    })
}

impl Child {
    /// Serves the shop in `data`; returns when it is ready.
    pub(super) async fn start(data: &Path, env: &[(&str, &str)]) -> Self {
        let mut process = spawn(data, env);
        let said = Arc::<Mutex<String>>::default();
        let (tell, told) = oneshot::channel();
        let out = keep(process.stdout.take().unwrap(), said.clone(), tell);
        let err = keep(process.stderr.take().unwrap(), said.clone(), oneshot::channel().0);
        let told = timeout(START, told).await.expect("a server starts in time");
        let address = told.unwrap_or_else(|_| panic!("it ended: {}", said.lock().unwrap()));
        let child = Self { process, address, said, readers: [out, err] };
        timeout(START, async {
            while child.get("/readyz").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("a server is ready in time");
        child
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id().expect("it has not ended")
    }

    pub(super) async fn kill_9(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks it to stop.
    pub(super) fn terminate(&self) {
        let id = rustix::process::Pid::from_raw(self.id() as i32).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end. How it ended, and all it ever wrote to its two outputs.
    pub(super) async fn ended(mut self) -> (ExitStatus, String) {
        let status = self.process.wait().await.unwrap();
        for reader in self.readers {
            reader.await.unwrap();
        }
        let said = std::mem::take(&mut *self.said.lock().unwrap());
        (status, said)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "").await
    }

    /// `head` is further header lines, each with its end.
    pub(super) async fn request(&self, method: &str, path: &str, head: &str) -> Answer {
        let there = self.address;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {there}\r\nOrigin: http://{there}\r\n{head}Content-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        exchange(there, &request).await
    }

    pub(super) async fn session(&self) -> Session {
        let answer = self.request("POST", "/v1/shopper/session", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        Session { conv: text("conversation"), token: text("token") }
    }

    /// A shopper's socket, before `hello`.
    pub(super) async fn socket(&self, token: &str) -> Result<Socket, u16> {
        let headers = [
            ("Origin", format!("http://{}", self.address)),
            ("Sec-WebSocket-Protocol", format!("shopclerk.v1, token.{token}")),
        ];
        upgrade(self.address, &headers).await
    }

    /// A new shopper whose socket has been welcomed.
    pub(super) async fn shopper(&self) -> (Session, Socket) {
        let session = self.session().await;
        let mut socket = self.socket(&session.token).await.unwrap();
        socket.send(&json!({"t": "hello", "resume": []})).await;
        socket.until("welcome").await;
        (session, socket)
    }
}
