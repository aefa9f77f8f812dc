//! Runs with a trainer that only pretends: the queue, the states, what survives what.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shopclerk::clock::Clock;
use shopclerk::domain::recipe::Recipe;
use shopclerk::domain::run::{Manifest, Run, RunState};
use shopclerk::runs::{
    COMMAND_LINE, Folder, Gather, GatherError, Parts, Publish, RunEvent, Runs, RunsError, Settings,
};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::runs_child::{launch, pretend_model};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two rows, or none for a recipe named `empty`.
pub(crate) struct TwoRows;

impl Gather for TwoRows {
    fn gather(&self, recipe: &Recipe, folder: &Path) -> Result<serde_json::Value, GatherError> {
        let row = |n: usize| {
            let messages = [("user", "Hello"), ("assistant", "Good day")]
                .map(|(role, content)| serde_json::json!({"role": role, "content": content}));
            serde_json::json!({"id": format!("r{n}"), "group": format!("g{n}"), "messages": messages})
        };
        let rows = if recipe.name == "empty" { String::new() } else { format!("{}\n{}\n", row(1), row(2)) };
        fs_err::write(folder.join("rows.jsonl"), rows).unwrap();
        Ok(serde_json::json!({"taken": 2, "left_out": {"too_short": 1}}))
    }
}

/// Remembers what was published.
#[derive(Default)]
pub(crate) struct Shelf(pub(crate) Mutex<Vec<Manifest>>);

impl Publish for Shelf {
    fn publish(&self, adapter: &Path, manifest: Manifest) -> Result<String, String> {
        assert!(adapter.join("adapter_model.safetensors").is_file());
        let mut shelf = self.0.lock().unwrap();
        shelf.push(manifest);
        let version = shelf.len();
        Ok(format!("{}@{version}", shelf[version - 1].name))
    }
}

pub(crate) fn open(data: &Path, shelf: &Arc<Shelf>) -> Runs {
    pretend_model(&data.join("models"));
    Runs::open(Parts {
        root: data.join("runs"),
        models: data.join("models"),
        settings: Settings { threads: 1, reserve_mib: 0, queue: 3, ..Settings::default() },
        model: Default::default(),
        clock: Clock::System,
        launch: launch(),
        gather: Arc::new(TwoRows),
        publish: shelf.clone(),
    })
    .unwrap()
}

pub(crate) fn recipe(name: &str, steps: usize) -> Recipe {
    let mut recipe = Recipe { name: name.to_owned(), base: "pretend".to_owned(), ..Recipe::default() };
    recipe.train.max_steps = steps;
    recipe
}

/// A run that does not end by itself while a test lasts.
pub(crate) const LONG: usize = 1_000_000;

pub(crate) struct Site {
    pub(crate) data: tempfile::TempDir,
    shelf: Arc<Shelf>,
    pub(crate) runs: Runs,
    events: broadcast::Receiver<RunEvent>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let (data, shelf) = (tempfile::tempdir().unwrap(), Arc::default());
        let runs = open(data.path(), &shelf);
        Self { events: runs.listen(), data, shelf, runs }
    }

    pub(crate) fn submit(&self, recipe: &Recipe) -> Run {
        self.runs.submit(recipe, "anna").unwrap()
    }

    /// The server stops and starts again.
    async fn restart(&mut self) {
        self.runs.shut_down().await;
        self.runs = open(self.data.path(), &self.shelf);
        self.events = self.runs.listen();
    }

    pub(crate) async fn state(&mut self, id: &str, wanted: RunState) -> Run {
        timeout(PATIENCE, async {
            loop {
                // What was before listening counts as well.
                let run = self.runs.get(id).unwrap();
                if run.state == wanted {
                    return run;
                }
                assert!(!run.state.is_over(), "{run:?} instead of {wanted:?}");
                hear(&mut self.events).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{:?} never became {wanted:?}", self.runs.get(id)))
    }

    pub(crate) async fn step(&mut self, id: &str) -> usize {
        timeout(PATIENCE, async {
            loop {
                if let Some(RunEvent::Step { id: of, log }) = hear(&mut self.events).await
                    && of == id
                {
                    return log.step;
                }
            }
        })
        .await
        .unwrap()
    }

    fn log(&self, id: &str) -> String {
        self.runs.folder(id).unwrap().log_tail(1 << 20).unwrap()
    }

    /// Waits for words in the log of a run.
    pub(crate) async fn said(&self, id: &str, words: &str) {
        let waiting = async {
            while !self.log(id).contains(words) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("`{words}` is not in {}", self.log(id)));
    }
}

async fn hear(events: &mut broadcast::Receiver<RunEvent>) -> Option<RunEvent> {
    match events.recv().await {
        Ok(event) => Some(event),
        Err(broadcast::error::RecvError::Lagged(_)) => None,
        Err(fault) => panic!("{fault}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_the_recipe_to_the_shelf() {
    let mut site = Site::new();
    let id = site.submit(&recipe("shop", 5)).id;
    let run = site.state(&id, RunState::Done).await;
    assert_eq!((run.by.as_str(), run.published.as_deref(), run.fault), ("anna", Some("shop@1"), None));
    assert!(run.started_at >= Some(run.created_at) && run.ended_at >= run.started_at);
    let details = site.runs.details(&id).unwrap();
    assert_eq!(details.recipe, recipe("shop", 5));
    assert_eq!(details.last.unwrap().step, 5);
    assert_eq!(details.report.unwrap()["left_out"]["too_short"], 1);
    assert!(details.scorecard.clone().unwrap().passed);
    let names = [
        "recipe.toml",
        "rows.jsonl",
        "report.json",
        "metrics.jsonl",
        "log.txt",
        "scorecard.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "run.json",
    ];
    assert_eq!(details.artefacts, names);
    let folder = site.runs.folder(&id).unwrap();
    let steps = |after| folder.steps(after).unwrap().iter().map(|log| log.step).collect::<Vec<_>>();
    assert_eq!((steps(None), steps(Some(3))), (vec![1, 2, 3, 4, 5], vec![4, 5]));
    assert!(site.log(&id).contains("training on 2 rows with 1 threads, resume false"));
    let manifest = site.shelf.0.lock().unwrap()[0].clone();
    assert_eq!((manifest.name.as_str(), manifest.base.as_str()), ("shop", "pretend"));
    // SHA-256 of `weights`.
    assert!(manifest.weights_hash.starts_with("9a129038d9a00aed"), "{}", manifest.weights_hash);
    assert_eq!((manifest.run, manifest.scorecard), (Some(id), details.scorecard));
}

/// A shopper is erased while the run that learns from them goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_rows_were_erased_publishes_a_tainted_adapter() {
    let mut site = Site::new();
    let ids = ["clean", "tainted"].map(|name| site.submit(&recipe(name, 3)).id);
    fs_err::write(site.data.path().join("runs").join(&ids[1]).join("tainted"), "").unwrap();
    for id in &ids {
        site.state(id, RunState::Done).await;
    }
    let shelf = site.shelf.0.lock().unwrap();
    let seen: Vec<(&str, bool)> = shelf.iter().map(|made| (made.name.as_str(), made.tainted)).collect();
    assert_eq!(seen, [("clean", false), ("tainted", true)]);
    let details = |made: &Manifest| made.scorecard.as_ref().unwrap().suites[0].details.clone();
    assert_eq!(details(&shelf[1]), serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_in_the_order_of_asking() {
    let mut site = Site::new();
    let long = site.submit(&recipe("long", LONG)).id;
    site.step(&long).await;
    let (second, third) = (site.submit(&recipe("second", 1)).id, site.submit(&recipe("third", 1)).id);
    let fourth = site.submit(&recipe("fourth", 1)).id;
    let full = site.runs.submit(&recipe("fifth", 1), "anna").unwrap_err();
    assert!(matches!(full, RunsError::Full { waiting: 3 }), "{full}");
    assert_eq!(site.runs.get(&second).unwrap().state, RunState::Queued);
    assert_eq!(site.runs.cancel(&fourth).unwrap().state, RunState::Cancelled);
    assert_eq!(site.runs.cancel(&long).unwrap().state, RunState::Training);
    let cancelled = site.state(&long, RunState::Cancelled).await;
    assert!(cancelled.ended_at.is_some() && cancelled.published.is_none());
    assert!(site.log(&long).contains("cancelled before step"));
    let last = site.state(&third, RunState::Done).await;
    let first = site.state(&second, RunState::Done).await;
    assert!(first.ended_at <= last.started_at);
    let order: Vec<String> = site.runs.list().into_iter().map(|run| run.name).collect();
    assert_eq!(order, ["fourth", "third", "second", "long"]);
    let names: Vec<String> = site.shelf.0.lock().unwrap().iter().map(|m| m.name.clone()).collect();
    assert_eq!(names, ["second", "third"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_the_trainer_and_its_place() {
    let mut site = Site::new();
    let id = site.submit(&recipe("long", LONG)).id;
    site.step(&id).await;
    let waiting = site.submit(&recipe("next", 1)).id;
    assert_eq!(site.runs.pause(&id).unwrap().state, RunState::Paused);
    site.said(&id, "paused").await;
    let at = site.runs.folder(&id).unwrap().steps(None).unwrap().len();
    let refused = site.runs.pause(&id).unwrap_err();
    insta::assert_snapshot!(refused, @"the run is paused; only one that is training can be paused");
    assert_eq!(site.runs.get(&waiting).unwrap().state, RunState::Queued);
    assert_eq!(site.runs.resume(&id).unwrap().state, RunState::Training);
    while site.step(&id).await <= at {}
    site.runs.cancel(&id).unwrap();
    site.state(&waiting, RunState::Done).await;
    let over = site.runs.cancel(&waiting).unwrap_err();
    insta::assert_snapshot!(over, @"the run is done; only one that is queued or training or paused or evaluating can be cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_that_dies_is_quoted_and_can_go_on() {
    let mut site = Site::new();
    let id = site.submit(&recipe("dies", 5)).id;
    let run = site.state(&id, RunState::Failed).await;
    let fault = run.fault.unwrap();
    assert!(fault.starts_with("the trainer ended with exit status: 1; its last lines:\n"), "{fault}");
    assert!(fault.ends_with("step 3: the loss is not a number, at row r2"), "{fault}");
    let again = site.runs.resume(&id).unwrap();
    assert_eq!((again.state, again.fault, again.ended_at), (RunState::Queued, None, None));
    site.state(&id, RunState::Done).await;
    assert!(site.log(&id).contains("resume true"));
    assert_eq!(site.runs.folder(&id).unwrap().steps(None).unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_trainer_is_a_failed_run() {
    let mut site = Site::new();
    let id = site.submit(&recipe("long", LONG)).id;
    site.step(&id).await;
    let pid = fs_err::read_to_string(site.data.path().join("runs").join(&id).join("pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let run = site.state(&id, RunState::Failed).await;
    assert!(run.fault.unwrap().starts_with("the trainer ended with signal: 9 (SIGKILL)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_without_an_adapter_is_a_failed_run() {
    let mut site = Site::new();
    let id = site.submit(&recipe("silent", 1)).id;
    let run = site.state(&id, RunState::Failed).await;
    insta::assert_snapshot!(run.fault.unwrap(), @"the trainer ended well but wrote no adapter/adapter_model.safetensors");
    assert_eq!(site.shelf.0.lock().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let mut site = Site::new();
    let id = site.submit(&recipe("long", LONG)).id;
    let waiting = site.submit(&recipe("next", 1)).id;
    site.step(&id).await;
    site.restart().await;
    // The old trainer is gone, the new one goes on from its checkpoint, and the line is as it was.
    site.said(&id, "resume true").await;
    let before = site.runs.folder(&id).unwrap().steps(None).unwrap().len();
    while site.step(&id).await <= before {}
    assert_eq!(site.runs.get(&waiting).unwrap().state, RunState::Queued);
    // A paused run stays paused over a restart, and keeps its place.
    site.runs.pause(&id).unwrap();
    site.restart().await;
    assert_eq!(site.runs.get(&id).unwrap().state, RunState::Paused);
    assert_eq!(site.runs.get(&waiting).unwrap().state, RunState::Queued);
    site.runs.resume(&id).unwrap();
    site.step(&id).await;
    site.runs.cancel(&id).unwrap();
    site.state(&waiting, RunState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_refused_before_anything_is_written() {
    let site = Site::new();
    let submit = |recipe: Recipe| {
        let fault = site.runs.submit(&recipe, "anna").unwrap_err();
        format!("{}: {fault}", fault.code())
    };
    insta::assert_snapshot!(submit(recipe("empty", 1)), @"rows_empty: no row is left to train on: widen `data`; `POST /v1/staff/runs/preview` says what was left out and why");
    insta::assert_snapshot!(submit(recipe("No Name", 1)), @r#"
    recipe_invalid: the recipe has 1 fault(s):
      - name: "No Name": use lower-case letters, digits and dashes, at most 40
    "#);
    let outside = |base: &str, file: &str| {
        let mut recipe = recipe("shop", 1);
        recipe.base = base.to_owned();
        recipe.data.files = vec![file.into()];
        submit(recipe)
    };
    insta::assert_snapshot!(outside("pretend", "/etc/passwd"), @r#"
    recipe_invalid: the recipe has 1 fault(s):
      - data.files: "/etc/passwd": put it under `datasets` in the server's data folder and name it from there
    "#);
    insta::assert_snapshot!(outside("../pretend", "../x.jsonl"), @r#"
    recipe_invalid: the recipe has 2 fault(s):
      - base: "../pretend": name a model of the server, e.g. smollm2-135m-instruct
      - data.files: "../x.jsonl": put it under `datasets` in the server's data folder and name it from there
    "#);
    assert!(outside("unknown", "x.jsonl").starts_with("model_missing: base: there is no model `unknown`"));
    let mut greedy = recipe("greedy", 1);
    greedy.data.max_tokens = 1_000_000_000;
    assert!(submit(greedy).starts_with("run_memory: the run needs about "));
    assert_eq!(site.runs.list(), []);
    assert_eq!(fs_err::read_dir(site.data.path().join("runs")).unwrap().count(), 0);
    let preview = site.runs.preview(&recipe("shop", 1), 1).unwrap();
    assert_eq!((preview.rows.len(), preview.count), (1, 2));
    let nothing = site.runs.preview(&recipe("empty", 1), 1).unwrap();
    assert_eq!((nothing.count, &nothing.report["left_out"]["too_short"]), (0, &serde_json::json!(1)));
    assert!(matches!(site.runs.get("nobody").unwrap_err(), RunsError::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_the_command_line_is_shown_and_left_alone() {
    let mut site = Site::new();
    let mine = site.submit(&recipe("shop", 1)).id;
    let run = site.state(&mine, RunState::Done).await;
    let theirs = uuid::Uuid::now_v7().to_string();
    let folder = Folder::new(site.data.path().join("runs").join(&theirs));
    fs_err::create_dir_all(folder.path()).unwrap();
    let theirs_now = |state| Run { id: theirs.clone(), by: COMMAND_LINE.to_owned(), state, ..run.clone() };
    folder.save(&theirs_now(RunState::Training)).unwrap();
    assert_eq!(site.runs.get(&theirs).unwrap().state, RunState::Training);
    assert_eq!(site.runs.cancel(&theirs).unwrap_err().code(), "run_foreign");
    site.restart().await;
    assert_eq!(site.runs.list().len(), 2);
    // It is not taken up again, and holds nobody up.
    let next = site.submit(&recipe("next", 1)).id;
    site.state(&next, RunState::Done).await;
    folder.save(&theirs_now(RunState::Failed)).unwrap();
    assert_eq!(site.runs.get(&theirs).unwrap().state, RunState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_dies_with_a_killed_server() {
    // The server's end of the pipe is this command's; dropping it is what a kill does.
    let data = tempfile::tempdir().unwrap();
    fs_err::write(data.path().join("recipe.toml"), recipe("long", LONG).to_toml()).unwrap();
    fs_err::write(data.path().join("rows.jsonl"), "{}\n").unwrap();
    let job = shopclerk::runs::Job::Train { folder: data.path().to_owned(), resume: false, threads: 1 };
    let mut process = launch()(&job).unwrap().stdin(std::process::Stdio::piped()).spawn().unwrap();
    drop(process.stdin.take());
    let status = timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(143));
}
