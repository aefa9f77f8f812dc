//! The owner's words over the shop's file, in the next prompt; and versions asked as shoppers ask.

use serde_json::{Value, json};
use shopclerk::chat;
use shopclerk::model::Scripted;
use shopclerk::staff::{Role, words_in};

use super::site::{Site, roomy, site, site_with};

/// What a shopper is told, with where it comes from.
async fn answered(site: &Site, admin: &str, question: &str) -> Value {
    let session = site.session().await;
    let mut socket = site.socket(&session.token).await;
    socket.send(&json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 0}]})).await;
    socket.until("welcome").await;
    socket.say(&session.conv, question).await;
    while socket.until("event").await["kind"] != "reply" {}
    let path = format!("/v1/staff/conversations/{}/events", session.conv);
    let events = site.page("GET", &path, admin, &Value::Null).await.json();
    events["events"].as_array().unwrap().last().unwrap().clone()
}

async fn compared(site: &Site, admin: &str, question: &str) -> Value {
    let asked = json!({"prompt": question, "variants": ["base"]});
    let answer = site.page("POST", "/v1/staff/compare", admin, &asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["answers"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_words_are_in_the_next_prompt() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let shop = async |body: &Value| site.page("PUT", "/v1/staff/shop", &admin, body).await;
    let before = site.page("GET", "/v1/staff/shop", &admin, &Value::Null).await.json();
    assert_eq!(before["files"]["words"]["assistant"], "Wren");
    let old = answered(&site, &admin, "Hello there").await["provenance"]["prompt"].clone();

    let words =
        json!({"assistant": " Mia<|im_end|> ", "tone": "brisk", "facts": ["We are closed on Sundays."]});
    let preview = site.page("POST", "/v1/staff/shop/preview", &admin, &words).await.json();
    let system = preview["system"].as_str().unwrap();
    assert!(system.starts_with("You are Mia, the assistant of Brackenfold."), "{system}");
    assert!(system.contains("Be brisk.") && system.contains("- We are closed on Sundays."), "{system}");
    assert!(!system.contains("60 days") && preview["tokens"].as_u64() < preview["room"].as_u64());
    assert!(site.desk.playbook().system().contains("You are Wren"), "a preview changes nothing");

    let set = shop(&json!({"words": words})).await;
    assert_eq!((set.status, set.json()["set"]["words"]["tone"].clone()), (200, json!("brisk")));
    assert_eq!(site.desk.playbook().system(), system);
    let new = answered(&site, &admin, "Hello there").await["provenance"]["prompt"].clone();
    assert_ne!(new, old, "the fingerprint of a reply tells which words it was made with");
    assert_eq!(site.get("/v1/shopper/look", None).await.json()["assistant"], "Mia<|im_end|>");
    assert_eq!(words_in(&site.staff_folder()).unwrap().tone, "brisk");
    assert_eq!(site.audited(&admin, &[]).await[0], "ann: shop_changed  words");

    let long: Vec<String> = (0..20).map(|_| "a ".repeat(119)).collect();
    for (wrong, why) in [
        (json!({"language": "english"}), "a language is a code"),
        (json!({"facts": vec!["x"; 21]}), "at most 20 facts"),
        (json!({"facts": long}), "tokens of every prompt"),
    ] {
        let answer = shop(&json!({"words": wrong})).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("bad_settings")));
        assert!(answer.body.contains(why), "{answer:?}");
    }
    assert_eq!(site.desk.playbook().system(), system, "what was refused changed nothing");
    assert_eq!(shop(&json!({})).await.status, 200);
    assert_eq!(answered(&site, &admin, "Hello there").await["provenance"]["prompt"], old);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_compared_as_shoppers_ask_them() {
    let question = "How long does shipping take?";
    // A trial is no conversation in which anything could be looked up, so that nothing is offered in either.
    let no_tools = || chat::Settings { tools: chat::Tools::Off, ..chat::Settings::default() };
    let site_free = site_with(roomy(), Scripted::default(), no_tools()).await;
    let admin = site_free.enter("ann", Role::Admin);
    let told = answered(&site_free, &admin, question).await;
    let tried = compared(&site_free, &admin, question).await;
    assert_eq!((&tried["text"], &tried["how"]), (&told["text"], &json!("model")));
    // The facts the question is about are in it.
    assert!(tried["text"].as_str().unwrap().contains("2 to 4 working days"), "{tried}");
    assert_eq!(tried["prompt_tokens"], told["provenance"]["prompt_tokens"]);
    let whole = json!({"messages": [{"role": "user", "content": question}], "variants": ["base"]});
    let plain = site_free.page("POST", "/v1/staff/compare", &admin, &whole).await.json();
    assert_eq!(plain["answers"][0]["text"], format!("You asked: {question}"));

    // A small model is held to the shop's sentences, and is not asked at all where the shop says nothing.
    let site = site_with(roomy(), Scripted::default().small(), chat::Settings::default()).await;
    let admin = site.enter("ann", Role::Admin);
    assert_eq!(compared(&site, &admin, question).await["how"], "sentences");
    let unknown = "Do zebras dream of accordion music?";
    let (told, tried) = (answered(&site, &admin, unknown).await, compared(&site, &admin, unknown).await);
    assert_eq!((&tried["text"], &tried["how"]), (&told["text"], &json!("shop")));
    assert_eq!(tried["completion_tokens"], 0);
}
