//! The mood of a shopper's messages, from the socket to the agents' list: read when the model rests, told to the staff alone, and a
//! run of bad ones raised. The scripted model reads a message "negative" as one.

use futures_util::StreamExt;
use serde_json::{Value, json};
use shopclerk::chat;
use shopclerk::domain::{Cmid, Command, ConvId, EventKind, Opening, Said, ShopperId, Speaker, StaffId};
use shopclerk::model::Scripted;
use shopclerk::prompt;
use shopclerk::staff::Role;
use shopclerk::tools::{self, Toolbox, Workers};
use uuid::Uuid;

use super::site::{PATIENCE, Session, Site, Socket, roomy, site, site_with};

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
    // The second was read before the stop, the first was not: the model had failed.
    let conv: shopclerk::domain::ConvId = session.conv.parse().unwrap();
    let outcome = json!({"of": 4, "label": "negative"});
    let read = shopclerk::domain::Command::Tool { name: "sentiment".to_owned(), outcome };
    site.store.commit(conv, read).await.unwrap();

    site.desk.watch_mood(site.tools.clone());
    let mut agent = site.agent(&anna).await;
    let found = moods(&mut agent, &session.conv, 3).await;
    let of: Vec<&Value> = found.iter().map(|event| &event["outcome"]["of"]).collect();
    assert_eq!(of, [&json!(4), &json!(2), &json!(6)]);
    assert_eq!(found[2]["outcome"]["label"], "negative");
    // The first is told, and does not end the run of the two that came after it.
    assert_eq!((&found[1]["outcome"]["late"], found[2]["outcome"].get("late")), (&json!(true), None));
    assert_eq!(site.desk.head(conv).unwrap().unwrap().unhappy, 2);
    // What is said from now on is read too, once.
    socket.say(&session.conv, "positive, at last").await;
    assert_eq!(agent.event("tool").await["outcome"]["label"], "positive");
    assert_eq!(site.desk.head(conv).unwrap().unwrap().unhappy, 0);
    let events = site.desk.history(resolved.conv.parse().unwrap(), 0, 100).unwrap();
    assert!(!format!("{events:?}").contains("Tool"), "nobody waits there any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_once_is_asked_once_more() {
    let model = Scripted::default();
    let site = site_with(roomy(), model.clone(), chat::Settings::default()).await;
    let anna = site.enter("anna", Role::Admin);
    site.desk.watch_mood(site.tools.clone());
    let mut agent = site.agent(&anna).await;
    let (session, mut socket) = shopper(&site).await;
    model.stumble(1);
    socket.say(&session.conv, "negative").await;
    assert_eq!(moods(&mut agent, &session.conv, 1).await[0]["outcome"]["label"], "negative");
}

/// A rush is longer than the line in which messages wait for the model to rest; none of it is lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_moods_of_a_rush_are_all_read_in_the_end() {
    const CONVERSATIONS: u128 = 14;
    const EACH: u128 = 80;
    let site = site(roomy()).await;
    let (rush, busy) = tokio::sync::watch::channel(1);
    let tools = Toolbox::new(tools::Parts {
        model: std::sync::Arc::new(Scripted::default()),
        workers: Workers::Only { adapter: None, calibration: None },
        prompts: prompt::ToolPrompts::load(&prompt::Settings::default()).unwrap(),
        settings: tools::Settings { calm_ms: 0, ..tools::Settings::default() },
        busy: Some(busy),
    });
    site.desk.watch_mood(tools);
    let conv = |n: u128| ConvId(Uuid::from_u128(n + 1));
    for n in 0..CONVERSATIONS {
        let opening = Opening { shopper: ShopperId(Uuid::from_u128(n + 1)) };
        site.store.commit(conv(n), Command::Open(opening)).await.unwrap();
        // With a person, so that nothing but messages is written.
        let take = Command::Take { by: StaffId("ana".to_owned()), cut: None };
        site.store.commit(conv(n), take).await.unwrap();
    }
    let said = futures_util::stream::iter(0..CONVERSATIONS * EACH).map(|n| {
        let (cmid, text) = (Cmid(Uuid::from_u128(n + 1)), Said::parse("negative").unwrap());
        site.store.commit(conv(n % CONVERSATIONS), Command::Say { cmid, by: Speaker::Shopper, text })
    });
    let outcomes: Vec<_> = said.buffer_unordered(64).collect().await;
    assert!(outcomes.iter().all(Result::is_ok));
    rush.send(0).unwrap();
    let read = || -> usize {
        let moods = |n: u128| {
            let events = site.store.events(conv(n), 0, usize::MAX).unwrap();
            events.iter().filter(|event| matches!(event.kind, EventKind::Tool { .. })).count()
        };
        (0..CONVERSATIONS).map(moods).sum()
    };
    // A commit for each, one after the other: seconds here, more on a machine that has other work.
    let all = tokio::time::timeout(PATIENCE * 6, async {
        while read() < (CONVERSATIONS * EACH) as usize {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    assert!(all.await.is_ok(), "{} of {}", read(), CONVERSATIONS * EACH);
}
