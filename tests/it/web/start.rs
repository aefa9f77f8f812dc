//! The start of a server in a process of its own.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// Whoever starts a server may stop reading what it prints (a script that took the first line, `| head -1`).
#[tokio::test]
async fn a_server_whose_output_nobody_reads_serves() {
    let data = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut server = tokio::process::Command::new(env!("CARGO_BIN_EXE_shopclerk"))
        .arg("--data")
        .arg(data.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--model", "scripted"])
        .env("SHOPCLERK__STORE__MIN_FREE_MIB", "0")
        .env("RUST_LOG", "warn")
        .stdout(writer)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let warned = timeout(Duration::from_secs(60), async {
        loop {
            let line = log.next_line().await.unwrap().expect("the server goes on");
            if line.contains("nobody reads the output") {
                return line;
            }
        }
    });
    let line = warned.await.unwrap();
    let port = line.rsplit("127.0.0.1:").next().unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let health = reqwest::get(format!("http://127.0.0.1:{port}/healthz")).await.unwrap();
    assert!(health.status().is_success(), "{line}");
}
