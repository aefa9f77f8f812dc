//! A blocked shopper is refused, wherever they come in and whatever they send.

use serde_json::{Value, json};
use shopclerk::domain::Shopper;
use shopclerk::staff::Role;

use super::site::{Session, Site, Socket, roomy, site};

async fn greeted(site: &Site, session: &Session) -> Socket {
    let mut socket = site.greeted(session).await;
    socket.until("welcome").await;
    socket
}

/// What a shopper may send besides `hello`, as the widget does when somebody acts.
fn acts(conv: &str) -> Vec<Value> {
    vec![
        json!({"t": "say", "conv": conv, "cmid": uuid::Uuid::now_v7(), "text": "Let me in"}),
        json!({"t": "person", "conv": conv}),
        json!({"t": "assistant", "conv": conv}),
        json!({"t": "retry", "conv": conv}),
        json!({"t": "stop", "conv": conv}),
        json!({"t": "rate", "conv": conv, "seq": 2, "value": "down", "comment": "rude"}),
        json!({"t": "contact", "conv": conv, "email": "ada@example.com"}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_shopper_gets_nothing_in_until_they_are_unblocked() {
    let site = site(roomy()).await;
    let agent = site.enter("anna", Role::Agent);
    let session = site.session().await;
    let conv = session.conv.as_str();
    let mut socket = greeted(&site, &session).await;
    socket.say(conv, "[[raw]]Hello").await;
    socket.event("reply").await;
    let head = || site.store.head(conv.parse().unwrap()).unwrap().unwrap();
    let id = head().shopper.unwrap();
    site.desk.remember(Shopper { name: Some("Ada".into()), ..Shopper::unknown(id, 1) }).await.unwrap();

    let path = format!("/v1/staff/shoppers/{id}/block");
    assert_eq!(site.page("POST", &path, &agent, &json!({"reason": "rude"})).await.status, 204);
    let row = site.page("GET", &format!("/v1/staff/conversations/{conv}"), &agent, &Value::Null).await.json();
    assert_eq!((&row["shopper"]["blocked"], &row["row"]["shopper"]["blocked"]), (&json!(true), &json!(true)));
    let before = head();

    // On the socket that is open, on a new one, and with a token renewed over HTTP: the session is the same shopper's.
    let renewed = site.post("/v1/shopper/session", Some(&session.token), &json!({})).await;
    assert_eq!((renewed.status, &renewed.json()["conversation"]), (200, &json!(conv)));
    let renewed =
        Session { conv: conv.to_owned(), token: renewed.json()["token"].as_str().unwrap().to_owned() };
    assert_eq!(socket.end().await, 4003, "the open one");
    for session in [&session, &renewed] {
        let mut socket = site.socket(&session.token).await;
        // The server may have hung up before all of it is written: then it was not heard either.
        for frame in [json!({"t": "hello", "resume": []})].iter().chain(&acts(conv)) {
            let _ = socket.try_send(frame).await;
        }
        assert_eq!(socket.end().await, 4003, "a new one");
    }
    assert_eq!(head(), before, "nothing of it reached the conversation");
    let known = site.store.shopper(id).unwrap().unwrap();
    assert_eq!((known.contact, known.page), (None, None));
    let history = site.get(&format!("/v1/shopper/history?conv={conv}"), Some(&session.token)).await;
    assert_eq!(history.json()["events"].as_array().unwrap().len() as u64, before.seq);

    // Nobody else is refused; and the block can be undone.
    let other = site.session().await;
    let mut stranger = greeted(&site, &other).await;
    stranger.say(&other.conv, "[[raw]]Hello").await;
    stranger.event("reply").await;
    assert_eq!(site.page("DELETE", &path, &agent, &Value::Null).await.status, 204);
    let mut socket = greeted(&site, &session).await;
    socket.say(conv, "[[raw]]Thank you").await;
    // What was said before comes first.
    for text in ["Hello", "Thank you"] {
        assert_eq!(socket.event("reply").await["text"], text);
    }
}
