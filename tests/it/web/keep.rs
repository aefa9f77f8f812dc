//! What the shop must forget: one shopper over HTTP, retention, what a stop leaves to be done; and what the audit log says of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::domain::{ConvId, Shopper, ShopperId};
use shopclerk::keep::{self, Keep};
use shopclerk::model::adapters::Registry;
use shopclerk::runs::rows::forget;
use shopclerk::staff::Role;

use super::site::{Answer, Session, Site, roomy, site, site_at};
use crate::adapters::made::Made;

const SECRET: &str = "xylophonist";

impl Site {
    /// Waits until `done`; nothing here takes long.
    async fn until(&self, what: &str, done: impl AsyncFn() -> bool) {
        let waiting = async {
            while !done().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(super::site::PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"));
    }

    fn shopper_of(&self, conv: &str) -> ShopperId {
        let conv: ConvId = conv.parse().unwrap();
        self.desk.head(conv).unwrap().unwrap().shopper.unwrap()
    }

    async fn found(&self, admin: &str, word: &str) -> u64 {
        let answer =
            self.page("GET", &format!("/v1/staff/search?q={word}"), admin, &Value::Null).await.json();
        if answer["behind"] == 0 { answer["total"].as_u64().unwrap() } else { u64::MAX }
    }

    /// `what on detail` of the newest entries, without ids.
    pub(super) async fn audited(&self, admin: &str, ids: &[&str]) -> Vec<String> {
        let page = self.page("GET", "/v1/staff/audit", admin, &Value::Null).await.json();
        let entries = page["entries"].as_array().unwrap().iter();
        entries
            .map(|entry| {
                let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                let line = format!("{}: {} {} {}", text("who"), text("what"), text("on"), text("detail"));
                let line = ids.iter().fold(line, |line, id| line.replace(id, "<id>"));
                line.trim_end().to_owned()
            })
            .collect()
    }
}

/// A run of one row of each of `of`, and the adapter it made.
fn past_run(site: &Site, id: &str, of: &[(&str, ShopperId)]) {
    let folder = site.folder().join("runs").join(id);
    fs_err::create_dir_all(&folder).unwrap();
    let row = |(conv, shopper): &(&str, ShopperId)| {
        let lineage = json!([{"conversation": conv, "shopper": shopper, "events": [2, 3]}]);
        let messages = json!([{"role": "user", "content": SECRET}, {"role": "assistant", "content": "yes"}]);
        format!("{}\n", json!({"id": conv, "group": shopper, "messages": messages, "lineage": lineage}))
    };
    fs_err::write(folder.join("rows.jsonl"), of.iter().map(row).collect::<String>()).unwrap();
    let suite = json!({
        "name": "reference_facts", "direction": "higher", "measure": "f1", "rows": 1, "trivial": null, "base": null,
        "adapter": {"value": 0.5, "low": 0.4, "high": 0.6}, "details": {"examples": [{"reference": SECRET}]},
    });
    let card = json!({"suites": [suite], "passed": true, "reasons": []});
    fs_err::write(folder.join("scorecard.json"), card.to_string()).unwrap();
    let made = Made::new();
    let mut manifest = made.manifest("shop");
    manifest.run = Some(id.to_owned());
    manifest.scorecard = Some(serde_json::from_value(card).unwrap());
    Registry::new(site.folder().join("adapters"), Vec::new()).publish(&made.peft(), manifest).unwrap();
}

/// Files under `folder` in which `word` can be read.
fn traces(folder: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(traces(&path, word));
        } else if fs_err::read(&path).is_ok_and(|bytes| {
            bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
        }) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn shown(answer: &Answer, ids: &[&str]) -> String {
    ids.iter().fold(format!("{} {}", answer.status, answer.body), |text, id| text.replace(id, "<id>"))
}

/// A shopper who said the secret and is known by name, blocked, and taught an adapter.
async fn somebody(site: &Site) -> (Session, ShopperId) {
    let session = site.session().await;
    let id = site.shopper_of(&session.conv);
    let known = Shopper {
        id,
        name: Some("Xenia".into()),
        email: Some("xenia@example.com".into()),
        external: Some("C-7".into()),
        contact: None,
        verified: true,
        created_at: 1,
        page: None,
    };
    site.desk.remember(known).await.unwrap();
    site.says(&session.conv, &format!("I am a {SECRET} [[raw]]Good for you[[end]]")).await;
    (session, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopper_is_given_out_and_erased_everywhere() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let (other, other_id) = {
        let session = site.session().await;
        site.says(&session.conv, "Do you ship? [[raw]]Yes[[end]]").await;
        let id = site.shopper_of(&session.conv);
        (session, id)
    };
    let (session, id) = somebody(&site).await;
    let text = id.to_string();
    past_run(&site, "r1", &[(&session.conv, id), (&other.conv, other_id)]);
    past_run(&site, "r2", &[(&other.conv, other_id)]);
    site.until("it is found", async || {
        site.found(&admin, SECRET).await >= 1 && site.found(&admin, SECRET).await < 9
    })
    .await;
    let ids = [text.as_str(), session.conv.as_str()];

    // Found by whatever the shop knows of her.
    for word in ["XENIA@example.com", "c-7", &text] {
        let found =
            site.page("GET", &format!("/v1/staff/shoppers?word={word}"), &admin, &Value::Null).await.json();
        assert_eq!(
            (&found["shoppers"][0]["shopper"]["id"], &found["shoppers"][0]["conversations"]),
            (&json!(text), &json!(1))
        );
    }
    let none = site.page("GET", "/v1/staff/shoppers?word=nobody", &admin, &Value::Null).await;
    assert_eq!(shown(&none, &[]), r#"200 {"shoppers":[]}"#);
    assert_eq!(site.page("GET", "/v1/staff/shoppers?word=%20", &admin, &Value::Null).await.status, 400);

    // Everything as a file.
    let file = site.page("GET", &format!("/v1/staff/shoppers/{text}/export"), &admin, &Value::Null).await;
    assert_eq!(
        file.header("content-disposition"),
        Some(format!("attachment; filename=\"shopper-{text}.json\"").as_str())
    );
    let all = file.json();
    assert_eq!((&all["shopper"]["email"], &all["blocked"]), (&json!("xenia@example.com"), &json!(false)));
    assert_eq!(all["conversations"][0]["conv"], session.conv);
    assert!(
        all["conversations"][0]["events"].as_array().unwrap().iter().any(|event| event["kind"] == "said")
    );
    assert_eq!(
        (&all["training_rows"][0]["run"], all["training_rows"].as_array().unwrap().len()),
        (&json!("r1"), 1)
    );

    // Erased: the answer, the store, the list, the search, the files.
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    site.page("POST", &format!("/v1/staff/shoppers/{text}/block"), &admin, &json!({"reason": "rude"})).await;
    assert_eq!(socket.end().await, 4003, "a blocked shopper's socket ends");
    let mut agent = site.agent(&admin).await;
    agent.send(&json!({"t": "list", "tab": "all"})).await;
    assert_eq!(agent.until("list").await["rows"].as_array().unwrap().len(), 2);
    let path = format!("/v1/staff/shoppers/{text}");
    let erased = site.page("DELETE", &path, &admin, &Value::Null).await;
    assert_eq!(
        shown(&erased, &ids),
        r#"200 {"conversations":1,"rows":1,"runs":["r1"],"adapters":["shop@1"]}"#
    );
    let gone = loop {
        let rows = agent.until("rows").await;
        if rows["gone"].as_array().is_some_and(|gone| !gone.is_empty()) {
            break rows["gone"].clone();
        }
    };
    assert_eq!(gone, json!([session.conv]));
    for path in [format!("/v1/staff/conversations/{}", session.conv), format!("{path}/export")] {
        assert_eq!(site.page("GET", &path, &admin, &Value::Null).await.status, 404);
    }
    let rows = site.page("GET", "/v1/staff/conversations", &admin, &Value::Null).await.json()["rows"].clone();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["conv"]), (1, &json!(other.conv)));
    site.until("it is not found", async || site.found(&admin, SECRET).await == 0).await;
    assert!(!site.staff.team.is_blocked(id));
    let again = site.page("DELETE", &path, &admin, &Value::Null).await;
    assert_eq!(
        shown(&again, &[]),
        r#"404 {"error":{"code":"unknown_shopper","message":"nothing is known of this shopper"}}"#
    );

    // The other shopper's row has the same words, and stays.
    let rows = fs_err::read_to_string(site.folder().join("runs/r1/rows.jsonl")).unwrap();
    assert_eq!((rows.lines().count(), rows.contains(&text)), (1, false));
    let listed = site.page("GET", "/v1/staff/adapters", &admin, &Value::Null).await.json();
    let tainted = |n: usize| (listed["adapters"][n]["id"].clone(), listed["adapters"][n]["tainted"].clone());
    assert_eq!((tainted(0), tainted(1)), ((json!("shop@1"), json!(true)), (json!("shop@2"), json!(false))));
    for file in ["runs/r1/scorecard.json", "adapters/shop/1/manifest.json"] {
        let text = fs_err::read_to_string(site.folder().join(file)).unwrap();
        assert!(!text.contains(SECRET) && text.contains("0.5"), "{text}");
    }
    site.until("the search index's files are clean", async || {
        traces(&site.folder().join("staff/search"), SECRET).is_empty()
    })
    .await;
    assert_eq!(traces(&site.folder().join("journal"), SECRET), Vec::<String>::new());
    assert_eq!(traces(&site.folder().join("journal"), "xenia"), Vec::<String>::new());

    // Who did it, and what; never whose words.
    assert_eq!(
        site.audited(&admin, &ids).await,
        [
            "ann: shopper_erased <id> 1 conversations, 1 rows, tainted shop@1",
            "ann: shopper_blocked <id>",
            "ann: shopper_exported <id>",
        ]
    );
    assert_eq!(traces(&site.folder().join("staff"), "xenia"), Vec::<String>::new());

    // She may come back, to a conversation of her own.
    let answer = site.post("/v1/shopper/session", Some(&session.token), &json!({})).await.json();
    assert_ne!(answer["conversation"], session.conv);
    site.running.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_a_stop_interrupted_is_finished() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    for rows_first in [true, false] {
        let (session, id) = somebody(&site).await;
        past_run(&site, "r1", &[(&session.conv, id)]);
        // What a kill leaves: the order, and as much as was done.
        let order = json!({"format": 1, "shoppers": {(id.to_string()): "bob"}});
        fs_err::write(site.staff_folder().join("erasing.json"), order.to_string()).unwrap();
        if rows_first {
            forget::forget(site.folder(), forget::Whose::Shopper(id)).unwrap();
        }
        let parts = keep::Parts {
            data: site.folder().to_owned(),
            store: site.store.clone(),
            staff: site.staff.clone(),
            clock: site.clock.clone(),
            retention_days: 0,
            gone: std::sync::Arc::new(|_| {}),
        };
        let keep = Keep::open(&site.staff_folder(), parts).unwrap();
        assert_eq!(keep.finish().await.unwrap(), 1);
        assert_eq!(keep.finish().await.unwrap(), 0);
        assert!(keep.known(id).unwrap().is_none() && keep.rows_of(id).unwrap().is_empty());
        let newest = site.audited(&admin, &[&id.to_string()]).await.remove(0);
        assert!(newest.starts_with("bob: shopper_erased <id> 1 conversations"), "{newest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_too_long_goes_by_itself() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let clock = Clock::manual(1_700_000_000_000);
    let site = site_at(roomy(), clock.clone()).await;
    let (old, old_id) = somebody(&site).await;
    past_run(&site, "r1", &[(&old.conv, old_id)]);
    clock.advance(DAY * 20);
    let young = site.session().await;
    site.says(&young.conv, "Do you ship? [[raw]]Yes[[end]]").await;
    clock.advance(DAY * 11);
    let admin = site.enter("ann", Role::Admin);
    let keeping = tokio::spawn(site.keep.clone().keep_to_retention());
    let seen = site.page("GET", "/v1/staff/shop", &admin, &Value::Null).await.json();
    assert_eq!((&seen["set"]["retention_days"], &seen["files"]["retention_days"]), (&Value::Null, &json!(0)));
    assert!(site.keep.known(old_id).unwrap().is_some(), "for ever, as long as nobody says otherwise");
    let set = site.page("PUT", "/v1/staff/shop", &admin, &json!({"retention_days": 30})).await;
    assert_eq!(set.status, 200, "{set:?}");
    site.until("the old one is gone", async || site.keep.known(old_id).unwrap().is_none()).await;
    assert!(site.desk.head(young.conv.parse().unwrap()).unwrap().is_some());
    site.until("the list knows", async || site.staff.board.row(old.conv.parse().unwrap()).is_none()).await;
    site.until("it is written down", async || site.audited(&admin, &[]).await.len() == 2).await;
    assert_eq!(
        site.audited(&admin, &[]).await,
        ["shopclerk: retention  1 conversations, 30 days", "ann: shop_changed  retention 30 days"]
    );
    let manifest = fs_err::read_to_string(site.folder().join("adapters/shop/1/manifest.json")).unwrap();
    assert!(manifest.contains("\"tainted\": false"), "rows hold no personal data: {manifest}");
    assert_eq!(fs_err::read_to_string(site.folder().join("runs/r1/rows.jsonl")).unwrap(), "");
    keeping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_look_and_the_origins_are_set_without_a_restart() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let begin = async |origin: &str| {
        let request = format!(
            "POST /v1/shopper/session HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            site.address
        );
        site.raw(&request).await.status
    };
    let look = async |lang: &str| site.get(&format!("/v1/shopper/look?lang={lang}"), None).await.json();
    let before = look("en").await;
    assert_eq!(begin("https://shop.example.com").await, 403);
    let wanted = json!({
        "origins": ["https://shop.example.com"],
        "look": {"color": "#123456", "title": "Mia", "greeting": {"de": "Hallo!"}, "suggestions": {"en": ["Where is it?"]}},
    });
    let set = site.page("PUT", "/v1/staff/shop", &admin, &wanted).await.json();
    assert_eq!((&set["set"]["look"]["color"], &set["files"]["color"]), (&json!("#123456"), &before["color"]));
    assert_eq!(begin("https://shop.example.com").await, 200);
    assert_eq!(begin("https://shop.example.org").await, 403);
    let page = site.get("/widget/", None).await;
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("frame-ancestors 'self' https://shop.example.com")
    );
    let now = look("en").await;
    assert_eq!((&now["color"], &now["assistant"]), (&json!("#123456"), &json!("Mia")));
    assert_eq!((&now["greeting"], &now["suggestions"]), (&before["greeting"], &json!(["Where is it?"])));
    assert_eq!(look("de-AT").await["greeting"], "Hallo!");
    let wrong = site.page("PUT", "/v1/staff/shop", &admin, &json!({"origins": ["https://*"]})).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (400, &json!("bad_settings")));
    // Empty again is as the files say.
    site.page("PUT", "/v1/staff/shop", &admin, &json!({})).await;
    assert_eq!(look("en").await, before);
    assert_eq!(begin("https://shop.example.com").await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_and_adapters_are_in_the_audit_log() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let post = async |path: &str, body: Value| site.page("POST", path, &admin, &body).await;
    let recipe = |name: &str, steps: usize| json!({"recipe": {"name": name, "base": "pretend", "train": {"max_steps": steps}}});
    let begin = async |name: &str, steps: usize| {
        let answer = post("/v1/staff/runs", recipe(name, steps)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let short = begin("short", 1).await;
    site.until("it is published", async || site.runs.get(&short).unwrap().published.is_some()).await;
    site.until("it is written down", async || site.audited(&admin, &[]).await.len() == 2).await;
    let long = begin("long", 1_000_000).await;
    for act in ["cancel"] {
        assert_eq!(post(&format!("/v1/staff/runs/{long}/{act}"), Value::Null).await.status, 200);
    }
    let path = format!("/v1/staff/runs/{short}/artefacts/rows.jsonl");
    assert_eq!(site.page("GET", &path, &admin, &Value::Null).await.status, 200);
    for passed in [true, false] {
        let made = Made::new();
        let mut manifest = made.manifest("shop");
        manifest.scorecard.as_mut().unwrap().passed = passed;
        Registry::new(site.folder().join("adapters"), Vec::new()).publish(&made.peft(), manifest).unwrap();
    }
    let adapters = "/v1/staff/adapters";
    post(&format!("{adapters}/shop/promote"), json!({"version": 1})).await;
    assert_eq!(
        post(&format!("{adapters}/shop/promote"), json!({"version": 2})).await.status,
        409,
        "nothing was done"
    );
    post(&format!("{adapters}/shop/promote"), json!({"version": 2, "share": 0.25, "force": true})).await;
    post(&format!("{adapters}/shop/rollback"), Value::Null).await;
    post(&format!("{adapters}/shop/rollback"), Value::Null).await;
    site.page("DELETE", &format!("{adapters}/shop/2"), &admin, &Value::Null).await;
    let mut said = site.audited(&admin, &[&short, &long]).await;
    said.reverse();
    assert_eq!(
        said,
        [
            "ann: run_started <id> short",
            "ann: adapter_published short@1 <id>",
            "ann: run_started <id> long",
            "ann: run_cancelled <id> long",
            "ann: run_exported <id> rows.jsonl",
            "ann: adapter_promoted shop@1 100% of conversations",
            "ann: adapter_promoted shop@2 25% of conversations, against the gate",
            "ann: adapter_rolled_back shop version 1 answers",
            "ann: adapter_rolled_back shop the base model answers",
            "ann: adapter_removed shop@2",
        ]
    );
}
