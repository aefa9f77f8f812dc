//! The OpenAI face, byte by byte. `tests/openai_client.py` does the same with the official client.

use serde_json::{Value, json};

use super::site::{API_KEY, roomy, site};

fn ask(text: &str) -> Value {
    json!({"model": "scripted", "messages": [{"role": "user", "content": text}]})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object() {
    let site = site(roomy()).await;
    let answer = site.post("/v1/chat/completions", Some(API_KEY), &ask("two shoes")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut body = answer.json();
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    body["id"] = Value::Null;
    body["created"] = Value::Null;
    let expected = json!({
        "id": null, "object": "chat.completion", "created": null, "model": "scripted",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "You asked: two shoes", "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6},
    });
    assert_eq!(body, expected);
    let short = with(ask("two shoes"), "max_completion_tokens", json!(2));
    let body = site.post("/v1/chat/completions", Some(API_KEY), &short).await.json();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_chunks() {
    let site = site(roomy()).await;
    let body =
        with(with(ask("two shoes"), "stream", json!(true)), "stream_options", json!({"include_usage": true}));
    let answer = site.post("/v1/chat/completions", Some(API_KEY), &body).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events: Vec<&str> = answer.body.split("\n\n").filter(|e| !e.is_empty()).collect();
    assert_eq!(events.last(), Some(&"data: [DONE]"));
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|e| serde_json::from_str(e.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "You asked: two shoes");
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
    let last = &chunks[chunks.len() - 1];
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 6);
    assert!(chunks.iter().all(|c| c["object"] == "chat.completion.chunk" && c["id"] == chunks[0]["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_shape_clients_parse() {
    let site = site(roomy()).await;
    let many = json!(vec![json!({"role": "user", "content": "x"}); 257]);
    let cases = [
        (with(ask("x"), "model", json!("gpt-4o")), 404, "model_not_found"),
        (with(ask("x"), "temperature", json!(3)), 400, "invalid_request"),
        (with(ask("x"), "top_p", json!(0)), 400, "invalid_request"),
        (with(ask("x"), "presence_penalty", json!(-3)), 400, "invalid_request"),
        (with(ask("x"), "n", json!(2)), 400, "invalid_request"),
        (with(ask("x"), "max_tokens", json!(0)), 400, "invalid_request"),
        (with(ask("x"), "max_tokens", json!(-1)), 400, "bad_body"),
        (with(ask("x"), "top_logprobs", json!(2)), 400, "invalid_request"),
        (with(ask("x"), "stop", json!(["a", "b", "c", "d", "e"])), 400, "invalid_request"),
        (with(ask("x"), "stop", json!("")), 400, "invalid_request"),
        (with(ask("x"), "tools", json!([{"type": "function"}])), 400, "invalid_request"),
        (with(ask("x"), "messages", json!([])), 400, "invalid_request"),
        (with(ask("x"), "messages", many), 400, "invalid_request"),
        (with(ask("x"), "messages", json!([{"role": "tool", "content": "x"}])), 400, "invalid_request"),
        (
            with(ask("x"), "messages", json!([{"role": "user", "content": [{"type": "image_url"}]}])),
            400,
            "invalid_request",
        ),
        (with(ask("x"), "response_format", json!({"type": "yaml"})), 400, "bad_body"),
        (
            with(ask("x"), "response_format", json!({"type": "json_schema", "json_schema": {}})),
            400,
            "invalid_request",
        ),
        (ask("[[fail]] now please"), 502, "model_failed"),
    ];
    for (body, status, code) in cases {
        let answer = site.post("/v1/chat/completions", Some(API_KEY), &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], code, "{body}");
        assert!(error["message"].is_string() && error["type"].is_string() && error["param"].is_null());
    }
    let answer = site.post("/v1/chat/completions", Some("wrong"), &ask("x")).await;
    assert_eq!((answer.status, answer.json()["error"]["type"].as_str()), (401, Some("authentication_error")));
    let large = with(ask(&"x".repeat(300_000)), "stream", json!(false));
    assert_eq!(site.post("/v1/chat/completions", Some(API_KEY), &large).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_mid_stream_is_not_a_short_answer() {
    let site = site(roomy()).await;
    let body = with(ask("[[fail]] now please"), "stream", json!(true));
    let answer = site.post("/v1/chat/completions", Some(API_KEY), &body).await;
    assert!(answer.body.contains("model_failed"), "{answer:?}");
    assert!(!answer.body.contains("[DONE]"), "{answer:?}");
}
