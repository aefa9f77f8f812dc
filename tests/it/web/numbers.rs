//! The numbers over HTTP: what is counted of real conversations, and the files.

use std::time::Duration;

use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::staff::Role;

use super::site::{API_KEY, Site, roomy, site, site_at};

/// Monday, 2 November 2026, ten in the morning.
const MORNING: u64 = 1_793_613_600_000;
const SPAN: &str = "from=2026-11-02&to=2026-11-03";

async fn numbers(site: &Site, query: &str) -> Value {
    let answer = site.get(&format!("/v1/staff/numbers?{query}"), Some(API_KEY)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits for the thread that follows the store, which has no bell for tests.
async fn counted(site: &Site, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = std::time::Instant::now();
    loop {
        let seen = numbers(site, SPAN).await;
        if seen["ready"] == true && wanted(&seen) {
            return seen;
        }
        assert!(start.elapsed() < super::site::PATIENCE, "{seen}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_and_comes_as_files() {
    let site = site_at(roomy(), Clock::manual(MORNING)).await;
    let anna = site.enter("anna", Role::Agent);
    let mut agent = site.agent(&anna).await;
    // One that the assistant solves, and one that it cannot.
    let solved = site.session().await;
    let mut shopper = site.greeted(&solved).await;
    shopper.until("welcome").await;
    shopper.say(&solved.conv, "Where is my parcel?").await;
    let reply = shopper.event("reply").await["seq"].clone();
    shopper.send(&json!({"t": "rate", "conv": solved.conv, "seq": reply, "value": "up"})).await;
    shopper.event("rating").await;
    let handed = site.session().await;
    let mut other = site.greeted(&handed).await;
    other.until("welcome").await;
    other.say(&handed.conv, "=1+1 is no price, is it?").await;
    other.event("reply").await;
    other.send(&json!({"t": "person", "conv": handed.conv})).await;
    other.event("owner").await;
    site.clock.advance(Duration::from_secs(90));
    agent.send(&json!({"t": "open", "conv": handed.conv, "seq": 0})).await;
    agent.until("opened").await;
    agent.send(&json!({"t": "take", "conv": handed.conv})).await;
    agent.say(&handed.conv, "No, it is 2.").await;
    other.event("said").await;
    site.clock.advance(Duration::from_secs(30));
    agent.send(&json!({"t": "resolve", "conv": handed.conv})).await;
    other.event("status").await;
    let closed = |seen: &Value| seen["total"]["resolved_by_staff"] == 1;
    counted(&site, closed).await;
    site.clock.advance(Duration::from_secs(24 * 60 * 60));
    let seen = counted(&site, closed).await;
    // How long the model of the tests really took is not exact.
    for figures in [&seen["total"], &seen["models"][0]] {
        assert_eq!((&figures["first_ms"]["n"], &figures["total_ms"]["n"]), (&json!(2), &json!(2)));
    }
    let model = &seen["models"][0];
    assert_eq!((&model["replies"], &model["up"], &model["handoffs"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(seen["models"].as_array().unwrap().len(), 1);
    assert_eq!(seen["total"]["staff_wait_ms"], json!({"n": 1, "p50": 90_000, "p95": 90_000}));
    let counts = |figures: &Value| -> Vec<u64> {
        let names = [
            "conversations",
            "messages",
            "replies",
            "by_staff",
            "handoffs",
            "resolved_by_model",
            "resolved_quietly",
            "resolved_by_staff",
            "up",
            "down",
        ];
        names.iter().map(|name| figures[name].as_u64().unwrap()).collect()
    };
    assert_eq!(counts(&seen["total"]), [2, 2, 2, 1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(counts(&seen["days"][0]), [2, 2, 2, 1, 1, 0, 0, 1, 1, 0]);
    assert_eq!(counts(&seen["days"][1]), [0, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
    assert_eq!(seen["hours"], json!([[0, 10, 2]]));
    let question = json!({"text": "=1+1 is no price, is it?", "count": 1, "convs": [handed.conv]});
    assert_eq!(seen["unanswered"], json!([question]));

    let path = |table: &str| format!("/v1/staff/numbers.csv?{SPAN}&table={table}");
    let file = site.get(&path("questions"), Some(API_KEY)).await;
    assert_eq!(file.header("Content-Type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        file.header("Content-Disposition"),
        Some("attachment; filename=\"questions-2026-11-02-2026-11-03.csv\"")
    );
    assert_eq!(file.header("Cache-Control"), Some("no-store"));
    assert_eq!(
        file.body,
        format!("\u{FEFF}question,count,conversations\n\"'=1+1 is no price, is it?\",1,{}\n", handed.conv)
    );
    let days = site.get(&path("days"), Some(API_KEY)).await.body;
    assert!(days.lines().nth(1).unwrap().starts_with("2026-11-02,2,2,2,1,1,0,0,1,1,0,"), "{days}");

    // Erased for good: the words leave, the counts stay.
    site.staff.forget(handed.conv.parse().unwrap());
    let after = numbers(&site, SPAN).await;
    assert_eq!((&after["unanswered"], counts(&after["total"])), (&json!([]), counts(&seen["total"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_days_is_said() {
    let site = site(roomy()).await;
    for query in [
        "from=2025-01-01&to=2026-11-03",
        "from=x",
        "offset=7",
        "from=2026-11-03&to=2026-11-02",
        "to=2026-02-29",
    ] {
        let answer = site.get(&format!("/v1/staff/numbers?{query}"), Some(API_KEY)).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("bad_span")), "{query}");
    }
    for query in ["days=3", "table=people", "offset=east"] {
        let answer = site.get(&format!("/v1/staff/numbers.csv?{query}"), Some(API_KEY)).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("bad_query")), "{query}");
    }
    let empty = numbers(&site, "").await;
    assert_eq!((empty["days"].as_array().unwrap().len(), &empty["hours"]), (30, &json!([])));
    assert_eq!(empty["total"]["first_ms"], json!({"n": 0}));
}
