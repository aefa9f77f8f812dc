//! A run is published once, whatever happens between its publishing and the word about it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shopclerk::clock::Clock;
use shopclerk::domain::run::{Manifest, Run, RunState};
use shopclerk::model::adapters::Registry;
use shopclerk::runs::{Parts, Publish, Runs, Settings, manifest_of};

use super::adapters::made::Made;
use super::runs::{TwoRows, recipe};
use super::runs_child::{launch, pretend_model};

#[test]
fn a_run_is_one_version_and_its_newest_scorecard_counts() {
    let made = Made::new();
    let registry = Registry::new(made.dir.path().join("adapters"), Vec::new());
    let publish = |run: Option<&str>, passed: bool| {
        let mut manifest = made.manifest("shop");
        manifest.run = run.map(str::to_owned);
        manifest.scorecard.as_mut().unwrap().passed = passed;
        registry.publish(&made.peft(), manifest).unwrap()
    };
    let first = publish(Some("one"), false);
    assert_eq!(publish(Some("one"), true), first);
    assert!(registry.manifest(&first).unwrap().scorecard.unwrap().passed, "it was judged again");
    let names: Vec<String> =
        [Some("two"), Some("one"), None, None].map(|run| publish(run, true).to_string()).to_vec();
    assert_eq!(names, ["shop@2", "shop@1", "shop@3", "shop@4"], "without a run nobody can tell");
    // The same run with other weights is another adapter.
    let peft = made.peft();
    let mut tensors = super::adapters::made::tensors();
    tensors.values_mut().for_each(|(_, values)| values.fill(0.75));
    super::adapters::made::write_tensors(&peft.join("adapter_model.safetensors"), &tensors);
    let manifest = Manifest { run: Some("one".to_owned()), ..made.manifest("shop") };
    assert_eq!(registry.publish(&peft, manifest).unwrap().to_string(), "shop@5");
}

struct Real(Registry);

impl Publish for Real {
    fn publish(&self, adapter: &Path, manifest: Manifest) -> Result<String, String> {
        self.0.publish(adapter, manifest).map(|id| id.to_string()).map_err(|fault| fault.to_string())
    }
}

fn open(data: &Path) -> Runs {
    pretend_model(&data.join("models"));
    Runs::open(Parts {
        root: data.join("runs"),
        models: data.join("models"),
        settings: Settings { threads: 1, reserve_mib: 0, ..Settings::default() },
        model: Default::default(),
        clock: Clock::System,
        launch: launch(),
        gather: Arc::new(TwoRows),
        publish: Arc::new(Real(Registry::new(data.join("adapters"), Vec::new()))),
    })
    .unwrap()
}

async fn done(runs: &Runs, id: &str) -> Run {
    let wait = async {
        loop {
            let run = runs.get(id).unwrap();
            if run.state == RunState::Done {
                return run;
            }
            assert!(!run.state.is_over(), "{run:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_publishing_publishes_nothing_twice() {
    let data = tempfile::tempdir().unwrap();
    let runs = open(data.path());
    let id = runs.submit(&recipe("shop", 2), "anna").unwrap().id;
    let before = done(&runs, &id).await;
    assert_eq!(before.published.as_deref(), Some("shop@1"));
    runs.shut_down().await;
    // As if the server had been killed before it wrote down what it was published as.
    let folder = shopclerk::runs::Folder::new(data.path().join("runs").join(&id));
    folder.save(&Run { state: RunState::Evaluating, published: None, ended_at: None, ..before }).unwrap();
    let runs = open(data.path());
    let after = done(&runs, &id).await;
    assert_eq!(after.published.as_deref(), Some("shop@1"));
    let registry = Registry::new(data.path().join("adapters"), Vec::new());
    assert_eq!(registry.versions("shop").unwrap(), [1]);
    runs.shut_down().await;
}

/// A search's recipe says what was tried; the one that won says what the adapter is.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_tells_the_recipe_that_ran() {
    let data = tempfile::tempdir().unwrap();
    let runs = open(data.path());
    let asked = recipe("shop", 2);
    let id = runs.submit(&asked, "anna").unwrap().id;
    done(&runs, &id).await;
    let folder = data.path().join("runs").join(&id);
    assert_eq!(manifest_of(&folder, 1).unwrap().recipe, asked.to_toml());
    let mut won = asked;
    won.train.lr = 5e-3;
    fs_err::write(folder.join("winner.toml"), won.to_toml()).unwrap();
    let manifest = manifest_of(&folder, 1).unwrap();
    assert_eq!((manifest.recipe, manifest.base.as_str()), (won.to_toml(), "pretend"));
    runs.shut_down().await;
}

/// The name an adapter is taken in under says whose work it will do.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_chats_is_not_taken_in_as_a_tool() {
    let data = tempfile::tempdir().unwrap();
    let runs = open(data.path());
    let id = runs.submit(&recipe("shop", 1), "anna").unwrap().id;
    done(&runs, &id).await;
    runs.shut_down().await;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_shopclerk"))
        .arg("--data")
        .arg(data.path())
        .args(["adapter", "import"])
        .arg(data.path().join("runs").join(&id))
        .arg("sentiment")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("name: \"sentiment\" is a tool's"), "{told}");
    assert!(!data.path().join("adapters/sentiment").exists());
}
