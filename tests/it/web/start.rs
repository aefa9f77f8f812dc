//! The start of a server in a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const KEY: &str = "key-of-the-start";

fn serve(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopclerk"));
    command
        .arg("--data")
        .arg(data)
        .args(["serve", "--listen", "127.0.0.1:0", "--model", "scripted"])
        .env("SHOPCLERK__STORE__MIN_FREE_MIB", "0")
        .env("SHOPCLERK_API_KEY", KEY)
        .env("RUST_LOG", "warn")
        .kill_on_drop(true);
    command
}

/// Whoever starts a server may stop reading what it prints (a script that took the first line, `| head -1`).
#[tokio::test]
async fn a_server_whose_output_nobody_reads_serves() {
    let data = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut server = serve(data.path()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
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
    let mut left = vec![("extract", "extract@3"), ("sentiment", "sentiment@2"), ("qa", "base")];
    let told = timeout(Duration::from_secs(60), async {
        while !left.is_empty() {
            let line = log.next_line().await.unwrap().expect("the server goes on");
            left.retain(|(tool, adapter)| !(line.contains(tool) && line.contains(adapter)));
        }
    });
    assert!(told.await.is_ok(), "not told: {left:?}");
}

/// A server that runs, its address, and the lines it has printed up to then.
async fn started(data: &Path) -> (Child, String, String) {
    let mut server = serve(data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = server.stdout.take().unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    let printed = timeout(Duration::from_secs(60), async {
        // Both lines come at once; a server that prints one only is ready after it.
        while !text.ends_with(b"\n") {
            let n = out.read(&mut piece).await.unwrap();
            assert!(n > 0, "the server ended");
            text.extend_from_slice(&piece[..n]);
        }
        while let Ok(Ok(n @ 1..)) = timeout(Duration::from_secs(2), out.read(&mut piece)).await {
            text.extend_from_slice(&piece[..n]);
        }
    });
    printed.await.unwrap();
    let text = String::from_utf8(text).unwrap();
    let base = text.lines().find_map(|line| line.strip_prefix("listening on ")).unwrap().to_owned();
    (server, base, text)
}

/// A request as the page behind the link sends it.
async fn post(base: &str, path: &str, body: &Value) -> Response {
    let request =
        Client::new().post(format!("{base}{path}")).header("Origin", base).header("X-Shopclerk", "1");
    request.body(body.to_string()).send().await.unwrap()
}

async fn error(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// Whoever opens the training page before the first chat sees that there is none, and no fault.
#[cfg(feature = "train")]
#[tokio::test]
async fn a_shop_without_chats_is_told_what_became_of_its_conversations() {
    let data = tempfile::tempdir().unwrap();
    crate::train_made::model(&data.path().join("models"));
    let (_server, base, _) = started(data.path()).await;
    let asked =
        json!({"recipe": {"name": "shop", "base": "llama", "data": {"store": {}, "max_tokens": 128}}});
    let request = Client::new().post(format!("{base}/v1/staff/runs/preview")).bearer_auth(KEY);
    let answer = request.body(asked.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let preview: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&preview["rows"], &preview["count"]), (&json!([]), &json!(0)));
    assert_eq!(
        (&preview["report"]["chats"]["conversations"], &preview["report"]["files"]),
        (&json!(0), &json!(null))
    );
}

/// The first start prints a link that makes the first account, once; and no later start prints another.
#[tokio::test]
async fn the_printed_link_makes_the_first_account_and_no_second() {
    let data = tempfile::tempdir().unwrap();
    let (mut server, base, printed) = started(data.path()).await;
    let link = printed.lines().find_map(|line| line.strip_prefix("make the first account within 24 hours: "));
    let (page, token) = link.unwrap_or_else(|| panic!("no link: {printed}")).split_once("#setup=").unwrap();
    assert_eq!(page, format!("{base}/dashboard/"));
    let shown = reqwest::get(page).await.unwrap();
    assert!(shown.status().is_success() && shown.text().await.unwrap().contains("<title>"));

    let account = |token: &str| json!({"token": token, "name": "anna", "display": "Anna", "password": "correct horse battery"});
    let guessed = token.chars().rev().collect::<String>();
    assert_eq!(
        error(post(&base, "/v1/staff/setup", &account(&guessed)).await).await,
        (404, "link_invalid".into())
    );
    let made = post(&base, "/v1/staff/setup", &account(token)).await;
    assert_eq!(made.status().as_u16(), 200);
    assert!(made.headers()["set-cookie"].to_str().unwrap().starts_with("__Host-shopclerk="));
    let me: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    assert_eq!((&me["name"], &me["role"]), (&json!("anna"), &json!("admin")));

    // Once only, for another name too; and who has the password gets in without it.
    let mut second = account(token);
    second["name"] = json!("eve");
    assert_eq!(error(post(&base, "/v1/staff/setup", &second).await).await, (404, "link_invalid".into()));
    let login = json!({"name": "anna", "password": "correct horse battery"});
    assert_eq!(post(&base, "/v1/staff/login", &login).await.status().as_u16(), 200);
    server.kill().await.unwrap();

    let (mut server, base, printed) = started(data.path()).await;
    assert!(!printed.contains("setup="), "{printed}");
    assert_eq!(error(post(&base, "/v1/staff/setup", &second).await).await, (404, "link_invalid".into()));
    server.kill().await.unwrap();
}
