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

/// As an image has it: the program in `bin`, what it ships in `share`.
#[tokio::test]
async fn the_adapters_of_the_tools_are_found_beside_the_program_and_named() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs_err::create_dir_all(at("bin")).unwrap();
    fs_err::create_dir_all(at("share/shopclerk")).unwrap();
    fs_err::copy(env!("CARGO_BIN_EXE_shopclerk"), at("bin/shopclerk")).unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters");
    std::os::unix::fs::symlink(shipped, at("share/shopclerk/adapters")).unwrap();
    let mut server = tokio::process::Command::new(at("bin/shopclerk"))
        .current_dir(place.path())
        .arg("--data")
        .arg(at("data"))
        .args(["serve", "--listen", "127.0.0.1:0", "--model", "scripted"])
        .env("SHOPCLERK__STORE__MIN_FREE_MIB", "0")
        .env("RUST_LOG", "info")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut left = vec![("extract", "extract@1"), ("sentiment", "sentiment@1"), ("qa", "base")];
    let told = timeout(Duration::from_secs(60), async {
        while !left.is_empty() {
            let line = log.next_line().await.unwrap().expect("the server goes on");
            left.retain(|(tool, adapter)| !(line.contains(tool) && line.contains(adapter)));
        }
    });
    assert!(told.await.is_ok(), "not told: {left:?}");
}
