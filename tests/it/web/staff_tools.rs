//! Tools on single messages: what they find is kept beside the message, for the staff alone.

use serde_json::{Value, json};
use shopclerk::chat::Say;
use shopclerk::domain::{Cmid, ConvId, Said, Speaker, StaffId};
use shopclerk::staff::Role;

use super::site::{API_KEY, roomy, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_reads_one_message_and_its_finding_stays_with_the_staff() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Agent);
    let session = site.session().await;
    let conv = session.conv.as_str();
    let mut shopper = site.greeted(&session).await;
    shopper.until("welcome").await;
    shopper.say(conv, "The box was red 😡").await;
    let reply = shopper.event("reply").await["seq"].as_u64().unwrap();
    let mut desk = site.agent(&anna).await;
    desk.send(&json!({"t": "open", "conv": conv, "seq": reply})).await;
    desk.until("opened").await;
    let path = format!("/v1/staff/conversations/{conv}/tools");
    let call = async |tool: &str, seq: u64| {
        site.page("POST", &path, &anna, &json!({"tool": tool, "seq": seq})).await
    };
    let answer = call("sentiment", 2).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let event = desk.event("tool").await;
    assert_eq!(
        (&event["seq"], &event["outcome"], &event["name"]),
        (&body["seq"], &body["outcome"], &json!("sentiment"))
    );
    assert_eq!((&event["outcome"]["of"], &event["outcome"]["by"]), (&json!(2), &json!("anna")));
    // Of a single sentence all of it is the evidence, in characters.
    assert_eq!(event["outcome"]["evidence"], json!([{"start": 0, "end": 17}]));
    assert!(event["outcome"]["label"].is_string());
    assert_eq!(shopper.event("hidden").await["seq"], body["seq"]);
    // The mood of the row is that of the conversation, not of what a colleague looked up.
    let row = site.page("GET", &format!("/v1/staff/conversations/{conv}"), &anna, &Value::Null).await.json();
    assert_eq!(row["row"].get("mood"), None);
    // Also of the model's own reply; pairs are pieces of it.
    let qa = call("qa", reply).await.json();
    assert!(qa["outcome"]["pairs"].is_array(), "{qa}");
    assert!(call("extract", 2).await.json()["outcome"]["attributes"].is_array());
    let codes = [
        (call("sentiment", 1).await, 404, "no_such_message"),
        (call("sentiment", 99).await, 404, "no_such_message"),
        (call("sentiment", body["seq"].as_u64().unwrap()).await, 404, "no_such_message"),
        (call("magic", 2).await, 400, "bad_body"),
    ];
    for (answer, status, code) in codes {
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{answer:?}"
        );
    }
    // Erased, the finding is gone with the conversation.
    let head = site.desk.head(conv.parse().unwrap()).unwrap().unwrap();
    site.store.erase(shopclerk::store::Whose::Shopper(head.shopper.unwrap())).await.unwrap();
    assert_eq!(call("sentiment", 2).await.status, 404);
    assert_eq!(site.desk.history(conv.parse().unwrap(), 0, 100).unwrap(), []);
    let program = site.post(&path, Some(API_KEY), &json!({"tool": "qa", "seq": 2})).await;
    assert_eq!(program.status, 404, "a program of the shop may, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_conversation_becomes_pairs_that_tell_nothing_of_its_shopper() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Agent);
    let session = site.session().await;
    let conv: ConvId = session.conv.parse().unwrap();
    let mut shopper = site.greeted(&session).await;
    shopper.until("welcome").await;
    let path = format!("/v1/staff/conversations/{conv}/tools");
    let all = async |tool: &str| site.page("POST", &path, &anna, &json!({"tool": tool})).await;
    assert_eq!(all("qa").await.json()["error"]["code"], "no_such_message", "nothing was said yet");

    let id = StaffId("anna".into());
    site.desk.take(conv, id.clone()).await.unwrap();
    let answers = async |text: &str| {
        let (cmid, text) = (Cmid(uuid::Uuid::now_v7()), Said::parse(text).unwrap());
        let say = Say { conv, cmid, by: Speaker::Staff(id.clone()), text, address: None };
        site.desk.say(say).await.unwrap().seq
    };
    shopper.say(&session.conv, "Hi 👋! Are returns of worn boots free?").await;
    shopper.until("ack").await;
    let free = answers("Hello! Returns of worn boots are free for 30 days. 再见").await;
    shopper.say(&session.conv, "Which number do I call about the parcel?").await;
    shopper.until("ack").await;
    answers("Please call the number +49 170 1234567 about the parcel.").await;
    shopper.say(&session.conv, "And what waits at the post office?").await;
    shopper.until("ack").await;
    answers("What waits at the post office is B-10425.").await;
    site.desk.resolve(conv).await.unwrap();

    let answer = all("qa").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let outcome = answer.json()["outcome"].clone();
    let expected = json!([{
        "question": "Are returns of worn boots free?", "answer": "Returns of worn boots are free for 30 days.",
        "start": 7, "end": 50, "seq": free,
    }]);
    assert_eq!((&outcome["pairs"], &outcome["left_out"]), (&expected, &json!(2)), "{outcome}");
    assert_eq!(outcome["by"], "anna");
    let refused = all("sentiment").await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!("bad_body")));
}
