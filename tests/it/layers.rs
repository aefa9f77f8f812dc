//! The house rules of `ARCHITECTURE.md`, as tests over the text of `src/`.

use std::path::{Path, PathBuf};

/// Who may name whom. A room not listed on the right of its own line is out of bounds.
const ARROWS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("domain", &["clock"]),
    // The store names its own metric, nothing else of telemetry.
    ("store", &["domain", "clock", "telemetry"]),
    ("prompt", &["domain"]),
    ("model", &["domain"]),
    ("tools", &["domain", "prompt", "model", "telemetry"]),
    ("chat", &["domain", "clock", "store", "prompt", "model", "tools", "telemetry"]),
    ("runs", &["domain", "clock", "store", "prompt", "model", "telemetry"]),
    // Files in, files out: the trainer is a child process and never opens the store.
    ("train", &["domain"]),
    // What is held out is decided by the trainer's own reader: reading it twice would be two truths.
    ("eval", &["domain", "clock", "prompt", "model", "tools", "chat", "train"]),
    // Accounts, sessions and the search index of the staff.
    ("staff", &["domain", "clock", "store", "telemetry"]),
    // What has to be forgotten lies in three rooms.
    ("keep", &["domain", "clock", "store", "runs", "staff", "telemetry"]),
    // Endpoints are a document as the staff's are.
    ("hooks", &["domain", "clock", "store", "staff"]),
    (
        "web",
        &[
            "hooks",
            "keep",
            "domain",
            "clock",
            "store",
            "prompt",
            "model",
            "tools",
            "chat",
            "runs",
            "staff",
            "telemetry",
        ],
    ),
    (
        "commands",
        &[
            "domain",
            "clock",
            "store",
            "prompt",
            "model",
            "tools",
            "chat",
            "runs",
            "train",
            "eval",
            "staff",
            "keep",
            "hooks",
            "web",
            "config",
            "telemetry",
        ],
    ),
    ("config", &["hooks", "store", "prompt", "model", "tools", "chat", "runs", "staff", "web", "telemetry"]),
    ("telemetry", &[]),
];

/// Heavy crates and the only places that may name them.
const WALLS: &[(&str, &[&str])] = &[
    ("mistralrs", &["src/model/engine"]),
    ("candle_core", &["src/model/engine", "src/model/import", "src/train"]),
    ("sled", &["src/store"]),
    ("actix_web", &["src/web"]),
    ("actix_ws", &["src/web"]),
    // The trainer renders the model's own chat template; the shop's templates belong to `prompt`.
    ("minijinja", &["src/prompt", "src/train"]),
    ("mistralrs_quant", &["src/model/engine"]),
    ("tantivy", &["src/staff"]),
    ("hf_hub", &["src/model/library"]),
    ("reqwest", &["src/hooks"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs_err::read_to_string(&path).unwrap();
                into.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(&root.join("src"), &mut files);
    files.into_iter().map(|(path, text)| (path.strip_prefix(root).unwrap().to_path_buf(), text)).collect()
}

fn room_of(path: &Path) -> Option<String> {
    let part = path.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?.to_owned();
    Some(part.trim_end_matches(".rs").to_owned())
}

#[test]
fn arrows_between_rooms_go_one_way() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let room = room_of(&path).unwrap();
        if room == "lib" || room == "main" {
            continue;
        }
        let (_, allowed) = ARROWS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{}: room `{room}` has no line in ARROWS", path.display()));
        for (number, line) in text.lines().enumerate() {
            for (_, rest) in line.match_indices("crate::").map(|(at, m)| line.split_at(at + m.len())) {
                let named: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if named != room
                    && ARROWS.iter().any(|(name, _)| *name == named)
                    && !allowed.contains(&named.as_str())
                {
                    faults.push(format!("{}:{}: {room} -> {named}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "forbidden arrows:\n{}", faults.join("\n"));
}

#[test]
fn heavy_crates_stay_behind_their_walls() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let place = path.to_str().unwrap().to_owned();
        for (krate, rooms) in WALLS {
            let named = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or("");
                code.contains(&format!("{krate}::")) || code.contains(&format!("use {krate};"))
            });
            if named && !rooms.iter().any(|room| place.starts_with(room)) {
                faults.push(format!("{place} names {krate}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_rooms_explain_themselves() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > 400 {
            faults.push(format!("{}: {lines} lines; the limit is 400", path.display()));
        }
        let is_room = path.file_name().is_some_and(|n| n == "mod.rs" || n == "lib.rs");
        if is_room && !text.starts_with("//!") {
            faults.push(format!("{}: a room starts with //!", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
