//! What a server tells of itself: numbers, and never a word that somebody wrote.

use std::collections::BTreeMap;

use serde_json::json;

use super::child::Child;

/// The values of a page of metrics by name and labels.
fn values(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, n)| (name.to_owned(), n.parse().unwrap()))
        .collect()
}

/// The mean of a histogram.
fn mean(values: &BTreeMap<String, f64>, name: &str) -> f64 {
    values[&format!("{name}_sum")] / values[&format!("{name}_count")]
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_figures_and_neither_they_nor_logs_have_a_word() {
    let (word, forged, wrong) = ("xylophonically", "forgedtokenforgedtoken", "sk-of-somebody-else");
    let key = "sk-of-this-shop";
    let data = tempfile::tempdir().unwrap();
    let server = Child::start(data.path(), &[("RUST_LOG", "trace"), ("SHOPCLERK_API_KEY", key)]).await;
    let (session, mut socket) = server.shopper().await;
    // The answer says the word again, in pieces of 20 ms: about 50 a second.
    let text = format!("[[slow 20]] one two three four five six seven eight nine {word} {word}");
    socket.say(&session.conv, &text).await;
    socket.until("ack").await;
    assert!(socket.event("reply").await["text"].as_str().unwrap().contains(word));
    assert_eq!(server.socket(forged).await.err(), Some(401));
    for (key, status) in [(forged, 401), (wrong, 401), (key, 200)] {
        let head = format!("Authorization: Bearer {key}\r\n");
        assert_eq!(server.request("GET", "/v1/models", &head).await.status, status);
    }
    // Four are answered and one waits.
    let mut crowd = Vec::new();
    for n in 0..5 {
        let (session, mut socket) = server.shopper().await;
        socket.say(&session.conv, &format!("[[slow 100]] [[long 100]] {word}")).await;
        socket.until(if n < 4 { "delta" } else { "queued" }).await;
        crowd.push((session, socket));
    }

    let page = server.get("/metrics").await;
    assert_eq!(page.status, 200);
    let values = values(&page.body);
    assert_eq!(values["shopclerk_connections"], 6.0);
    assert_eq!(values["shopclerk_queue_length"], 1.0);
    assert_eq!(values["shopclerk_replies_running"], 4.0);
    assert_eq!(values["shopclerk_first_token_seconds_count"], 5.0);
    assert_eq!(values["shopclerk_tokens_per_second_count"], 1.0);
    assert_eq!(values[r#"shopclerk_replies_total{ended="complete",by="scripted"}"#], 1.0);
    // Six conversations, six messages, five beginnings and an end.
    assert!(values["shopclerk_commit_seconds_count"] >= 18.0, "{page:?}");
    let first = mean(&values, "shopclerk_first_token_seconds");
    assert!((0.02..5.0).contains(&first), "{first} s to the first token of a model that waits 0.02 to 0.1 s");
    let rate = mean(&values, "shopclerk_tokens_per_second");
    assert!((5.0..55.0).contains(&rate), "{rate} tokens/s of a model that says 50");
    let commit = mean(&values, "shopclerk_commit_seconds");
    assert!((1e-6..1.0).contains(&commit), "{commit} s a commit");

    for (session, mut socket) in crowd {
        socket.send(&json!({"t": "stop", "conv": session.conv})).await;
        socket.event("reply").await;
    }
    drop(socket);
    server.terminate();
    let (status, log) = server.ended().await;
    assert!(status.success());
    assert!(log.contains("TRACE"), "this log would not have shown anything:\n{log}");
    for secret in [word, forged, wrong, key, &session.token] {
        let told = |text: &str| text.lines().find(|line| line.contains(secret)).map(str::to_owned);
        assert_eq!(told(&log), None, "the log tells {secret}");
        assert_eq!(told(&page.body), None, "the metrics tell {secret}");
    }
}
