//! From the model to a person: by the shop's rules, by the model's choice; and who is told what.

use std::time::Duration;

use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::domain::Command;
use shopclerk::staff::Role;

use super::site::{Session, Site, Socket, roomy, site, site_at};

/// A site with an admin, and with these settings.
async fn ruled(site: &Site, settings: Value) -> String {
    let admin = site.enter("anna", Role::Admin);
    let answer = site.page("PUT", "/v1/staff/settings", &admin, &settings).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    admin
}

fn rules(rule: &str, value: Value) -> Value {
    let mut rules = json!({"words": false, "mood": null, "repeated": null, "unsure": null, "closed": false, "model": null});
    rules[rule] = value;
    rules
}

async fn shopper(site: &Site) -> (Session, Socket) {
    let session = site.session().await;
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    (session, socket)
}

/// Says `text` and reads on to what answers it: a reply, or another owner.
async fn says(socket: &mut Socket, session: &Session, text: &str) -> Value {
    socket.say(&session.conv, text).await;
    loop {
        let event = socket.until("event").await;
        if event["kind"] == "reply" || event["kind"] == "owner" {
            return event;
        }
    }
}

/// Why the conversation was handed off, as staff read it.
async fn reason(site: &Site, admin: &str, session: &Session) -> Value {
    let path = format!("/v1/staff/conversations/{}/events", session.conv);
    let events = site.page("GET", &path, admin, &Value::Null).await.json();
    let owner =
        events["events"].as_array().unwrap().iter().rev().find(|event| event["kind"] == "owner").cloned();
    owner.map_or(Value::Null, |event| event["reason"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_the_shop_brings_a_person_before_the_model_says_a_word() {
    let site = site(roomy()).await;
    let admin = ruled(
        &site,
        json!({"hours": "", "handoff_words": ["refund"], "handoff": rules("words", json!(true))}),
    )
    .await;
    let (session, mut socket) = shopper(&site).await;
    assert_eq!(says(&mut socket, &session, "[[raw]]Hello").await["text"], "Hello");
    let handed = says(&mut socket, &session, "I want a REFUND!").await;
    assert_eq!((&handed["owner"], handed.get("reason"), handed.get("away")), (&json!("queue"), None, None));
    assert_eq!(reason(&site, &admin, &session).await, "word");
    // Back at the assistant, what was said before brings nobody; saying it again does.
    socket.send(&json!({"t": "assistant", "conv": session.conv})).await;
    let mut seen = socket.event("reply").await;
    assert!(seen["text"].as_str().is_some_and(|text| text.ends_with("I want a REFUND!")), "{seen}");
    seen = says(&mut socket, &session, "[[raw]]Fine").await;
    assert_eq!(seen["text"], "Fine");
    assert_eq!(says(&mut socket, &session, "My refund, please").await["owner"], "queue");
    // The same message twice has the effect of once, as ever.
    let said = |cmid| json!({"t": "say", "conv": session.conv, "cmid": cmid, "text": "refund"});
    let cmid = uuid::Uuid::now_v7();
    socket.send(&said(cmid)).await;
    let first = socket.until("ack").await["seq"].clone();
    socket.send(&said(cmid)).await;
    assert_eq!(socket.until("ack").await["seq"], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_in_the_making_ends_where_the_word_falls() {
    let site = site(roomy()).await;
    ruled(&site, json!({"handoff_words": ["lawyer"], "handoff": rules("words", json!(true))})).await;
    let (session, mut socket) = shopper(&site).await;
    socket.say(&session.conv, "[[slow 5]] [[long 5000]]").await;
    socket.until("delta").await;
    socket.say(&session.conv, "I call my lawyer").await;
    let cut = socket.event("reply").await;
    assert_eq!(cut["ended"], "interrupted");
    assert_eq!(socket.event("owner").await["owner"], "queue");
    socket.send(&json!({"t": "nonsense"})).await;
    loop {
        let frame = socket.next().await.unwrap();
        assert_ne!(frame["t"], "delta", "{frame}");
        if frame["code"] == "bad_frame" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_again_and_questions_nobody_can_answer() {
    let site = site(roomy()).await;
    let admin = ruled(&site, json!({"handoff": rules("repeated", json!(3))})).await;
    let (session, mut socket) = shopper(&site).await;
    for _ in 0..2 {
        assert_eq!(says(&mut socket, &session, "Where is my parcel now?").await["kind"], "reply");
        assert_eq!(says(&mut socket, &session, "Thank you").await["kind"], "reply");
    }
    assert_eq!(says(&mut socket, &session, "So where is my parcel now?!").await["owner"], "queue");
    assert_eq!(reason(&site, &admin, &session).await, "repeated");

    let unsure = json!({"handoff": rules("unsure", json!(2))});
    assert_eq!(site.page("PUT", "/v1/staff/settings", &admin, &unsure).await.status, 200);
    let (session, mut socket) = shopper(&site).await;
    assert_eq!(says(&mut socket, &session, "Zxcvb qwert?").await["kind"], "reply");
    // One that the facts answer between: the run begins again.
    assert_eq!(says(&mut socket, &session, "How long does shipping take?").await["kind"], "reply");
    assert_eq!(
        says(&mut socket, &session, "Asdfg hjklm?").await["kind"],
        "reply",
        "read with the one before"
    );
    assert_eq!(says(&mut socket, &session, "Uiopl mnbvc?").await["kind"], "reply");
    assert_eq!(says(&mut socket, &session, "Wertz tzuio?").await["owner"], "queue");
    assert_eq!(reason(&site, &admin, &session).await, "unsure");
    // Resolved and opened again, the old questions count for nothing.
    let mut anna = site.agent(&admin).await;
    anna.send(&json!({"t": "open", "conv": session.conv, "seq": 0})).await;
    anna.send(&json!({"t": "reopen", "conv": session.conv})).await;
    assert_eq!(anna.until("error").await["code"], "nothing_to_do");
    anna.send(&json!({"t": "resolve", "conv": session.conv})).await;
    anna.send(&json!({"t": "reopen", "conv": session.conv})).await;
    loop {
        if socket.event("status").await["status"] == "open" {
            break;
        }
    }
    assert_eq!(says(&mut socket, &session, "Edcrf vtgbz?").await["kind"], "reply");
    assert_eq!(says(&mut socket, &session, "Ujmik olpqa?").await["owner"], "queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_bad_moods_calls_a_person() {
    let site = site(roomy()).await;
    let admin = ruled(&site, json!({"handoff": rules("mood", json!(2))})).await;
    let (session, mut socket) = shopper(&site).await;
    let conv: shopclerk::domain::ConvId = session.conv.parse().unwrap();
    // As the tool keeps it when the model has time: the scripted model knows no moods.
    for (label, by) in [
        ("negative", None),
        ("positive", None),
        ("negative", None),
        ("negative", Some("anna")),
        ("negative", None),
    ] {
        says(&mut socket, &session, "So").await;
        let of = site.desk.head(conv).unwrap().unwrap().asked;
        let mut outcome = json!({"of": of, "label": label});
        if let Some(by) = by {
            outcome["by"] = by.into();
        }
        assert_eq!(reason(&site, &admin, &session).await, Value::Null, "not yet");
        site.store.commit(conv, Command::Tool { name: "sentiment".to_owned(), outcome }).await.unwrap();
    }
    assert_eq!(socket.event("owner").await["owner"], "queue");
    assert_eq!(reason(&site, &admin, &session).await, "mood");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_chooses_a_person_by_a_choice_of_two_never_by_its_words() {
    let site = site(roomy()).await;
    let admin = ruled(&site, json!({"handoff": rules("model", json!(80))})).await;
    let (session, mut socket) = shopper(&site).await;
    let said = "[[raw]]I hand you over to a human. HANDOFF";
    assert_eq!(says(&mut socket, &session, said).await["kind"], "reply", "its words decide nothing");
    let handed = says(&mut socket, &session, "Only a person can decide this").await;
    assert_eq!(handed["owner"], "queue");
    assert_eq!(reason(&site, &admin, &session).await, "model");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_is_there_an_address_is_taken_kept_for_the_staff_and_erased_with_the_shopper() {
    // 2026-11-23, a Monday, 20:00 in London.
    let site = site_at(roomy(), Clock::manual(1_795_464_000_000)).await;
    let week = json!([[540, 1020], [540, 1020], [540, 1020], [540, 1020], [540, 1020], null, null]);
    let schedule = json!({"zone": "Europe/London", "week": week});
    let hours =
        json!({"hours": "Mon to Fri, 9 to 5", "schedule": schedule, "handoff": rules("words", json!(true))});
    let admin = ruled(&site, hours).await;
    assert_eq!(site.get("/v1/shopper/look", None).await.json()["hours"], "Mon to Fri, 9 to 5");
    let (session, mut socket) = shopper(&site).await;
    assert_eq!(says(&mut socket, &session, "[[raw]]Hello").await["kind"], "reply", "the model goes on");
    socket.send(&json!({"t": "person", "conv": session.conv})).await;
    let handed = socket.event("owner").await;
    assert_eq!((&handed["reason"], &handed["away"]), (&json!("asked"), &json!(true)));
    let conv = session.conv.as_str();
    for email in ["ada", "ada@example", "<b>@example.com", ""] {
        socket.send(&json!({"t": "contact", "conv": conv, "email": email})).await;
        assert_eq!(socket.until("error").await["code"], "bad_email", "{email}");
    }
    let mut anna = site.agent(&admin).await;
    anna.send(&json!({"t": "list", "tab": "waiting"})).await;
    anna.until("list").await;
    socket.send(&json!({"t": "contact", "conv": conv, "email": " ada@example.com "})).await;
    assert_eq!(socket.until("contact").await["email"], "ada@example.com");
    let row = loop {
        let rows = anna.until("rows").await["rows"].clone();
        if let Some(row) = rows.as_array().unwrap().iter().find(|row| row["shopper"]["contact"].is_string()) {
            break row.clone();
        }
    };
    assert_eq!(row["shopper"]["contact"], "ada@example.com");
    assert_eq!((&row["shopper"]["verified"], row["shopper"].get("email")), (&json!(false), None));
    let path = format!("/v1/staff/conversations/{conv}");
    let detail = site.page("GET", &path, &admin, &Value::Null).await.json();
    assert_eq!(detail["shopper"]["contact"], "ada@example.com");
    // In the morning people are there again.
    site.clock.advance(Duration::from_secs(14 * 3600));
    let (other, mut late) = shopper(&site).await;
    late.send(&json!({"t": "person", "conv": other.conv})).await;
    assert_eq!(late.event("owner").await.get("away"), None);
    let shopper: shopclerk::domain::ShopperId = detail["shopper"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(site.store.find_shoppers("ADA@example.com").unwrap().len(), 1);
    site.store.erase(shopclerk::store::Whose::Shopper(shopper)).await.unwrap();
    assert_eq!(site.desk.shopper(shopper).unwrap(), None);
    let mut files = vec![site.folder().join("journal")];
    let mut left = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs_err::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            let bytes = fs_err::read(&path).unwrap();
            left += usize::from(bytes.windows(15).any(|part| part == b"ada@example.com"));
        }
    }
    assert_eq!(left, 0, "the address is in no file of the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_hours_everything_may_wait_for_people_and_without_accounts_no_rule_counts() {
    let site = site_at(roomy(), Clock::manual(1_795_464_000_000)).await;
    let (session, mut socket) = shopper(&site).await;
    assert_eq!(says(&mut socket, &session, "[[raw]]Hello").await["kind"], "reply");
    let schedule = json!({"zone": "UTC", "week": [null, null, null, null, null, null, null]});
    let admin = ruled(&site, json!({"schedule": schedule, "handoff": rules("closed", json!(true))})).await;
    let handed = says(&mut socket, &session, "Hello again").await;
    assert_eq!((&handed["owner"], &handed["away"]), (&json!("queue"), &json!(true)));
    assert_eq!(reason(&site, &admin, &session).await, "closed");
    for wrong in [
        json!({"handoff": rules("mood", json!(0))}),
        json!({"handoff": rules("model", json!(100))}),
        json!({"schedule": {"zone": "Nowhere/At all", "week": [null, null, null, null, null, null, null]}}),
        json!({"schedule": {"zone": "UTC", "week": [null]}}),
        json!({"handoff": {"magic": true}}),
    ] {
        assert_eq!(site.page("PUT", "/v1/staff/settings", &admin, &wrong).await.status, 400, "{wrong}");
    }
}
