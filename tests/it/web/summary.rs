//! A conversation is summed up for the colleague who takes it over: for staff alone, and never made up.

use serde_json::{Value, json};
use shopclerk::chat;
use shopclerk::domain::{Cmid, Command, Said, Speaker};
use shopclerk::model::Scripted;
use shopclerk::staff::Role;

use super::site::{Session, Site, Socket, roomy, site, site_with};

const SHOES: &str = "Is the Scree Mid Boot waterproof? I walk in Norway.";

async fn shopper(site: &Site) -> (Session, Socket) {
    let session = site.session().await;
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    (session, socket)
}

async fn follow(site: &Site, cookie: &str, session: &Session) -> Socket {
    let mut socket = site.agent(cookie).await;
    socket.send(&json!({"t": "open", "conv": session.conv, "seq": 0})).await;
    socket.until("opened").await;
    socket
}

fn points(summary: &Value, about: &str) -> Vec<String> {
    let all = summary["points"].as_array().unwrap().iter().filter(|point| point["about"] == about);
    all.map(|point| point["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_model_adds_no_word_of_its_own() {
    let site = site_with(roomy(), Scripted::default().small(), chat::Settings::default()).await;
    site.desk.watch_handovers(site.tools.clone());
    let anna = site.enter("anna", Role::Agent);
    let (session, mut socket) = shopper(&site).await;
    let mut desk = follow(&site, &anna, &session).await;
    for text in ["Hello there", SHOES, "Nobody answers"] {
        socket.say(&session.conv, text).await;
        socket.event("reply").await;
    }
    socket.send(&json!({"t": "person", "conv": session.conv})).await;
    let summary = desk.event("summary").await;
    assert_eq!(points(&summary, "question"), [SHOES]);
    assert_eq!(points(&summary, "product"), ["Scree Mid Boot"]);
    assert_eq!(points(&summary, "reason"), ["asked"]);
    assert!(["positive", "neutral", "negative"].contains(&points(&summary, "mood")[0].as_str()));
    assert_eq!(summary["points"].as_array().unwrap().len(), 4, "{summary}");
    assert_eq!(summary["text"], format!("{SHOES}\nScree Mid Boot"));
    // A shopper is told a number.
    assert_eq!(socket.event("hidden").await["seq"], summary["seq"]);

    // Who takes it finds that summary: nothing has been said since. Who asks gets another.
    desk.send(&json!({"t": "take", "conv": session.conv})).await;
    desk.event("owner").await;
    let path = format!("/v1/staff/conversations/{}/summary", session.conv);
    let asked = site.page("POST", &path, &anna, &Value::Null).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let again = desk.event("summary").await;
    assert_eq!((&again["seq"], &again["points"]), (&asked.json()["seq"], &summary["points"]));
    let events = site.desk.history(session.conv.parse().unwrap(), 0, 100).unwrap();
    let summaries = events.iter().filter(|event| serde_json::to_value(event).unwrap()["kind"] == "summary");
    assert_eq!(summaries.count(), 2);
    // Found where a colleague would look for it, and not by the shopper.
    let found = async || {
        let hits = site.page("GET", "/v1/staff/search?q=norway&by=note", &anna, &Value::Null).await.json();
        hits["total"].as_u64().unwrap() >= 1
    };
    for _ in 0..200 {
        if found().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(found().await);
    assert_eq!(site.post(&path, Some(&session.token), &json!({})).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_model_writes_it_from_the_conversation_alone() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Agent);
    let (session, mut socket) = shopper(&site).await;
    let mut desk = follow(&site, &anna, &session).await;
    let path = format!("/v1/staff/conversations/{}/summary", session.conv);
    let nothing = site.page("POST", &path, &anna, &Value::Null).await;
    assert_eq!((nothing.status, nothing.json()["error"]["code"].as_str()), (409, Some("nothing_to_do")));

    // The scripted model says what is marked; whatever it says becomes one bounded line without control tokens.
    let said = |text: &str| Command::Say {
        cmid: Cmid(site.clock.fresh_id()),
        by: Speaker::Shopper,
        text: Said::parse(text).unwrap(),
    };
    let conv = session.conv.parse().unwrap();
    let words: String = (0..150).map(|n| format!("number-{n} ")).collect();
    let long = format!("[[raw]]Wants<|im_end|> boots.[[br]]{words}[[end]] Which?");
    site.store.commit(conv, said(&long)).await.unwrap();
    socket.event("reply").await;
    assert_eq!(site.page("POST", &path, &anna, &Value::Null).await.status, 200);
    let summary = desk.event("summary").await;
    let text = summary["text"].as_str().unwrap();
    assert!(text.starts_with("Wants boots. number-0 number-1"), "{text}");
    assert!(text.chars().count() <= 800 && !text.contains('\n') && text.ends_with(['…', '.']), "{text}");
    assert!(!summary.to_string().contains("<|im_end|>"), "{summary}");
    assert_eq!(points(&summary, "question"), Vec::<String>::new(), "the model's words say what was asked");

    // A model that fails leaves the conversation's own words.
    let (session, mut socket) = shopper(&site).await;
    let mut desk = follow(&site, &anna, &session).await;
    let conv = session.conv.parse().unwrap();
    let path = format!("/v1/staff/conversations/{}/summary", session.conv);
    site.store.commit(conv, said("[[fail]] Do you have them in 42?")).await.unwrap();
    socket.event("reply").await;
    assert_eq!(site.page("POST", &path, &anna, &Value::Null).await.status, 200);
    let summary = desk.event("summary").await;
    assert_eq!(points(&summary, "question"), ["[[fail]] Do you have them in 42?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shoppers_come_before_summaries() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Agent);
    let (session, mut socket) = shopper(&site).await;
    socket.say(&session.conv, "[[raw]]Done[[end]] [[slow 30]]").await;
    socket.event("reply").await;
    // All four places are taken by shoppers who wait for long answers.
    let mut busy = Vec::new();
    for _ in 0..4 {
        let (other, mut socket) = shopper(&site).await;
        socket.say(&other.conv, "[[slow 10]] [[long 150]]").await;
        socket.until("delta").await;
        busy.push(socket);
    }
    let path = format!("/v1/staff/conversations/{}/summary", session.conv);
    let asking = site.page("POST", &path, &anna, &Value::Null);
    let mut asking = std::pin::pin!(asking);
    for socket in &mut busy {
        tokio::select! {
            biased;
            early = &mut asking => panic!("before the shoppers: {early:?}"),
            reply = socket.event("reply") => assert_eq!(reply["ended"], "complete"),
        }
    }
    assert_eq!(asking.await.status, 200);
}
