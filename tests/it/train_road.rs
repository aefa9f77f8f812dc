//! The whole road on the command line: from the shop's own chats to the version that answers, with no server. What only the real
//! engine can do, the judging, is done by hand.

use std::path::Path;
use std::process::{Command, Output};

use shopclerk::domain::run::{Row, Run, RunState};
use shopclerk::model::adapters::Registry;

use super::rows::Talk;
use super::store::open;
use super::train_made::model;

const SHOP: &str = r##"
name = "Shop"
assistant = "Wren"
about = "It sells shoes."
tone = "brief"
language = "en"
hours = ""
email = ""
facts = ["Returns: 60 days."]
[look]
color = "#2f6b4f"
[look.greeting]
en = "Hello"
[look.suggestions]
"##;

const RECIPE: &str = r#"
name = "shop"
base = "llama"
[data]
dev = 0
test = 0
max_tokens = 2000
[data.store]
targets = ["corrected"]
[train]
max_steps = 1
"#;

/// A data folder with a model, a small shop, a recipe, and a conversation with a reply that was corrected.
async fn site(dir: &Path) {
    let base = model(&dir.join("models"));
    let config = fs_err::read_to_string(base.join("config.json")).unwrap();
    let wide = config.replace("\"max_position_embeddings\":256", "\"max_position_embeddings\":4096");
    assert_ne!(wide, config);
    fs_err::write(base.join("config.json"), wide).unwrap();
    fs_err::create_dir_all(dir.join("shop/policies")).unwrap();
    fs_err::write(dir.join("shop/shop.toml"), SHOP).unwrap();
    fs_err::write(dir.join("shop/products.json"), "[]").unwrap();
    fs_err::write(dir.join("recipe.toml"), RECIPE).unwrap();
    let store = open(&dir.join("store"));
    let talk = Talk::new(&store, 1).await.ask("Can I return shoes? I am jane@example.com").await;
    talk.reply("I do not know.").await.correct("Yes, within 60 days of buying them.").await;
    store.close().await;
}

fn shopclerk(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shopclerk"))
        .env("SHOPCLERK__SHOP__FOLDER", dir.join("shop"))
        .env("SHOPCLERK__MODEL__NAME", "llama")
        .env("SHOPCLERK__STORE__MIN_FREE_MIB", "0")
        .arg("--data")
        .arg(dir)
        .args(args)
        .output()
        .unwrap()
}

fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_chats_to_the_version_that_answers() {
    let dir = tempfile::tempdir().unwrap();
    site(dir.path()).await;
    let recipe = dir.path().join("recipe.toml");
    let recipe = recipe.to_str().unwrap();
    // Whoever has the store is who can be asked.
    let held = open(&dir.path().join("store"));
    let refused = shopclerk(dir.path(), &["train", recipe]);
    let fault = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && fault.contains("POST /v1/staff/runs"), "{fault}");
    assert!(fault.contains("another shopclerk uses this store"), "{fault}");
    held.close().await;
    let runs = || {
        let all = fs_err::read_dir(dir.path().join("runs")).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    assert_eq!(runs().len(), 0, "a run without rows leaves nothing behind");

    let preview = well(&shopclerk(dir.path(), &["data", "preview", recipe]));
    assert!(preview.contains("[Yes, within 60 days of buying them.<|im_end|>"), "{preview}");
    let told = well(&shopclerk(dir.path(), &["train", recipe]));
    let [run] = runs().try_into().unwrap();
    let name = run.to_str().unwrap();
    for next in [format!(" eval {name} "), format!(" adapter promote {name} ")] {
        assert!(told.contains(&next), "{told}");
    }
    let row: Row = serde_json::from_str(&fs_err::read_to_string(run.join("rows.jsonl")).unwrap()).unwrap();
    let text = serde_json::to_string(&row).unwrap();
    assert!(text.contains("[EMAIL]") && !text.contains("jane") && row.lineage.len() == 1, "{text}");
    let report = fs_err::read_to_string(run.join("report.json")).unwrap();
    assert!(report.contains("\"corrected\": 1"), "{report}");

    let early = shopclerk(dir.path(), &["adapter", "promote", name]);
    let fault = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(
        !early.status.success() && fault.contains(&format!("judge it first: shopclerk eval {name}")),
        "{fault}"
    );
    fs_err::write(run.join("scorecard.json"), r#"{"suites":[],"passed":false,"reasons":["too few"]}"#)
        .unwrap();
    let held_back = shopclerk(dir.path(), &["adapter", "promote", name]);
    assert!(!held_back.status.success() && String::from_utf8_lossy(&held_back.stderr).contains("too few"));
    fs_err::write(run.join("scorecard.json"), r#"{"suites":[],"passed":true,"reasons":[]}"#).unwrap();
    let promoted = well(&shopclerk(dir.path(), &["adapter", "promote", name]));
    assert_eq!(promoted, "shop@1 answers from the next start on\n");
    let known: Run = serde_json::from_str(&fs_err::read_to_string(run.join("run.json")).unwrap()).unwrap();
    assert_eq!((known.state, known.published.as_deref()), (RunState::Done, Some("shop@1")));
    let registry = Registry::new(dir.path().join("adapters"), Vec::new());
    assert_eq!(registry.state("shop").unwrap().current.version, Some(1));
    let back = well(&shopclerk(dir.path(), &["adapter", "rollback", "shop"]));
    assert_eq!(back, "the base model answers from the next start on\n");
}
