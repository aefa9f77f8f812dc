//! The mood of a shopper's messages, from the socket to the agents' list: read when the model rests, told to the staff alone, and a
//! run of bad ones raised. The scripted model reads a message "negative" as one.

use serde_json::{Value, json};
use shopclerk::staff::Role;

use super::site::{PATIENCE, Session, Site, Socket, roomy, site};

async fn shopper(site: &Site) -> (Session, Socket) {
    let session = site.session().await;
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    (session, socket)
}

/// Waits until the waiting list holds these conversations, each with its run, in this order.
async fn waiting(site: &Site, cookie: &str, expected: &[(&str, u64)]) {
    let list = async || {
        let answer =
            site.page("GET", "/v1/staff/conversations?tab=waiting", cookie, &Value::Null).await.json();
        let row = |row: &Value| (row["conv"].as_str().unwrap().to_owned(), row["unhappy"].as_u64().unwrap());
        answer["rows"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let wanted: Vec<(String, u64)> = expected.iter().map(|(conv, run)| ((*conv).to_owned(), *run)).collect();
    // The list follows the store a moment later.
    let right = tokio::time::timeout(PATIENCE, async { while list().await != wanted {} }).await;
    assert!(right.is_ok(), "{:?} instead of {wanted:?}", list().await);
}

/// Follows a conversation from its beginning until its staff have heard of `count` moods.
async fn moods(agent: &mut Socket, conv: &str, count: usize) -> Vec<Value> {
    agent.send(&json!({"t": "open", "conv": conv, "seq": 0})).await;
    let mut found = Vec::new();
    while found.len() < count {
        let event = agent.event("tool").await;
        if event["conv"] == conv {
            found.push(event);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_bad_messages_is_heard_told_to_the_staff_alone_and_raised() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Admin);
    let rules = json!({"handoff": {"words": false, "mood": 2, "repeated": null, "unsure": null, "closed": false, "model": null}});
    assert_eq!(site.page("PUT", "/v1/staff/settings", &anna, &rules).await.status, 200);
    site.desk.watch_mood(site.tools.clone());
    let mut agent = site.agent(&anna).await;

    // Two who only wait, the first for longer.
    let mut patient = Vec::new();
    for _ in 0..2 {
        let (session, mut socket) = shopper(&site).await;
        socket.say(&session.conv, "[[raw]]Hello").await;
        socket.event("reply").await;
        socket.send(&json!({"t": "person", "conv": session.conv})).await;
        socket.event("owner").await;
        patient.push((session, socket));
    }

    let (angry, mut socket) = shopper(&site).await;
    socket.say(&angry.conv, "negative, I say").await;
    socket.event("reply").await;
    let mood = moods(&mut agent, &angry.conv, 1).await.remove(0);
    assert_eq!((&mood["name"], &mood["outcome"]["label"]), (&json!("sentiment"), &json!("negative")));
    assert_eq!(mood["outcome"]["of"], 2);
    let scores = mood["outcome"]["scores"].as_object().unwrap();
    assert!((scores.values().map(|v| v.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-5, "{mood}");
    socket.say(&angry.conv, "negative, once more").await;
    // The shopper sees that there is something, never what.
    let mut hidden = 0;
    loop {
        let event = socket.until("event").await;
        assert_ne!(event["kind"], "tool", "{event}");
        assert!(!event.to_string().contains("scores"), "{event}");
        hidden += usize::from(event["kind"] == "hidden");
        if event["kind"] == "owner" {
            assert_eq!((&event["owner"], event.get("reason")), (&json!("queue"), None), "{event}");
            break;
        }
    }
    assert!(hidden >= 1);
    let (first, second) = (patient[0].0.conv.clone(), patient[1].0.conv.clone());
    // It came last and stands first.
    waiting(&site, &anna, &[(&angry.conv, 2), (&first, 0), (&second, 0)]).await;

    // One that waits already is raised as well, and goes before those that wait for longer.
    for _ in 0..2 {
        patient[1].1.say(&second, "negative").await;
    }
    let found = moods(&mut agent, &second, 3).await;
    assert_eq!(found.iter().filter(|event| event["outcome"]["label"] == "negative").count(), 2);
    waiting(&site, &anna, &[(&second, 2), (&angry.conv, 2), (&first, 0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_left_unread_is_read_after_the_start_and_nothing_twice() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Admin);
    let (session, mut socket) = shopper(&site).await;
    let (resolved, mut gone) = shopper(&site).await;
    for text in ["positive", "negative", "negative again"] {
        socket.say(&session.conv, text).await;
        socket.event("reply").await;
    }
    gone.say(&resolved.conv, "negative").await;
    gone.event("reply").await;
    site.desk.resolve(resolved.conv.parse().unwrap()).await.unwrap();
    // The first was read before the stop.
    let conv: shopclerk::domain::ConvId = session.conv.parse().unwrap();
    let outcome = json!({"of": 2, "label": "positive"});
    let read = shopclerk::domain::Command::Tool { name: "sentiment".to_owned(), outcome };
    site.store.commit(conv, read).await.unwrap();

    site.desk.watch_mood(site.tools.clone());
    let mut agent = site.agent(&anna).await;
    let found = moods(&mut agent, &session.conv, 3).await;
    let of: Vec<&Value> = found.iter().map(|event| &event["outcome"]["of"]).collect();
    assert_eq!(of, [&json!(2), &json!(4), &json!(6)]);
    assert_eq!(found[2]["outcome"]["label"], "negative");
    // What is said from now on is read too, once.
    socket.say(&session.conv, "positive, at last").await;
    assert_eq!(agent.event("tool").await["outcome"]["label"], "positive");
    assert_eq!(site.desk.head(conv).unwrap().unwrap().unhappy, 0);
    let events = site.desk.history(resolved.conv.parse().unwrap(), 0, 100).unwrap();
    assert!(!format!("{events:?}").contains("Tool"), "nobody waits there any more");
}
