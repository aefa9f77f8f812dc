//! The tools over HTTP: shapes, offsets, refusals. What the scripted model answers is written into the text itself.

use serde_json::{Value, json};

use super::site::{API_KEY, roomy, site};

async fn ask(path: &str, key: Option<&str>, body: Value) -> (u16, Value) {
    let site = site(roomy()).await;
    let answer = site.post(path, key, &body).await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_with_their_places() {
    let text = "Crocs 👟 Jayna\u{301} Flat [[raw]]Brand: Crocs[[br]]Model: Jayna\u{301}[[br]]Color: [[end]]";
    let body = json!({"items": [{"text": text, "attributes": ["Brand", "Model", "Color"]}]});
    let (status, answer) = ask("/v1/tools/extract", Some(API_KEY), body).await;
    assert_eq!(status, 200, "{answer}");
    let found = answer["items"][0]["attributes"].as_array().unwrap();
    let chars: Vec<char> = text.chars().collect();
    for attribute in found {
        let at = |key: &str| attribute[key].as_u64().unwrap() as usize;
        let value: String = chars[at("start")..at("end")].iter().collect();
        assert_eq!(attribute["value"], value);
    }
    let names: Vec<&str> = found.iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Brand", "Model"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sentiment_sums_to_one_and_says_why() {
    let body = json!({"items": [
        {"text": "It is negative. I mean negative.", "explain": true, "aspects": true},
        {"text": "positive"},
    ]});
    let (status, answer) = ask("/v1/tools/sentiment", Some(API_KEY), body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["items"][1]["label"], "positive");
    for item in answer["items"].as_array().unwrap() {
        let total: f64 = item["scores"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).sum();
        assert!((total - 1.0).abs() < 1e-5, "{item}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_pieces_of_the_source() {
    let text = "Hi! Returns are free for 30 days after delivery. Bye.";
    let body = json!({"items": [{"text": text, "count": 2, "title": "[[raw]]Are returns free?[[end]]"}]});
    let (status, answer) = ask("/v1/tools/qa", Some(API_KEY), body).await;
    assert_eq!(status, 200, "{answer}");
    let pairs = answer["items"][0]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 1, "a greeting is no answer");
    assert_eq!(pairs[0]["question"], "Are returns free?");
    let at = |key: &str| pairs[0][key].as_u64().unwrap() as usize;
    assert_eq!(pairs[0]["answer"], text[at("start")..at("end")]);
    assert!(text[at("start")..].starts_with("Returns"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pair_comes_twice_in_one_request() {
    let item = |title: &str, text: &str| json!({"title": format!("[[raw]]Are returns free?[[end]]{title}"), "text": text});
    let body = json!({"items": [
        item("", "Returns are free for 30 days."),
        item("", "All returns of the shop are free."),
        item("boots", "Returns of boots are not free of charge."),
        item("coats", "Returns are free for 30 days."),
    ]});
    let (status, answer) = ask("/v1/tools/qa", Some(API_KEY), body).await;
    assert_eq!(status, 200, "{answer}");
    let made: Vec<usize> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["pairs"].as_array().unwrap().len())
        .collect();
    // The second is the same question of the same subject; the last one has the answer of the first.
    assert_eq!(made, [1, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_a_source_too() {
    let turns = json!([
        {"by": "shopper", "text": "Hi 👋! Are returns of worn boots free?"},
        {"by": "staff", "text": "Hello! Returns of worn boots are free for 30 days. 再见"},
    ]);
    let (status, answer) = ask("/v1/tools/qa", Some(API_KEY), json!({"items": [{"turns": turns}]})).await;
    assert_eq!(status, 200, "{answer}");
    let expected = json!([{
        "question": "Are returns of worn boots free?", "answer": "Returns of worn boots are free for 30 days.",
        "start": 7, "end": 50, "turn": 1,
    }]);
    assert_eq!(answer["items"][0]["pairs"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_item_is_found_before_any_work_is_done() {
    // Were the first ones answered first, the client would give up before.
    let slow = "[[slow 60000]][[raw]]Are returns free?[[end]] Returns are free for 30 days.";
    let bad = [
        ("/v1/tools/extract", json!({"text": "x", "attributes": ["a:b"]}), "items[1].attributes: "),
        ("/v1/tools/sentiment", json!({"text": " "}), "items[1].text: is empty"),
        ("/v1/tools/qa", json!({"text": "x", "count": 0}), "items[1].count: "),
    ];
    for (path, bad, expected) in bad {
        let (status, answer) = ask(path, Some(API_KEY), json!({"items": [{"text": slow}, bad]})).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(status == 400 && message.starts_with(expected), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_answer_that_breaks_off_the_whole_lines_stand() {
    let text = "[[broken]][[raw]]Brand: Crocs[[br]]Color: Na[[end]] Crocs Jayna, Navy";
    let first = "[[broken]][[raw]]Brand: Cro[[end]] Crocs Jayna, Navy";
    let names = ["Brand", "Color"];
    let body = json!({"items": [{"text": text, "attributes": names}, {"text": first, "attributes": names}]});
    let (status, answer) = ask("/v1/tools/extract", Some(API_KEY), body).await;
    assert_eq!(status, 200, "{answer}");
    let found = answer["items"][0]["attributes"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["value"]), (1, &json!("Crocs")), "{answer}");
    assert_eq!(answer["items"][0].get("unparsable"), None);
    assert_eq!(answer["items"][1], json!({"attributes": [], "unparsable": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let text = |text: &str| json!({"items": [{"text": text}]});
    let cases = [
        (None, "/v1/tools/sentiment", text("x")),
        (Some(API_KEY), "/v1/tools/sentiment", json!({"items": []})),
        (Some(API_KEY), "/v1/tools/sentiment", text("  \n")),
        (Some(API_KEY), "/v1/tools/sentiment", text(&"long ".repeat(2000))),
        (Some(API_KEY), "/v1/tools/sentiment", json!({"items": [{"text": "x", "mood": 1}]})),
        (Some(API_KEY), "/v1/tools/extract", json!({"items": [{"text": "x", "attributes": ["a:b"]}]})),
        (Some(API_KEY), "/v1/tools/extract", json!({"items": [{"text": "x", "attributes": ["a", "a"]}]})),
        (Some(API_KEY), "/v1/tools/qa", json!({"items": [{"text": "x", "count": 99}]})),
        (Some(API_KEY), "/v1/tools/qa", json!({"items": [{"count": 1}]})),
        (
            Some(API_KEY),
            "/v1/tools/qa",
            json!({"items": [{"text": "x", "turns": [{"by": "staff", "text": "y"}]}]}),
        ),
        (Some(API_KEY), "/v1/tools/qa", json!({"items": [{"turns": [{"by": "boss", "text": "y"}]}]})),
        (Some(API_KEY), "/v1/tools/qa", json!({"items": [{"text": "x", "title": "é".repeat(201)}]})),
        (Some(API_KEY), "/v1/tools/extract", json!({"items": [{"text": "x", "category": "c".repeat(201)}]})),
        // A list of an object's values, at either depth.
        (Some(API_KEY), "/v1/tools/sentiment", json!({"items": [["It broke.", true, false]]})),
        (Some(API_KEY), "/v1/tools/qa", json!({"items": [{"turns": [["staff", "y"]]}]})),
    ];
    let mut said = Vec::new();
    for (key, path, body) in cases {
        let (status, answer) = ask(path, key, body).await;
        said.push(format!("{status} {}: {}", answer["error"]["code"], answer["error"]["message"]));
    }
    insta::assert_snapshot!(said.join("\n"));
}
