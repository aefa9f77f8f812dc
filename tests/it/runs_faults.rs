//! Runs that something goes wrong with: too little memory to judge, rows that cannot be gathered while somebody looks, trainers that
//! were killed, rows too long for the judge.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::fs::FlockOperation;
use shopclerk::clock::Clock;
use shopclerk::domain::recipe::Recipe;
use shopclerk::domain::run::{Run, RunState};
use shopclerk::runs::{COMMAND_LINE, Folder, Gather, GatherError, Parts, Runs, Settings};

use super::runs::{LONG, Shelf, Site, recipe};
use super::runs_child::{launch, pretend_model};

/// What was trained is kept while there is no memory to judge it.
#[tokio::test(flavor = "multi_thread")]
async fn a_judge_without_room_is_not_started_and_the_run_can_go_on() {
    let mut site = Site::new();
    let id = site.submit(&recipe("shop", 1500)).id;
    site.step(&id).await;
    site.runs.pause(&id).unwrap();
    let config = site.data.path().join("models/pretend/config.json");
    let small = fs_err::read_to_string(&config).unwrap();
    // A vocabulary whose logits no machine holds.
    fs_err::write(&config, small.replace("\"vocab_size\":4", "\"vocab_size\":1000000000000")).unwrap();
    site.runs.resume(&id).unwrap();
    let fault = site.state(&id, RunState::Failed).await.fault.unwrap();
    assert!(fault.starts_with("judging needs about ") && fault.contains("MiB too few"), "{fault}");
    let folder = site.runs.folder(&id).unwrap();
    assert!(!folder.log_tail(1 << 20).unwrap().contains("judging shop"));
    fs_err::write(&config, small).unwrap();
    site.runs.resume(&id).unwrap();
    site.state(&id, RunState::Done).await;
}

/// When memory runs out it is the trainer that is killed: its run goes on from a checkpoint, a server does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_gives_way_is_the_first_to_be_killed() {
    if fs_err::read_to_string("/proc/self/oom_score_adj").is_err() {
        println!("skipped: this system says nothing of memory that runs out");
        return;
    }
    let mut site = Site::new();
    let id = site.submit(&recipe("polite", LONG)).id;
    site.step(&id).await;
    let pid = fs_err::read_to_string(site.data.path().join("runs").join(&id).join("pid")).unwrap();
    let score = |pid: &str| fs_err::read_to_string(format!("/proc/{}/oom_score_adj", pid.trim())).unwrap();
    assert_eq!(score(&pid).trim(), "1000");
    assert_ne!(score("self").trim(), "1000");
    site.runs.cancel(&id).unwrap();
    site.state(&id, RunState::Cancelled).await;
}

/// Gathers nothing, and has somebody list the runs meanwhile.
#[derive(Default)]
struct Looking(Mutex<Option<Runs>>);

impl Gather for Looking {
    fn gather(&self, _: &Recipe, _: &Path) -> Result<serde_json::Value, GatherError> {
        let runs = self.0.lock().unwrap().clone().unwrap();
        let [run] = runs.list().try_into().unwrap();
        assert_eq!(run.state, RunState::Preparing);
        Err(GatherError::Invalid("a row is broken".to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_seen_before_it_was_refused_is_gone_from_the_list() {
    let data = tempfile::tempdir().unwrap();
    pretend_model(&data.path().join("models"));
    let looking = Arc::new(Looking::default());
    let runs = Runs::open(Parts {
        root: data.path().join("runs"),
        models: data.path().join("models"),
        settings: Settings { threads: 1, reserve_mib: 0, ..Settings::default() },
        model: Default::default(),
        clock: Clock::System,
        launch: launch(),
        gather: looking.clone(),
        publish: Arc::<Shelf>::default(),
    })
    .unwrap();
    *looking.0.lock().unwrap() = Some(runs.clone());
    let fault = runs.submit(&recipe("shop", 1), "anna").unwrap_err();
    assert_eq!(fault.code(), "rows_invalid");
    assert_eq!(runs.list(), []);
    runs.shut_down().await;
    *looking.0.lock().unwrap() = None;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_the_command_line_whose_trainer_was_killed_has_failed() {
    let site = Site::new();
    let id = uuid::Uuid::now_v7().to_string();
    let folder = Folder::new(site.data.path().join("runs").join(&id));
    fs_err::create_dir_all(folder.path()).unwrap();
    let run = Run {
        id: id.clone(),
        name: "shop".to_owned(),
        state: RunState::Training,
        by: COMMAND_LINE.to_owned(),
        created_at: 1,
        started_at: Some(2),
        ended_at: None,
        fault: None,
        published: None,
    };
    folder.save(&run).unwrap();
    assert_eq!(site.runs.get(&id).unwrap(), run, "it has not come to its lock yet");
    let lock = fs_err::File::create(folder.file(".lock")).unwrap();
    rustix::fs::flock(lock.file(), FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(site.runs.get(&id).unwrap(), run, "it trains");
    drop(lock);
    let seen = site.runs.get(&id).unwrap();
    assert_eq!(seen.state, RunState::Failed);
    let fault = seen.fault.unwrap();
    assert!(fault.contains("shopclerk train --resume ") && fault.contains(&id), "{fault}");
    // A look is no more than that: the folder says what its trainer wrote, and is free for the next one.
    assert_eq!(folder.run().unwrap(), run);
    let lock = fs_err::File::open(folder.file(".lock")).unwrap();
    rustix::fs::flock(lock.file(), FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(site.runs.list(), std::slice::from_ref(&run));
    folder.save(&Run { state: RunState::Done, ..run }).unwrap();
    drop(lock);
    assert_eq!(site.runs.get(&id).unwrap().state, RunState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_longer_than_what_is_served_are_refused_before_training() {
    let site = Site::new();
    let mut long = recipe("shop", 1);
    long.data.max_tokens = 4097;
    let fault = site.runs.submit(&long, "anna").unwrap_err();
    assert_eq!(fault.code(), "recipe_invalid");
    insta::assert_snapshot!(fault, @r"
    the recipe has 1 fault(s):
      - data.max_tokens: 4097: pretend is served, and so judged, with at most 4096 tokens; use 4096 or less, or raise model.context if the model knows more
    ");
    assert_eq!(site.runs.preview(&long, 1).unwrap_err().code(), "recipe_invalid");
    let config = site.data.path().join("models/pretend/config.json");
    let limited = fs_err::read_to_string(&config).unwrap().replace('{', "{\"max_position_embeddings\":1024,");
    fs_err::write(&config, limited).unwrap();
    long.data.max_tokens = 1025;
    assert!(site.runs.preview(&long, 1).unwrap_err().to_string().contains("at most 1024 tokens"));
    long.data.max_tokens = 1024;
    assert_eq!(site.runs.preview(&long, 1).unwrap().count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_leaves_in_single_files_can_be_fetched() {
    let mut site = Site::new();
    let id = site.submit(&recipe("shop", 1)).id;
    site.state(&id, RunState::Done).await;
    let folder = site.runs.folder(&id).unwrap();
    for name in ["model.gguf", "winner.toml", "data.json"] {
        assert!(folder.artefact(name).is_none());
        fs_err::write(folder.file(name), name).unwrap();
        assert_eq!(folder.artefact(name), Some(folder.file(name)));
        assert!(folder.artefacts().contains(&name));
    }
}
