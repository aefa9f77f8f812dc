//! Training over the wire, with a trainer that only pretends: status and body of every route.

use serde_json::{Value, json};
use shopclerk::model::adapters::Registry;
use shopclerk::staff::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::site::{API_KEY, Answer, PATIENCE, Site, roomy, site};
use crate::adapters::made::Made;

const RUNS: &str = "/v1/staff/runs";

fn recipe(name: &str, steps: usize) -> Value {
    json!({"recipe": {"name": name, "base": "pretend", "train": {"max_steps": steps}}})
}

/// What differs from run to run, replaced by a word.
fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                let moment = matches!(key.as_str(), "created_at" | "started_at" | "ended_at" | "since");
                if (moment && value.is_number()) || key == "ms" {
                    *value = json!("<moment>");
                } else if key == "id" && value.as_str().is_some_and(|id| id.len() == 36) {
                    *value = json!("<id>");
                } else {
                    *value = steady(value.take());
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = steady(value.take())),
        _ => {}
    }
    value
}

fn shown(answer: &Answer) -> String {
    if answer.body.is_empty() {
        answer.status.to_string()
    } else {
        format!("{} {}", answer.status, steady(answer.json()))
    }
}

impl Site {
    async fn begin(&self, name: &str, steps: usize) -> String {
        let answer = self.post(RUNS, Some(API_KEY), &recipe(name, steps)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The whole stream of events of a run that ends.
    async fn story(&self, id: &str, after: &str) -> Vec<(String, Value)> {
        let answer = self.get(&format!("{RUNS}/{id}/events{after}"), Some(API_KEY)).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        events(&answer.body)
    }
}

fn events(body: &str) -> Vec<(String, Value)> {
    let one = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        Some((field("event: ")?.to_owned(), serde_json::from_str(field("data: ")?).unwrap()))
    };
    body.split("\n\n").filter_map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_the_wire() {
    let site = site(roomy()).await;
    let answer = site.post(RUNS, Some(API_KEY), &recipe("shop", 3)).await;
    let expected = json!({
        "id": "<id>", "name": "shop", "state": "queued", "by": "api", "created_at": "<moment>", "started_at": null,
        "ended_at": null, "fault": null, "published": null,
    });
    assert_eq!(shown(&answer), format!("201 {expected}"));
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    // The stream ends when the run does; steps that were missed come first.
    let story = site.story(&id, "").await;
    let steps: Vec<u64> = story
        .iter()
        .filter(|(kind, _)| kind == "step")
        .map(|(_, log)| log["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [1, 2, 3]);
    let (kind, run) = story.last().unwrap();
    assert_eq!(
        (kind.as_str(), run["state"].as_str(), run["published"].as_str()),
        ("run", Some("done"), Some("shop@1"))
    );
    assert_eq!(site.story(&id, "?after=2").await.len(), 2, "step 3 and the run");

    let listed = site.get(RUNS, Some(API_KEY)).await.json();
    assert_eq!(listed["runs"][0], *run);
    let mut one = site.get(&format!("{RUNS}/{id}"), Some(API_KEY)).await.json();
    assert_eq!(one["recipe"]["lora"]["rank"], 16);
    one["recipe"] = json!("<recipe>");
    one["scorecard"]["suites"] = json!("<suites>");
    insta::assert_snapshot!(serde_json::to_string_pretty(&steady(one)).unwrap(), @r#"
    {
      "run": {
        "id": "<id>",
        "name": "shop",
        "state": "done",
        "by": "api",
        "created_at": "<moment>",
        "started_at": "<moment>",
        "ended_at": "<moment>",
        "fault": null,
        "published": "shop@1"
      },
      "recipe": "<recipe>",
      "report": {
        "taken": 2,
        "left_out": {
          "too_short": 1
        }
      },
      "last": {
        "step": 3,
        "of": 3,
        "epoch": 0.5,
        "loss": 0.3333333333333333,
        "lr": 0.0002,
        "tokens_per_second": 100.0,
        "tokens": 300,
        "memory_mib": 10.0,
        "seconds": 0.1
      },
      "trials": [],
      "scorecard": {
        "suites": "<suites>",
        "passed": true,
        "reasons": []
      },
      "artefacts": [
        "recipe.toml",
        "rows.jsonl",
        "report.json",
        "metrics.jsonl",
        "log.txt",
        "scorecard.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "run.json"
      ]
    }
    "#);
    let metrics = site.get(&format!("{RUNS}/{id}/metrics?after=2"), Some(API_KEY)).await.json();
    assert_eq!((metrics["steps"].as_array().unwrap().len(), &metrics["steps"][0]["step"]), (1, &json!(3)));
    let log = site.get(&format!("{RUNS}/{id}/log?bytes=100000"), Some(API_KEY)).await;
    assert!(log.body.contains("training on 2 rows") && log.body.contains("judging shop"), "{log:?}");
    let file = site.get(&format!("{RUNS}/{id}/artefacts/adapter_model.safetensors"), Some(API_KEY)).await;
    assert_eq!((file.status, file.body.as_str()), (200, "weights"));
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment; filename=\"adapter_model.safetensors\"")
    );
    let rows = site.get(&format!("{RUNS}/{id}/rows?after=1"), Some(API_KEY)).await.json();
    assert_eq!((rows["count"].as_u64(), rows["rows"].as_array().map(Vec::len)), (Some(2), Some(1)));
    assert_eq!(rows["rows"][0]["id"], "r2");
    // A recipe as text, and rows without a run.
    let text = "name = \"shop\"\nbase = \"pretend\"\n";
    let preview =
        site.post(&format!("{RUNS}/preview"), Some(API_KEY), &json!({"recipe": text, "rows": 1})).await;
    insta::assert_snapshot!(shown(&preview), @r#"200 {"rows":[{"id":"r1","group":"g1","messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Good day"}]}],"count":2,"report":{"taken":2,"left_out":{"too_short":1}}}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let site = site(roomy()).await;
    let mut said = Vec::new();
    let bodies = [
        json!({"recipe": {"nmae": "shop"}}),
        json!({"recipe": "name = 3"}),
        json!({"recipe": {"base": "pretend", "lora": {"rank": 0}, "train": {"lr": 2.0}}}),
        json!({"recipe": {"base": "gpt"}}),
        json!({"recipe": {"base": "pretend", "data": {"files": ["../../etc/passwd"]}}}),
        json!({"recipe": {"base": "pretend", "name": "empty"}}),
        json!({"rows": 3}),
    ];
    for body in bodies {
        let answer = site.post(RUNS, Some(API_KEY), &body).await;
        said.push(shown(&answer).replace(&site.folder().display().to_string(), "<data>"));
    }
    let none = "0190a3b4-0000-7000-8000-000000000000";
    for path in [format!("{RUNS}/{none}"), format!("{RUNS}/{none}/events"), format!("{RUNS}/..%2f..%2fetc")] {
        said.push(shown(&site.get(&path, Some(API_KEY)).await));
    }
    let id = site.begin("shop", 1).await;
    site.story(&id, "").await;
    for file in ["control", "..%2frun.json", "checkpoints"] {
        said.push(shown(&site.get(&format!("{RUNS}/{id}/artefacts/{file}"), Some(API_KEY)).await));
    }
    for act in ["cancel", "pause", "resume"] {
        said.push(shown(&site.post(&format!("{RUNS}/{id}/{act}"), Some(API_KEY), &Value::Null).await));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_pause_and_resume() {
    let site = site(roomy()).await;
    let id = site.begin("long", 1_000_000).await;
    let act = async |act: &str| {
        let answer = site.post(&format!("{RUNS}/{id}/{act}"), Some(API_KEY), &Value::Null).await;
        (answer.status, answer.json()["state"].as_str().map(str::to_owned))
    };
    // The stream stays open while the run lasts: read on until a step was heard.
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!(
        "GET {RUNS}/{id}/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {API_KEY}\r\n\r\n",
        site.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("event: step") {
        let mut piece = [0; 4096];
        let read = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        heard.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    drop(stream);
    assert_eq!(act("pause").await, (200, Some("paused".to_owned())));
    assert_eq!(act("pause").await.0, 409);
    assert_eq!(act("resume").await, (200, Some("training".to_owned())));
    assert_eq!(act("cancel").await.0, 200);
    let story = site.story(&id, "?after=1000000").await;
    assert_eq!(story.last().unwrap().1["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_the_streams() {
    let site = site(roomy()).await;
    let id = site.begin("long", 1_000_000).await;
    let (story, ()) = tokio::join!(site.story(&id, ""), async {
        // As soon as anything happens to it, somebody listens.
        let mut events = site.runs.listen();
        events.recv().await.unwrap();
        site.running.drain().await;
    });
    assert_ne!(story.last().map(|(kind, _)| kind.as_str()), None);
    site.runs.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_are_promoted_and_taken_back() {
    let site = site(roomy()).await;
    let made = Made::new();
    let registry = Registry::new(site.folder().join("adapters"), Vec::new());
    let publish = |passed: bool| {
        let mut manifest = made.manifest("shop");
        manifest.scorecard.as_mut().unwrap().passed = passed;
        registry.publish(&made.peft(), manifest).unwrap()
    };
    publish(true);
    publish(false);
    let admin = site.enter("ann", Role::Admin);
    let adapters = "/v1/staff/adapters";
    let mut said = Vec::new();
    let mut note = |what: &str, answer: Answer| {
        said.push(format!(
            "{what}\n  {}",
            shown(&answer).replace(&site.folder().display().to_string(), "<data>")
        ));
    };
    let post = async |path: String, body: Value| site.page("POST", &path, &admin, &body).await;
    let ask = json!({"prompt": "Do you ship?", "variants": ["base", "shop@2"]});
    note("compare before", post("/v1/staff/compare".to_owned(), ask).await);
    note("promote the first", post(format!("{adapters}/shop/promote"), json!({"version": 1})).await);
    note("the second did not pass", post(format!("{adapters}/shop/promote"), json!({"version": 2})).await);
    let forced = json!({"version": 2, "share": 0.25, "force": true});
    note("the second on trial all the same", post(format!("{adapters}/shop/promote"), forced).await);
    note("no such version", post(format!("{adapters}/shop/promote"), json!({"version": 9})).await);
    note(
        "a share that is none",
        post(format!("{adapters}/shop/promote"), json!({"version": 2, "share": 2.0, "force": true})).await,
    );
    note("list", site.page("GET", adapters, &admin, &Value::Null).await);
    note("in use", site.page("DELETE", &format!("{adapters}/shop/2"), &admin, &Value::Null).await);
    note("take back the trial", post(format!("{adapters}/shop/rollback"), Value::Null).await);
    note("take back the first", post(format!("{adapters}/shop/rollback"), Value::Null).await);
    note("nothing left", post(format!("{adapters}/shop/rollback"), Value::Null).await);
    note("remove", site.page("DELETE", &format!("{adapters}/shop/2"), &admin, &Value::Null).await);
    note("removed", site.page("GET", &format!("{adapters}/shop/2"), &admin, &Value::Null).await);
    for body in [
        json!({"prompt": "x", "variants": []}),
        json!({"variants": ["base"]}),
        json!({"prompt": "x", "variants": ["base"], "max_tokens": 0}),
        json!({"prompt": "x", "variants": ["../base"]}),
        json!({"prompt": "[[fail]] now please", "variants": ["base"]}),
    ] {
        note("compare wrongly", post("/v1/staff/compare".to_owned(), body).await);
    }
    insta::assert_snapshot!(said.join("\n"));
}
