//! Who may do what, over the wire: every route and every frame, for everybody. Default deny.

use serde_json::{Value, json};
use shopclerk::web::auth::Action;
use shopclerk::web::routes::ROUTES;

use super::site::{API_KEY, Session, Site, roomy, site};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    Owner,
    Stranger,
    Api,
}

const EVERYBODY: [Who; 4] = [Who::Nobody, Who::Owner, Who::Stranger, Who::Api];

/// What the answer has to be for `who` at a route that needs `action` on the owner's conversation.
fn expected(action: Action, who: Who) -> &'static [u16] {
    match (action, who) {
        (Action::Public, _) => &[200, 302, 400, 404],
        // The tests come from this machine.
        (Action::Metrics, _) => &[404],
        (_, Who::Nobody) => &[401],
        (Action::Connect, Who::Owner | Who::Stranger | Who::Api) => &[101],
        (Action::Read, Who::Owner | Who::Api) => &[200],
        (Action::Complete, Who::Api) => &[200, 400],
        _ => &[403],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_for_everybody() {
    let site = site(roomy()).await;
    let (owner, stranger) = (site.session().await, site.session().await);
    for route in ROUTES {
        for who in EVERYBODY {
            let status = visit(&site, route, who, &owner, &stranger).await;
            assert!(
                expected(route.action, who).contains(&status),
                "{who:?} {} {}: {status}",
                route.method,
                route.path
            );
        }
    }
}

async fn visit(
    site: &Site,
    route: &shopclerk::web::routes::Route,
    who: Who,
    owner: &Session,
    stranger: &Session,
) -> u16 {
    let token = match who {
        Who::Nobody => None,
        Who::Owner => Some(owner.token.as_str()),
        Who::Stranger => Some(stranger.token.as_str()),
        Who::Api => Some(API_KEY),
    };
    if route.path == "/v1/ws" {
        let mut headers =
            vec![("Origin", site.origin()), ("Sec-WebSocket-Protocol", "shopclerk.v1".to_owned())];
        headers.extend(token.map(|t| ("Authorization", format!("Bearer {t}"))));
        return site.upgrade(&headers).await.err().unwrap_or(101);
    }
    let path = route.path.replace("{file:.*}", "");
    let path = if route.path.ends_with("/history") { format!("{path}?conv={}", owner.conv) } else { path };
    site.request(route.method, &path, token, "").await.status
}

/// Every frame that names a conversation, and who may send it to the owner's.
fn frames(conv: &str) -> Vec<(Value, &'static [Who])> {
    const OWNER: &[Who] = &[Who::Owner];
    const API: &[Who] = &[Who::Api];
    const BOTH: &[Who] = &[Who::Owner, Who::Api];
    let plain = |t: &str| json!({"t": t, "conv": conv});
    vec![
        (json!({"t": "hello", "resume": [{"conv": conv, "seq": 0}]}), BOTH),
        (json!({"t": "say", "conv": conv, "cmid": uuid::Uuid::now_v7(), "text": "hi"}), BOTH),
        (plain("stop"), BOTH),
        (plain("retry"), OWNER),
        (json!({"t": "rate", "conv": conv, "seq": 1, "value": "up"}), OWNER),
        (plain("person"), OWNER),
        (plain("assistant"), OWNER),
        (plain("typing"), BOTH),
        (plain("take"), API),
        (json!({"t": "note", "conv": conv, "text": "a note"}), API),
        (
            json!({"t": "say", "conv": conv, "cmid": uuid::Uuid::now_v7(), "text": "hi", "draft": "hello"}),
            API,
        ),
        (json!({"t": "correct", "conv": conv, "seq": 1, "text": "the right answer"}), API),
        (json!({"t": "tag", "conv": conv, "tags": ["refund"]}), API),
        (plain("release"), API),
        (plain("resolve"), API),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_for_everybody() {
    let site = site(roomy()).await;
    let (owner, stranger) = (site.session().await, site.session().await);
    let kinds: Vec<String> = fixtures_kinds();
    let tested: Vec<String> =
        frames(&owner.conv).iter().map(|(f, _)| f["t"].as_str().unwrap().to_owned()).collect();
    assert!(kinds.iter().all(|kind| tested.contains(kind)), "{kinds:?} against {tested:?}");
    for who in [Who::Owner, Who::Stranger, Who::Api] {
        for (frame, allowed) in frames(&owner.conv) {
            let mut socket = match who {
                Who::Owner => site.socket(&owner.token).await,
                Who::Stranger => site.socket(&stranger.token).await,
                Who::Api | Who::Nobody => site.staff().await,
            };
            socket.send(&json!({"t": "hello", "resume": []})).await;
            socket.until("welcome").await;
            socket.send(&frame).await;
            // A frame that is always answered marks the end of the answer to the one before.
            socket.send(&json!({"t": "nonsense"})).await;
            let mut forbidden = false;
            loop {
                let answer = socket.until_any(&["error", "event"]).await;
                assert!(
                    answer["t"] != "event" || answer["conv"] != owner.conv.as_str() || who != Who::Stranger,
                    "a stranger was told {answer}"
                );
                forbidden |= answer["code"] == "forbidden";
                if answer["code"] == "bad_frame" {
                    break;
                }
            }
            assert_eq!(forbidden, !allowed.contains(&who), "{who:?} {frame}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_conversation_looks_like_a_foreign_one() {
    let site = site(roomy()).await;
    let (owner, stranger) = (site.session().await, site.session().await);
    let mut answers = Vec::new();
    for conv in [owner.conv.clone(), uuid::Uuid::now_v7().to_string()] {
        let mut socket = site.greeted(&stranger).await;
        socket.until("welcome").await;
        socket.send(&json!({"t": "stop", "conv": conv})).await;
        answers.push(socket.until("error").await);
        let path = format!("/v1/shopper/history?conv={conv}");
        answers.push(site.get(&path, Some(&stranger.token)).await.json());
    }
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[1], answers[3]);
}

fn fixtures_kinds() -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/frames.json");
    let all: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    all["client"].as_array().unwrap().iter().map(|f| f["t"].as_str().unwrap().to_owned()).collect()
}
