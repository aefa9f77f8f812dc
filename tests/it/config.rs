//! The configuration: its page is made from the sources, and every fault names its key and its fix.

use std::fmt::Write as _;

use shopclerk::config::{Config, Flags};

/// Table of the file, and the source whose doc comments describe its keys.
const TABLES: &[(&str, &str)] = &[
    ("", "src/config.rs"),
    ("web", "src/web/settings.rs"),
    ("chat", "src/chat/settings.rs"),
    ("model", "src/model/settings.rs"),
    ("store", "src/store/settings.rs"),
    ("shop", "src/prompt/settings.rs"),
    ("rows", "src/runs/rows/settings.rs"),
    ("tools", "src/tools/settings.rs"),
    ("runs", "src/runs/settings.rs"),
    ("webhooks", "src/hooks/settings.rs"),
];

fn page() -> String {
    let defaults = toml::Value::try_from(Config::default()).unwrap();
    let mut page = String::from(
        "# Configuration\n\nMade from the sources by `UPDATE=1 cargo test --no-default-features config`; do not edit.\n\n\
         `shopclerk.toml` in the working directory, or the file given with `--config`. Each key can also be set in the environment:\n\
         `web.listen` is `SHOPCLERK__WEB__LISTEN`. Flags win over the environment, the environment over the file.\n",
    );
    for (table, source) in TABLES {
        let title = if table.is_empty() { "Top level".to_owned() } else { format!("`[{table}]`") };
        write!(page, "\n## {title}\n\n| key | default | |\n| --- | --- | --- |\n").unwrap();
        let values = if table.is_empty() { &defaults } else { &defaults[*table] };
        for (key, doc) in fields(source) {
            let value =
                values.get(&key).map_or_else(|| "unset".to_owned(), |v| v.to_string().replace('\n', " "));
            if !TABLES.iter().any(|(name, _)| table.is_empty() && *name == key) {
                writeln!(page, "| `{key}` | `{value}` | {doc} |").unwrap();
            }
        }
    }
    page
}

/// The documented fields of the first struct of a source.
fn fields(source: &str) -> Vec<(String, String)> {
    let text = fs_err::read_to_string(format!("{}/{source}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let body = text.split_once("pub struct ").unwrap().1.split_once("\n}").unwrap().0;
    let mut doc = String::new();
    let mut fields = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            doc.push_str(words);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|l| l.split_once(':')) {
            fields.push((name.to_owned(), std::mem::take(&mut doc).trim().to_owned()));
        }
    }
    fields
}

#[test]
fn the_configuration_page_matches_the_sources() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        fs_err::write(path, &page).unwrap();
    }
    let committed = fs_err::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/configuration.md is stale; run: UPDATE=1 cargo test --no-default-features config"
    );
}

fn fault_of(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shopclerk.toml");
    fs_err::write(&file, text).unwrap();
    let fault =
        Config::load(&Flags { config: Some(file), ..Flags::default() }).expect_err("a fault").to_string();
    fault.replace(&*dir.path().to_string_lossy(), "DIR")
}

#[test]
fn every_fault_names_its_key_and_its_fix() {
    let many = "[web]\nlisten = \"localhost\"\norigins = [\"https://shop.example.com/\"]\ntoken_minutes = 0\n\
                [chat]\nmax_reply_tokens = 0\n[store]\nqueue = 0\n";
    insta::assert_snapshot!(fault_of(many), @r"
    the configuration has 5 fault(s):
      - web.listen: `localhost` is not an address with a port; write e.g. `127.0.0.1:8080`
      - web.origins[0]: `https://shop.example.com/` is not an origin; write scheme, host and port, e.g. `https://shop.example.com`
      - web.token_minutes: 0 would expire every token at once; use 1 or more
      - chat.max_reply_tokens: 0 would leave every answer empty; use 1 or more
      - store.queue: 0 would refuse every message; use 1 or more
    ");
    insta::assert_snapshot!(fault_of("[web]\ntoken_minutes = \"soon\"\n"), @r#"
    the configuration has 1 fault(s):
      - DIR/shopclerk.toml: web.token_minutes: invalid type: found string "soon", expected u64
    "#);
    insta::assert_snapshot!(fault_of("[model]\nquantise = \"q3\"\n"), @r"
    the configuration has 1 fault(s):
      - DIR/shopclerk.toml: model.quantise: unknown variant: found `q3`, expected `one of `auto`, `none`, `q8_0`, `q4_0``
    ");
    assert!(fault_of("[web]\nlissten = \"x\"\n").contains("DIR/shopclerk.toml: web.lissten: unknown field"));
    assert!(fault_of("[web\n").contains("DIR/shopclerk.toml: TOML parse error at line 1, column 5"));
    assert!(fault_of("[shop]\nfolder = \"no/such\"\n").contains("shop.folder: there is no folder no/such"));
}

/// Where no file is named, that of the working directory counts; a named one stands in its place.
#[test]
fn the_file_of_the_working_directory_is_read() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("shopclerk.toml"), "[web]\ntoken_minutes = 0\n").unwrap();
    fs_err::write(dir.path().join("other.toml"), "").unwrap();
    let list = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shopclerk"));
        let output = command.current_dir(dir.path()).args(["adapter", "list"]).args(more).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (fine, said) = list(&[]);
    assert!(!fine && said.contains("web.token_minutes: 0 would expire every token"), "{said}");
    assert!(list(&["--config", "other.toml"]).0);
}

#[test]
fn a_missing_file_is_said() {
    let flags = Flags { config: Some("no-such.toml".into()), ..Flags::default() };
    insta::assert_snapshot!(Config::load(&flags).unwrap_err().to_string(), @r"
    the configuration has 1 fault(s):
      - no-such.toml: no such file; give --config an existing TOML file
    ");
}

#[test]
fn the_flags_for_shop_and_model_win_and_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let load = |shop: std::path::PathBuf| {
        Config::load(&Flags { shop: Some(shop), model: Some("big".to_owned()), ..Flags::default() })
    };
    let config = load(dir.path().to_owned()).unwrap();
    assert_eq!((config.shop.folder.as_path(), config.model.name.as_str()), (dir.path(), "big"));
    // `src` is a folder here, and no model of the library.
    let flags = Flags { model: Some("./src".to_owned()), ..Flags::default() };
    let whole = std::path::absolute("src").unwrap();
    assert_eq!(std::path::Path::new(&Config::load(&flags).unwrap().model.name), whole);
    let fault = load(dir.path().join("none")).unwrap_err().to_string();
    assert!(fault.contains("shop.folder: there is no folder"), "{fault}");
}
