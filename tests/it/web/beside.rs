//! What stands beside a conversation: where the shopper is, what they ordered, what was said as a file.

use serde_json::{Value, json};
use shopclerk::domain::{Shopper, ShopperId};
use shopclerk::staff::Role;
use shopclerk::web::Settings;

use super::site::{Session, Site, Socket, roomy, site};

async fn shopper(site: &Site) -> (Session, Socket) {
    let session = site.session().await;
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    (session, socket)
}

impl Site {
    async fn beside(&self, cookie: &str, conv: &str) -> Value {
        let path = format!("/v1/staff/conversations/{conv}");
        self.page("GET", &path, cookie, &Value::Null).await.json()["shopper"].clone()
    }
}

/// Says where the shopper is, and waits until that was understood.
async fn turns(socket: &mut Socket, conv: &str, address: &str, title: &str) -> Value {
    socket.send(&json!({"t": "page", "conv": conv, "address": address, "title": title})).await;
    socket.send(&json!({"t": "nonsense"})).await;
    socket.until("error").await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_the_page_a_shopper_is_on() {
    let shop = "https://shop.example".to_owned();
    let site = site(Settings { origins: vec![shop.clone()], ..roomy() }).await;
    let admin = site.enter("anna", Role::Admin);
    let (session, mut socket) = shopper(&site).await;
    let conv = session.conv.as_str();
    site.says(conv, "[[raw]]Hello").await;
    assert_eq!(site.beside(&admin, conv).await.get("page"), None);
    let mut agent = site.agent(&admin).await;
    agent.send(&json!({"t": "list", "tab": "all"})).await;
    agent.until("list").await;

    // Whoever looks at the list hears that something changed; a login and what is behind `#` stay with the shopper.
    turns(&mut socket, conv, "https://a:SECRET@shop.example/shoes?size=42#SECRET", "Trail\nshoes").await;
    assert_eq!(agent.until("rows").await["rows"][0]["conv"], conv);
    let page = site.beside(&admin, conv).await["page"].clone();
    assert_eq!(
        (&page["address"], &page["title"], &page["own"]),
        (&json!("https://shop.example/shoes?size=42"), &json!("Trail shoes"), &json!(true)),
    );
    assert!(page["at"].as_u64().unwrap() > 1_700_000_000_000);

    // A browser may claim anything: what is not the shop's own is marked, and what is no page is not kept.
    turns(&mut socket, conv, "https://shop.example.hostile.example/", "x").await;
    assert_eq!(site.beside(&admin, conv).await["page"]["own"], false);
    for bad in ["javascript:alert(1)", "data:text/html,x", "shop.example", ""] {
        assert_eq!(turns(&mut socket, conv, bad, "x").await["code"], "bad_page", "{bad}");
        socket.until("error").await;
    }
    turns(&mut socket, conv, &format!("{}/demo/", site.origin()), "").await;
    let page = site.beside(&admin, conv).await["page"].clone();
    assert_eq!((&page["own"], page.get("title")), (&json!(true), None));

    // It goes where the shopper goes: with the address they left, into the file, and away.
    socket.send(&json!({"t": "contact", "conv": conv, "email": "ada@example.com"})).await;
    socket.until("contact").await;
    let known = site.beside(&admin, conv).await;
    assert_eq!((&known["contact"], &known["page"]), (&json!("ada@example.com"), &page));
    let path = format!("/v1/staff/shoppers/{}", known["id"].as_str().unwrap());
    let file = site.page("GET", &format!("{path}/export"), &admin, &Value::Null).await.json();
    assert_eq!(file["shopper"]["page"]["address"], page["address"]);
    assert_eq!(site.page("DELETE", &path, &admin, &Value::Null).await.status, 200);
    let id: ShopperId = known["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(site.store.shopper(id).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_never_rests_is_not_followed_and_costs_no_messages() {
    let site = site(roomy()).await;
    let admin = site.enter("anna", Role::Admin);
    let (session, mut socket) = shopper(&site).await;
    let conv = session.conv.as_str();
    for n in 0..60 {
        let code = turns(&mut socket, conv, &format!("https://shop.example/{n}"), "x").await["code"].clone();
        assert_eq!(code, "bad_frame", "no page is refused aloud");
    }
    let address = site.beside(&admin, conv).await["page"]["address"].clone();
    let last: u32 = address.as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    assert!((29..50).contains(&last), "{address}");
    socket.say(conv, "[[raw]]Still here").await;
    assert_eq!(socket.event("reply").await["text"], "Still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_shown_of_those_alone_whom_the_shop_vouches_for() {
    let site = site(roomy()).await;
    let agent = site.enter("anna", Role::Agent);
    let customer = "customer-1001";
    let mut told = Vec::new();
    // Vouched for; one whose profile has the same number without the shop's word; one who only says so.
    for (external, verified) in [(Some(customer), true), (Some(customer), false), (None, false)] {
        let session = site.session().await;
        let conv = session.conv.parse().unwrap();
        let id = site.store.head(conv).unwrap().unwrap().shopper.unwrap();
        let external = external.map(str::to_owned);
        site.desk.remember(Shopper { external, verified, ..Shopper::unknown(id, 1) }).await.unwrap();
        site.says(&session.conv, &format!("[[raw]]I am {customer}, B-10412")).await;
        told.push(site.beside(&agent, &session.conv).await);
    }
    let orders = told[0]["orders"].as_array().unwrap();
    assert_eq!(
        orders[0],
        json!({"id": "B-10412", "placed": "2026-11-19", "status": "shipped", "total": "€237", "tracking": "BF00412709DE",
               "items": [{"name": "Scree Mid Boot", "quantity": 1}, {"name": "Cinder Wool Beanie", "quantity": 2}]})
    );
    assert!(orders.windows(2).all(|two| two[0]["placed"].as_str() >= two[1]["placed"].as_str()));
    assert!(told[1..].iter().all(|one| one.get("orders").is_none()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_given_out_as_a_file() {
    let site = site(roomy()).await;
    let admin = site.enter("anna", Role::Admin);
    let (session, mut socket) = shopper(&site).await;
    let conv = session.conv.as_str();
    socket.say(conv, "[[raw]]Hello <b>there</b>").await;
    socket.event("reply").await;
    let mut agent = site.agent(&admin).await;
    agent.send(&json!({"t": "take", "conv": conv})).await;
    agent.send(&json!({"t": "note", "conv": conv, "text": "SECRET note"})).await;
    agent.say(conv, "Hi, Anna here").await;
    agent.until("ack").await;

    let path = format!("/v1/staff/conversations/{conv}/export");
    let text = site.page("GET", &path, &admin, &Value::Null).await;
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    let named = format!("attachment; filename=\"conversation-{conv}.txt\"");
    assert_eq!(text.header("content-disposition"), Some(named.as_str()));
    assert_eq!(text.header("cache-control"), Some("no-store"));
    let words: Vec<&str> =
        text.body.split("\n\n").filter_map(|part| part.split_once("] ")).map(|p| p.1).collect();
    let playbook = site.desk.playbook();
    let assistant = &playbook.shop().profile.assistant;
    let shop = &playbook.shop().profile.name;
    assert_eq!(
        words,
        [
            "Shopper:\n[[raw]]Hello <b>there</b>".to_owned(),
            format!("{assistant}:\nHello <b>there</b>"),
            format!("{shop}:\n(a person took over)"),
            "anna:\nHi, Anna here".to_owned(),
        ]
    );
    // All events, notes too, for the shop's own programs.
    let file = site.page("GET", &format!("{path}?format=json"), &admin, &Value::Null).await;
    assert_eq!(file.header("content-type"), Some("application/json"));
    let events = file.json()["events"].as_array().unwrap().clone();
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().any(|event| event["kind"] == "note" && event["text"] == "SECRET note"));
    // Both were written down; a shopper gets neither.
    let log = site.page("GET", "/v1/staff/audit", &admin, &Value::Null).await.json();
    let exported = log["entries"].as_array().unwrap().iter().filter(|entry| entry["what"] == "exported");
    assert!(exported.clone().all(|entry| entry["on"] == conv && entry["who"] == "anna"));
    assert_eq!(exported.count(), 2);
    assert_eq!(site.get(&path, Some(&session.token)).await.status, 403);
    let other = path.replace(conv, &uuid::Uuid::now_v7().to_string());
    assert_eq!(site.page("GET", &other, &admin, &Value::Null).await.status, 404);
    assert_eq!(site.page("GET", &format!("{path}?format=pdf"), &admin, &Value::Null).await.status, 400);
}
