//! What ends a socket although its client did nothing wrong on it: 4003 and 4009.

use serde_json::{Value, json};
use shopclerk::staff::Role;
use shopclerk::web::Settings;

use super::child::Child;
use super::site::{Session, Site, Socket, roomy, site};

async fn lives(site: &Site, session: &Session, socket: &mut Socket) {
    site.says(&session.conv, "Is somebody there?").await;
    socket.event("said").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_tab_makes_room_and_the_others_stay() {
    let site = site(Settings { sockets_per_session: 3, ..roomy() }).await;
    let (session, other) = (site.session().await, site.session().await);
    let mut apart = site.greeted(&other).await;
    let mut tabs = Vec::new();
    for _ in 0..3 {
        let mut tab = site.greeted(&session).await;
        tab.until("welcome").await;
        tabs.push(tab);
    }
    for tab in &mut tabs {
        lives(&site, &session, tab).await;
    }
    let mut fourth = site.greeted(&session).await;
    assert_eq!(tabs.remove(0).end().await, 4009);
    for tab in tabs.iter_mut().chain([&mut fourth]) {
        lives(&site, &session, tab).await;
    }
    // Another session has its own places, and so has each login of the staff.
    lives(&site, &other, &mut apart).await;
    let cookie = site.enter("ann", Role::Agent);
    let mut bob = site.agent(&site.enter("bob", Role::Agent)).await;
    let mut oldest = site.agent(&cookie).await;
    let mut newer = [site.agent(&cookie).await, site.agent(&cookie).await, site.agent(&cookie).await];
    assert_eq!(oldest.end().await, 4009);
    for socket in newer.iter_mut().chain([&mut bob]) {
        socket.send(&json!({"t": "list", "tab": "all"})).await;
        socket.until("list").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_blocked_is_shown_the_door_until_that_is_over() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let (session, other) = (site.session().await, site.session().await);
    let (mut blocked, mut apart) = (site.greeted(&session).await, site.greeted(&other).await);
    blocked.until("welcome").await;
    let conv = format!("/v1/staff/conversations/{}", session.conv);
    let page = site.page("GET", &conv, &admin, &Value::Null).await.json();
    let path = format!("/v1/staff/shoppers/{}/block", page["shopper"]["id"].as_str().unwrap());
    let answer = site.page("POST", &path, &admin, &json!({"reason": "spam"})).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(blocked.end().await, 4003, "an open socket");
    assert_eq!(site.socket(&session.token).await.end().await, 4003, "a new one");
    lives(&site, &other, &mut apart).await;
    assert_eq!(site.page("DELETE", &path, &admin, &Value::Null).await.status, 204);
    let mut back = site.greeted(&session).await;
    back.until("welcome").await;
    lives(&site, &session, &mut back).await;
    // Who was erased is not forbidden anything: a new session, to a new conversation.
    let shopper = path.trim_end_matches("/block");
    assert_eq!(site.page("DELETE", shopper, &admin, &Value::Null).await.status, 200);
    assert_eq!(back.end().await, 4001, "erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn shoppers_behind_one_address_do_not_keep_the_staff_out() {
    let site = site(Settings { sockets_per_address: 2, ..roomy() }).await;
    let session = site.session().await;
    let _shoppers = [site.greeted(&session).await, site.greeted(&session).await];
    let refused = async || site.try_socket(&session.token, &site.origin()).await.err();
    assert_eq!(refused().await, Some(429), "a third shopper");
    let cookie = site.enter("ann", Role::Agent);
    let _staff = [site.agent(&cookie).await, site.staff().await];
    assert_eq!(site.try_seated(&cookie).await.err(), Some(429), "a third of the staff");
    assert_eq!(refused().await, Some(429), "places are not lent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_nobody_named_is_told_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Child::start(folder.path(), &[("RUST_LOG", "warn")]).await;
    for from in ["203.0.113.9", "203.0.113.10"] {
        let answer = server.request("GET", "/healthz", &format!("X-Forwarded-For: {from}\r\n")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    server.terminate();
    let (_, said) = server.ended().await;
    assert_eq!(said.matches("X-Forwarded-For").count(), 1, "{said}");
    assert!(said.contains("web.trusted_proxies") && !said.contains("203.0.113."), "{said}");
}
