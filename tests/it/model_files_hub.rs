//! `shopclerk model pull hf:...` against a small Hub of our own: one thread, plain HTTP, the answers of the real one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the Hub offers and how it misbehaves.
#[derive(Clone)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    /// Instead of the true hash of `model.safetensors`.
    claimed_sha256: Option<String>,
    /// Every request is answered with this status.
    status: Option<u16>,
    /// The connection breaks when this byte of `model.safetensors` is asked for.
    breaks_at: Option<usize>,
}

impl Shelf {
    fn info(&self) -> Value {
        let siblings: Vec<Value> = self
            .files
            .iter()
            .map(|(name, content)| {
                let sha256 = match &self.claimed_sha256 {
                    Some(claimed) if name == "model.safetensors" => claimed.clone(),
                    _ => hex::encode(Sha256::digest(content)),
                };
                json!({ "rfilename": name, "size": content.len(), "lfs": { "sha256": sha256 } })
            })
            .collect();
        json!({ "sha": COMMIT, "siblings": siblings, "tags": ["text-generation", "license:apache-2.0"] })
    }
}

/// A complete small model whose weights are `numbers` f32 zeros.
fn shelf(numbers: usize) -> Shelf {
    let header =
        format!(r#"{{"x":{{"dtype":"F32","shape":[{numbers}],"data_offsets":[0,{}]}}}}"#, numbers * 4);
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend(header.as_bytes());
    weights.resize(weights.len() + numbers * 4, 0);
    let config = json!({
        "architectures": ["Qwen2ForCausalLM"], "hidden_size": 2, "num_hidden_layers": 0, "vocab_size": 2
    });
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "truncation": null, "padding": null,
        "model": { "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] }
    });
    let files = [
        ("README.md", b"not taken".to_vec()),
        ("pytorch_model.bin", b"a pickle".to_vec()),
        ("config.json", config.to_string().into_bytes()),
        ("tokenizer.json", tokenizer.to_string().into_bytes()),
        ("tokenizer_config.json", b"{}".to_vec()),
        ("chat_template.jinja", b"{{ messages }}".to_vec()),
        ("model.safetensors", weights),
    ];
    Shelf {
        files: files.map(|(name, content)| (name.to_owned(), content)).into(),
        claimed_sha256: None,
        status: None,
        breaks_at: None,
    }
}

/// The server; ends with the test process. Remembers which ranges of which files were asked for.
struct Hub {
    address: String,
    shelf: Arc<Mutex<Shelf>>,
    asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Hub {
    fn open(shelf: Shelf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::new(Mutex::new(shelf));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let hub = Self { address, shelf: shelf.clone(), asked: asked.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shelf, asked) = (shelf.clone(), asked.clone());
                std::thread::spawn(move || answer(stream, &shelf, &asked));
            }
        });
        hub
    }
}

/// One request, one answer, close.
fn answer(mut stream: TcpStream, shelf: &Mutex<Shelf>, asked: &Mutex<Vec<(String, usize)>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut range = None;
    for line in lines {
        let line = line.ok()?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("range: bytes=") {
            let (from, to) = bytes.split_once('-')?;
            range = Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?));
        }
    }
    let shelf = shelf.lock().unwrap().clone();
    let path = first.split(' ').nth(1)?.to_owned();
    let (status, body, extra) = if let Some(status) = shelf.status {
        (status, Vec::new(), String::new())
    } else if path.starts_with("/api/models/owner/small/revision/") {
        (200, shelf.info().to_string().into_bytes(), String::new())
    } else {
        let name = path.strip_prefix(&format!("/owner/small/resolve/{COMMIT}/"))?.to_owned();
        let content = shelf.files.get(&name)?;
        let (from, to) = range?;
        let to = to.min(content.len() - 1);
        if to > from {
            asked.lock().unwrap().push((name.clone(), from));
        }
        if name == "model.safetensors" && shelf.breaks_at.is_some_and(|at| (from..to).contains(&at)) {
            return None;
        }
        let etag = hex::encode(Sha256::digest(content));
        let extra = format!(
            "ETag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {from}-{to}/{}\r\n",
            content.len()
        );
        (206, content[from..=to].to_vec(), extra)
    };
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn pull(hub: &str, data: &tempfile::TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shopclerk"))
        .args(["model", "pull", "--no-trial"])
        .args(args)
        .current_dir(data.path())
        .env("HF_ENDPOINT", hub)
        .env_remove("HF_TOKEN")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "exit {}: {}",
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stderr).trim_end()
    )
}

fn models(data: &tempfile::TempDir) -> PathBuf {
    data.path().join("data/models")
}

#[test]
fn a_model_of_the_hub_arrives_whole_and_names_its_commit() {
    let data = tempfile::tempdir().unwrap();
    let hub = Hub::open(shelf(4));
    let output = pull(&hub.address, &data, &["hf:owner/small"]);
    assert!(output.status.success(), "{}", said(&output));
    let folder = models(&data).join("small");
    let manifest: Value =
        serde_json::from_slice(&fs_err::read(folder.join("shopclerk.json")).unwrap()).unwrap();
    assert_eq!(manifest["source"]["origin"], format!("hf:owner/small@{COMMIT}"));
    assert_eq!(
        (&manifest["licence"], &manifest["dtype"], &manifest["parameters"]),
        (&json!("apache-2.0"), &json!("f32"), &json!(4))
    );
    assert!(!folder.join("pytorch_model.bin").exists());
    assert!(!folder.join("README.md").exists());
    assert!(!models(&data).join(".downloads/small").exists());
    shopclerk::model::library::check(&folder, &mut |_, _| ()).unwrap();

    let again = pull(&hub.address, &data, &["hf:owner/small"]);
    assert!(again.status.success());
    assert!(String::from_utf8_lossy(&again.stdout).contains("is already in"));
    let other = pull(&hub.address, &data, &["hf:someone/small"]);
    insta::assert_snapshot!(said(&other), @"exit 1: shopclerk: there is already a model `small` from hf:owner/small@0123456789abcdef0123456789abcdef01234567; give this one another name with --name");
}

#[test]
fn a_download_that_was_cut_off_goes_on_where_it_stopped() {
    let data = tempfile::tempdir().unwrap();
    // 25 MB are three parts of ten; the third breaks.
    let mut broken = shelf(6_250_000);
    broken.breaks_at = Some(21_000_000);
    let hub = Hub::open(broken);
    let output = pull(&hub.address, &data, &["hf:owner/small"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!models(&data).join("small").exists());
    hub.shelf.lock().unwrap().breaks_at = None;
    hub.asked.lock().unwrap().clear();
    let output = pull(&hub.address, &data, &["hf:owner/small"]);
    assert!(output.status.success(), "{}", said(&output));
    let asked = hub.asked.lock().unwrap().clone();
    let weights: Vec<usize> =
        asked.iter().filter(|(name, _)| name == "model.safetensors").map(|(_, from)| *from).collect();
    assert_eq!(weights, [20_000_000]);
    shopclerk::model::library::check(&models(&data).join("small"), &mut |_, _| ()).unwrap();
}

#[test]
fn a_hub_that_cannot_help_is_said_and_leaves_nothing() {
    let mut table = String::new();
    let mut case = |what: &str, bend: &dyn Fn(&mut Shelf)| {
        let data = tempfile::tempdir().unwrap();
        let mut shelf = shelf(4);
        bend(&mut shelf);
        let hub = Hub::open(shelf);
        let output = pull(&hub.address, &data, &["hf:owner/small@v1.0"]);
        assert!(!models(&data).join("small").exists(), "{what}");
        writeln!(table, "{what}\n    {}", said(&output)).unwrap();
    };
    case("no such model", &|s| s.status = Some(404));
    case("closed model", &|s| s.status = Some(401));
    case("broken Hub", &|s| s.status = Some(503));
    case("only pickles", &|s| drop(s.files.remove("model.safetensors")));
    case("only GGUF", &|s| {
        s.files.retain(|name, _| !name.ends_with(".bin") && !name.ends_with(".safetensors"));
        s.files.insert("model.gguf".into(), Vec::new());
    });
    case("no tokenizer", &|s| drop(s.files.remove("tokenizer.json")));
    case("no chat template", &|s| drop(s.files.remove("chat_template.jinja")));
    case("weights of another content", &|s| s.claimed_sha256 = Some("00".repeat(32)));
    case("weights cut short", &|s| {
        let weights = s.files.get_mut("model.safetensors").unwrap();
        weights.truncate(weights.len() - 3);
    });
    let nobody = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = pull(&format!("http://{closed}"), &nobody, &["hf:owner/small"]);
    writeln!(table, "nobody there\n    {}", said(&output)).unwrap();
    insta::assert_snapshot!("hub_faults", table);
}
