//! Webhooks: what a receiver gets, how it knows who sends, and what happens while it is away.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shopclerk::chat::Judgement;
use shopclerk::domain::{ConvId, ShopperId, StaffId, Thumb};
use shopclerk::hooks::sign;
use shopclerk::staff::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::site::{PATIENCE, Site, open_hooks, roomy, site};

const HOOKS: &str = "/v1/staff/webhooks";

/// A request as a receiver sees it.
#[derive(Debug)]
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let of = |line: &'_ str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
        let at = self
            .head
            .lines()
            .position(|line| of(line).is_some_and(|(key, _)| key.eq_ignore_ascii_case(name)));
        self.head
            .lines()
            .nth(at.unwrap_or_else(|| panic!("no {name}: {self:?}")))
            .unwrap()
            .split_once(": ")
            .unwrap()
            .1
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// As `docs/webhooks.md` tells a receiver to check.
    fn is_signed_with(&self, secret: &str) -> bool {
        let value = self.header(sign::HEADER);
        let seconds =
            value.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap();
        value == sign::header(secret, seconds, self.body.as_bytes())
    }
}

/// A program of the shop on this machine: answers with what it is told to, and keeps what it gets.
struct Receiver {
    url: String,
    answer: Arc<Mutex<&'static str>>,
    got: mpsc::UnboundedReceiver<Got>,
}

const OK: &str = "200 OK";

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, got) = mpsc::unbounded_channel();
        let answer = Arc::new(Mutex::new(OK));
        let now = answer.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let got = loop {
                    let mut piece = [0; 4096];
                    let n = stream.read(&mut piece).await.unwrap_or(0);
                    bytes.extend_from_slice(&piece[..n]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        assert!(n > 0, "half a request");
                        continue;
                    };
                    let length = head.lines().find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                    });
                    if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                        break Got { head: head.to_owned(), body: body.to_owned() };
                    }
                };
                let answer = *now.lock().unwrap();
                let _ = stream
                    .write_all(
                        format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                            .as_bytes(),
                    )
                    .await;
                let _ = tell.send(got);
            }
        });
        Self { url, answer, got }
    }

    fn answers(&self, status: &'static str) {
        *self.answer.lock().unwrap() = status;
    }

    async fn next(&mut self) -> Got {
        timeout(PATIENCE, self.got.recv()).await.expect("something is delivered").unwrap()
    }
}

impl Site {
    async fn hook(&self, admin: &str, url: &str, events: &[&str]) -> (String, String) {
        let made = self.page("POST", HOOKS, admin, &json!({"url": url, "events": events})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        (made["webhook"]["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }

    async fn hooks_until(&self, admin: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let all = self.page("GET", HOOKS, admin, &Value::Null).await.json();
                if wanted(&all["webhooks"][0]) {
                    return all["webhooks"][0].clone();
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, looking).await.expect("the page shows it in time")
    }
}

const ALL: [&str; 5] = [
    "conversation.started",
    "conversation.handed_off",
    "conversation.resolved",
    "conversation.rated",
    "message.received",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_signed_and_in_order() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let mut receiver = Receiver::start().await;
    let (id, secret) = site.hook(&admin, &receiver.url, &ALL).await;
    let session = site.session().await;
    let conv: ConvId = session.conv.parse().unwrap();
    site.says(&session.conv, "Do you ship? [[raw]]Yes[[end]]").await;
    let started = receiver.next().await;
    assert!(started.is_signed_with(&secret) && !started.is_signed_with("whsec_other"), "{started:?}");
    assert!(started.head.starts_with("POST /hook HTTP/1.1"), "{started:?}");
    assert_eq!(
        (started.header("shopclerk-event"), started.header("content-type")),
        ("conversation.started", "application/json")
    );
    let told = started.json();
    assert_eq!(
        (&told["event"], &told["conversation"], &told["seq"]),
        (&json!("conversation.started"), &json!(session.conv), &json!(2))
    );
    assert_eq!(
        (&told["data"]["text"], &told["id"]),
        (&json!("Do you ship? [[raw]]Yes[[end]]"), &json!(started.header("shopclerk-delivery")))
    );
    assert_eq!(receiver.next().await.json()["event"], "message.received");
    site.says(&session.conv, "And now? [[raw]]Yes[[end]]").await;
    assert_eq!(receiver.next().await.json()["event"], "message.received", "it began once");
    let answer = async {
        loop {
            let reply = site
                .desk
                .history(conv, 0, 100)
                .unwrap()
                .into_iter()
                .find(|event| matches!(event.kind, shopclerk::domain::EventKind::Reply { .. }));
            match reply {
                Some(reply) => break reply.seq,
                None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    };
    let reply = timeout(PATIENCE, answer).await.unwrap();
    let judgement = Judgement { of: reply, value: Thumb::Up, comment: None };
    site.desk.rate(conv, judgement, None).await.unwrap();
    let rated = receiver.next().await.json();
    assert_eq!(
        (&rated["event"], &rated["data"]),
        (&json!("conversation.rated"), &json!({"of": reply, "value": "up", "comment": null}))
    );
    site.desk.person(conv, None).await.unwrap();
    assert_eq!(receiver.next().await.json()["event"], "conversation.handed_off");
    site.desk.take(conv, StaffId("ann".into())).await.unwrap();
    site.desk.resolve(conv).await.unwrap();
    assert_eq!(receiver.next().await.json()["event"], "conversation.resolved");
    let shown = site.hooks_until(&admin, |hook| hook["waiting"] == 0).await;
    assert!(
        shown["delivered_at"].is_u64() && shown["error"].is_null() && shown["secret"].is_null(),
        "{shown}"
    );

    // Only what was chosen; a test at once; another secret; off and gone.
    let wanted = json!({"url": receiver.url, "events": ["conversation.rated"], "enabled": true});
    assert_eq!(site.page("PUT", &format!("{HOOKS}/{id}"), &admin, &wanted).await.status, 200);
    site.says(&session.conv, "Not told").await;
    let tested = site.page("POST", &format!("{HOOKS}/{id}/test"), &admin, &Value::Null).await.json();
    assert_eq!((&tested["ok"], &tested["status"]), (&json!(true), &json!(200)));
    let ping = receiver.next().await;
    assert_eq!((&ping.json()["event"], ping.is_signed_with(&secret)), (&json!("ping"), true));
    let fresh = site.page("POST", &format!("{HOOKS}/{id}/secret"), &admin, &Value::Null).await.json();
    receiver.answers("302 Found\r\nLocation: http://127.0.0.1:1/elsewhere");
    let tested = site.page("POST", &format!("{HOOKS}/{id}/test"), &admin, &Value::Null).await.json();
    assert_eq!(
        (&tested["ok"], &tested["error"]),
        (&json!(false), &json!("redirects are not followed: status 302"))
    );
    assert!(receiver.next().await.is_signed_with(fresh["secret"].as_str().unwrap()));
    assert_eq!(site.page("DELETE", &format!("{HOOKS}/{id}"), &admin, &Value::Null).await.status, 204);
    assert_eq!(site.page("POST", &format!("{HOOKS}/{id}/test"), &admin, &Value::Null).await.status, 404);
    let what: Vec<Value> = site.page("GET", "/v1/staff/audit", &admin, &Value::Null).await.json()["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["what"].clone())
        .collect();
    assert_eq!(
        what,
        [
            "webhook_removed",
            "webhook_tested",
            "webhook_secret",
            "webhook_tested",
            "webhook_changed",
            "webhook_made"
        ]
    );
    let log = fs_err::read_to_string(site.staff_folder().join("audit.jsonl")).unwrap();
    assert!(!log.contains("/hook") && !log.contains("whsec_"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_gets_it_later_and_the_dead_are_shown() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let mut receiver = Receiver::start().await;
    receiver.answers("500 Oh dear");
    let (id, _) = site.hook(&admin, &receiver.url, &["message.received"]).await;
    let session = site.session().await;
    site.says(&session.conv, "First").await;
    let first = receiver.next().await;
    receiver.answers(OK);
    let again = receiver.next().await;
    assert_eq!(
        (first.body == again.body, first.header("shopclerk-delivery")),
        (true, again.header("shopclerk-delivery"))
    );
    site.hooks_until(&admin, |hook| hook["waiting"] == 0).await;
    receiver.answers("500 Oh dear");
    site.says(&session.conv, "Second").await;
    let shown = site.hooks_until(&admin, |hook| !hook["dead"].as_array().unwrap().is_empty()).await;
    assert_eq!(
        (&shown["dead"][0]["tries"], &shown["dead"][0]["error"]),
        (&json!(3), &json!("it answered: status 500"))
    );
    assert!(!shown.to_string().contains("Second"), "never what was said: {shown}");
    let queue = fs_err::read_to_string(site.staff_folder().join("queue.jsonl")).unwrap();
    assert!(!queue.contains("Second") && queue.contains(&session.conv));
    for _ in 0..3 {
        receiver.next().await;
    }
    receiver.answers(OK);
    let retried = site.page("POST", &format!("{HOOKS}/{id}/retry"), &admin, &Value::Null).await.json();
    assert_eq!(retried, json!({"queued": 1}));
    assert_eq!(receiver.next().await.json()["data"]["text"], "Second");

    // Nothing listens: no connection, in words that hold no address.
    let closed = json!({"url": "http://127.0.0.1:1/hook?token=secret", "events": ["message.received"]});
    site.page("PUT", &format!("{HOOKS}/{id}"), &admin, &closed).await;
    let tested = site.page("POST", &format!("{HOOKS}/{id}/test"), &admin, &Value::Null).await.json();
    let words = tested["error"].as_str().unwrap();
    assert!(words.starts_with("no connection") && !words.contains("token"), "{words}");
}

/// What was acknowledged to a shopper is told, whatever is killed: the queue, and what never got into it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_interrupted_is_told_after_it_and_the_erased_never() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let mut receiver = Receiver::start().await;
    let (id, _) = site.hook(&admin, &receiver.url, &["message.received"]).await;
    let (one, two) = (site.session().await, site.session().await);
    site.says(&one.conv, "Told at once").await;
    receiver.next().await;
    site.hooks_until(&admin, |hook| hook["waiting"] == 0).await;
    // A server that was killed before it knew of these, as the files stand: the mark is older than they are.
    let files = tempfile::tempdir().unwrap();
    for name in ["queue.jsonl", "webhooks.json"] {
        fs_err::copy(site.staff_folder().join(name), files.path().join(name)).unwrap();
    }
    site.page("DELETE", &format!("{HOOKS}/{id}"), &admin, &Value::Null).await;
    for (session, text) in [(&one, "Missed"), (&two, "Erased since")] {
        site.says(&session.conv, text).await;
    }
    let shopper: ShopperId = site.desk.head(two.conv.parse().unwrap()).unwrap().unwrap().shopper.unwrap();
    site.page("DELETE", &format!("/v1/staff/shoppers/{shopper}"), &admin, &Value::Null).await;
    let hooks = open_hooks(files.path(), &site.store, &site.clock);
    let told = receiver.next().await.json();
    assert_eq!((&told["data"]["text"], &told["conversation"]), (&json!("Missed"), &json!(one.conv)));
    let waiting = async {
        while hooks.overview().webhooks[0].waiting > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
    site.says(&one.conv, "The last").await;
    assert_eq!(receiver.next().await.json()["data"]["text"], "The last", "nothing else in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let mut said = Vec::new();
    for (url, events) in [
        ("shop.example.com", vec!["message.received"]),
        ("https://user:secret@example.com/", vec!["message.received"]),
        ("https://example.com/", vec![]),
        ("https://example.com/", vec!["message.sent"]),
    ] {
        let answer = site.page("POST", HOOKS, &admin, &json!({"url": url, "events": events})).await;
        said.push(format!("{} {}", answer.status, answer.json()["error"]["code"].as_str().unwrap()));
    }
    assert_eq!(said, ["400 bad_url", "400 bad_url", "400 no_events", "400 bad_body"]);
    for n in 0..21 {
        let answer =
            site.page("POST", HOOKS, &admin, &json!({"url": "https://example.com/", "events": ALL})).await;
        assert_eq!(answer.status, if n < 20 { 201 } else { 409 });
    }
}
