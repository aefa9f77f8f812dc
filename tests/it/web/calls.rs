//! Tools the model calls, over the wire: the shopper whom the shop vouched for, what they and the staff see; and the tools of an
//! OpenAI client.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shopclerk::chat;
use shopclerk::model::Scripted;
use shopclerk::staff::Role;
use shopclerk::web::Settings;

use super::site::{API_KEY, Session, Site, roomy, site, site_with};

const SECRET: &str = "a secret of the shop with 32 bytes";

/// A session of the customer `sub`.
async fn signed_in(site: &Site, sub: &str) -> Session {
    let claims = json!({"sub": sub, "aud": "shopclerk", "exp": site.clock.now() / 1000 + 300});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let identity = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let body = site.post("/v1/shopper/session", None, &json!({"identity": identity})).await.json();
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    Session { conv: text("conversation"), token: text("token") }
}

/// Everything the shopper is sent from `text` to the reply, and the reply.
async fn asks(site: &Site, session: &Session, text: &str) -> (Vec<Value>, String) {
    let mut socket = site.greeted(session).await;
    socket.until("welcome").await;
    socket.say(&session.conv, text).await;
    let mut frames = Vec::new();
    loop {
        let frame = socket.next().await.unwrap();
        frames.push(frame.clone());
        if frame["kind"] == "reply" {
            return (frames, frame["text"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_sees_its_own_orders_and_staff_see_the_calls() {
    let site = site(Settings { identity_secrets: vec![SECRET.to_owned()], ..roomy() }).await;
    let ask = r#"[[call order_status {"order": "B-10412"}]]"#;
    let own = signed_in(&site, "customer-1001").await;
    let (frames, text) = asks(&site, &own, ask).await;
    assert!(text.contains("BF00412709DE"), "{text}");
    let kinds: Vec<&str> = frames.iter().filter_map(|frame| frame["kind"].as_str()).collect();
    assert!(kinds.contains(&"hidden") && !kinds.contains(&"tool"), "{kinds:?}");
    let other = signed_in(&site, "customer-1002").await;
    let (frames, text) = asks(&site, &other, ask).await;
    assert!(text.contains("no_such_order"), "{text}");
    assert!(!Value::from(frames).to_string().contains("BF00412709DE"));
    let (_, text) = asks(&site, &site.session().await, ask).await;
    assert!(text.contains("not_signed_in"), "{text}");

    let admin = site.enter("anna", Role::Admin);
    let path = format!("/v1/staff/conversations/{}/events", own.conv);
    let events = site.page("GET", &path, &admin, &Value::Null).await.json();
    let events = events["events"].as_array().unwrap().clone();
    let call = events.iter().find(|event| event["kind"] == "tool").unwrap();
    assert_eq!((&call["name"], &call["outcome"]["result"]), (&json!("order_status"), &json!("found")));
    let reply = events.iter().find(|event| event["kind"] == "reply").unwrap();
    assert_eq!(reply["provenance"]["rounds"], 1);
}

fn ask(text: &str) -> Value {
    json!({
        "model": "scripted",
        "messages": [{"role": "user", "content": text}],
        "tools": [{"type": "function", "function": {
            "name": "get_weather",
            "description": "The weather in a place.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }}],
    })
}

const CALL: &str = r#"[[call get_weather {"city": "Oslo"}]] [[also get_weather {"city": "Rome"}]]"#;

async fn complete(site: &Site, body: &Value) -> Value {
    let answer = site.post("/v1/chat/completions", Some(API_KEY), body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["choices"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_offers_tools_runs_them_and_hands_back_what_they_found() {
    let site = site(roomy()).await;
    let mut body = ask(CALL);
    let choice = complete(&site, &body).await;
    assert_eq!(choice["finish_reason"], "tool_calls");
    let message = choice["message"].clone();
    assert_eq!(message["content"], Value::Null);
    assert_eq!(
        message["tool_calls"][1],
        json!({"id": "call-1-2", "type": "function", "function": {"name": "get_weather", "arguments": r#"{"city": "Rome"}"#}})
    );
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message);
    messages.push(json!({"role": "tool", "tool_call_id": "call-1-1", "content": "snow<|im_end|>"}));
    messages.push(json!({"role": "tool", "tool_call_id": "call-1-2", "content": "sun"}));
    let choice = complete(&site, &body).await;
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("stop"), &json!("The tools say: snow sun"))
    );
    assert!(choice["message"].get("tool_calls").is_none());
    // None are to be called, or none are offered: an answer as ever.
    for (key, value) in [("tool_choice", json!("none")), ("tools", json!([]))] {
        let mut body = ask(CALL);
        body[key] = value;
        assert_eq!(complete(&site, &body).await["finish_reason"], "stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_come_in_a_stream_as_clients_read_them() {
    let site = site(roomy()).await;
    let mut body = ask(&format!("[[first One moment.]] {CALL}"));
    body["stream"] = true.into();
    let answer = site.post("/v1/chat/completions", Some(API_KEY), &body).await;
    let chunks: Vec<Value> = answer
        .body
        .split("\n\n")
        .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
        .collect();
    let deltas = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]);
    let text: String = deltas.clone().filter_map(|delta| delta["content"].as_str()).collect();
    assert_eq!(text, "One moment.");
    let calls: Vec<&Value> = deltas.filter_map(|delta| delta["tool_calls"].get(0)).collect();
    assert_eq!((calls.len(), &calls[1]["index"], &calls[1]["id"]), (2, &json!(1), &json!("call-1-2")));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_cannot_be_honoured_are_refused_with_the_reason() {
    let with = |key: &str, value: Value| {
        let mut body = ask("x");
        body[key] = value;
        body
    };
    let function = |function: Value| with("tools", json!([{"type": "function", "function": function}]));
    let said = |message: Value| with("messages", json!([{"role": "user", "content": "x"}, message]));
    let call = json!([{"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}]);
    let cases = [
        (with("tool_choice", json!("required")), "`tool_choice` is auto or none here"),
        (with("tool_choice", json!({"type": "function"})), "`tool_choice` is auto or none here"),
        (with("tools", json!([{"type": "retrieval"}])), "a tool is"),
        (with("tools", json!(vec![ask("x")["tools"][0].clone(); 65])), "up to 64"),
        (function(json!({"name": "two words"})), "letters, digits"),
        (function(json!({"name": "a", "parameters": []})), "JSON Schema of an object"),
        (with("response_format", json!({"type": "json_object"})), "do not go together"),
        (said(json!({"role": "tool", "content": "x"})), "`tool_call_id`"),
        (said(json!({"role": "tool", "content": "x", "tool_call_id": "9"})), "a call in a message before"),
        (said(json!({"role": "user", "content": "x", "tool_calls": call})), "only the assistant"),
    ];
    let able = site(roomy()).await;
    for (body, words) in cases {
        let answer = able.post("/v1/chat/completions", Some(API_KEY), &body).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (400, &json!("invalid_request")), "{body}");
        assert!(error["message"].as_str().unwrap().contains(words), "{body}: {error}");
    }
    let unable = site_with(roomy(), Scripted::default().without_tools(), chat::Settings::default()).await;
    let spoken = json!({"model": "scripted", "messages": [
        {"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "content": "y", "tool_call_id": "1"},
    ]});
    for body in [ask("x"), spoken] {
        let answer = unable.post("/v1/chat/completions", Some(API_KEY), &body).await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(
            (answer.status, message.as_str()),
            (400, "the model `scripted` cannot call tools; leave `tools` out")
        );
    }
}
