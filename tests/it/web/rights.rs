//! Who may do what, over the wire: every route and every frame, for everybody. Default deny.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shopclerk::staff::{Role, Scope};
use shopclerk::web::auth::Action;
use shopclerk::web::routes::{ROUTES, Route};
use shopclerk::web::wire::{ClientFrame, typescript};

use super::site::{API_KEY, Session, Site, Socket, roomy, site};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    Owner,
    Stranger,
    Agent,
    Admin,
    /// The key of the environment.
    Api,
    /// A key of the dashboard that may read.
    Reader,
    /// A key of the dashboard that may only complete.
    Completer,
}

const EVERYBODY: [Who; 8] =
    [Who::Nobody, Who::Owner, Who::Stranger, Who::Agent, Who::Admin, Who::Api, Who::Reader, Who::Completer];

/// One of each.
struct Cast {
    owner: Session,
    stranger: Session,
    agent: String,
    admin: String,
    reader: String,
    completer: String,
}

impl Cast {
    async fn of(site: &Site) -> Self {
        let key = |scope| site.staff.accounts.make_key("key", &[scope], "test").unwrap().1;
        Self {
            owner: site.session().await,
            stranger: site.session().await,
            agent: site.enter("agent", Role::Agent),
            admin: site.enter("admin", Role::Admin),
            reader: key(Scope::Read),
            completer: key(Scope::Complete),
        }
    }

    fn token(&self, who: Who) -> Option<&str> {
        match who {
            Who::Nobody | Who::Agent | Who::Admin => None,
            Who::Owner => Some(&self.owner.token),
            Who::Stranger => Some(&self.stranger.token),
            Who::Api => Some(API_KEY),
            Who::Reader => Some(&self.reader),
            Who::Completer => Some(&self.completer),
        }
    }

    fn cookie(&self, who: Who) -> Option<&str> {
        match who {
            Who::Agent => Some(&self.agent),
            Who::Admin => Some(&self.admin),
            _ => None,
        }
    }
}

/// Who may do what. Whatever is not here is answered 401 to nobody and 403 to everybody else.
fn may(action: Action, who: Who) -> bool {
    use Who::{Admin, Agent, Api, Completer, Owner, Reader, Stranger};
    match action {
        Action::Public => true,
        Action::Connect => matches!(who, Owner | Stranger | Agent | Admin | Api | Reader),
        Action::Read => matches!(who, Owner | Agent | Admin | Api | Reader),
        Action::Complete => matches!(who, Api | Completer),
        Action::Tools => matches!(who, Agent | Admin | Api | Completer),
        Action::Train | Action::Promote => matches!(who, Admin | Api),
        Action::Account => matches!(who, Agent | Admin),
        Action::Browse => matches!(who, Agent | Admin | Api | Reader),
        Action::Arrange => matches!(who, Agent | Admin | Api),
        Action::Administer => matches!(who, Admin),
        // The tests come from this machine, where the numbers are not a secret.
        Action::Metrics => true,
        // Rights to conversations, which no route needs yet: see the frames.
        Action::Say | Action::Typing | Action::Stop | Action::Choose | Action::Staff => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_for_everybody() {
    let site = site(roomy()).await;
    let cast = Cast::of(&site).await;
    let mut count = 0;
    for route in ROUTES {
        for who in EVERYBODY {
            // It would take the session, or the account, of those who come after.
            if may(route.action, who) && is_the_end(route) {
                continue;
            }
            let status = visit(&site, route, who, &cast).await;
            let what = format!("{who:?} {} {}: {status}", route.method, route.path);
            match (may(route.action, who), who) {
                (true, _) => assert!(![401, 403, 405, 500].contains(&status), "{what}"),
                (false, Who::Nobody) => assert_eq!(status, 401, "{what}"),
                (false, _) => assert_eq!(status, 403, "{what}"),
            }
            count += 1;
        }
    }
    println!("{count} requests to {} routes", ROUTES.len());
}

fn is_the_end(route: &Route) -> bool {
    matches!((route.method, route.path), ("POST", "/v1/staff/logout"))
}

/// A plain request of `who` to `route`, about the owner's conversation where it is about one.
async fn visit(site: &Site, route: &Route, who: Who, cast: &Cast) -> u16 {
    if route.path == "/v1/ws" {
        return connect(site, who, cast).await.err().unwrap_or(101);
    }
    let conv = cast.owner.conv.as_str();
    let path = route
        .path
        .replace("{file:.*}", "")
        .replace("{conv}", conv)
        .replace("{shopper}", "0190a3b4-0000-7000-8000-000000000000")
        .replace("{name}", "nobody")
        .replace("{version}", "1")
        .replace("{file}", "recipe.toml")
        .replace("{id}", "nothing");
    let path = match route.path {
        "/v1/shopper/history" => format!("{path}?conv={conv}"),
        "/v1/staff/search" => format!("{path}?q=x"),
        "/v1/staff/shoppers" => format!("{path}?word=x"),
        _ => path,
    };
    match cast.cookie(who) {
        Some(cookie) => site.page(route.method, &path, cookie, &Value::Null).await.status,
        None if route.path.starts_with("/v1/staff/") => {
            // As the page would, so that nothing is refused for another reason.
            let bearer =
                cast.token(who).map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
            let request = format!(
                "{} {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nX-Shopclerk: 1\r\n{bearer}\
                 Content-Length: 0\r\nConnection: close\r\n\r\n",
                route.method,
                site.address,
                site.origin()
            );
            site.raw(&request).await.status
        }
        None => site.request(route.method, &path, cast.token(who), "").await.status,
    }
}

/// A socket of `who`.
async fn connect(site: &Site, who: Who, cast: &Cast) -> Result<Socket, u16> {
    if let Some(cookie) = cast.cookie(who) {
        return site.try_seated(cookie).await;
    }
    let mut headers = vec![("Origin", site.origin()), ("Sec-WebSocket-Protocol", "shopclerk.v1".to_owned())];
    headers.extend(cast.token(who).map(|token| ("Authorization", format!("Bearer {token}"))));
    site.upgrade(&headers).await
}

/// Those who see the list.
const BROWSE: &[Who] = &[Who::Agent, Who::Admin, Who::Api, Who::Reader];

/// Who may send a frame about the owner's conversation. Without a wildcard: a new frame does not compile before somebody has
/// said whose it is.
fn senders(frame: &ClientFrame) -> &'static [Who] {
    use Who::{Admin, Agent, Api, Owner, Reader};
    const OWNER: &[Who] = &[Owner];
    const READ: &[Who] = &[Owner, Agent, Admin, Api, Reader];
    const TALK: &[Who] = &[Owner, Agent, Admin, Api];
    const STAFF: &[Who] = &[Agent, Admin, Api];
    match frame {
        ClientFrame::Hello { .. } => READ,
        ClientFrame::Say { draft: None, .. } | ClientFrame::Stop { .. } | ClientFrame::Typing { .. } => TALK,
        ClientFrame::Retry { .. }
        | ClientFrame::Rate { .. }
        | ClientFrame::Person { .. }
        | ClientFrame::Assistant { .. }
        | ClientFrame::Contact { .. }
        | ClientFrame::Page { .. } => OWNER,
        ClientFrame::Say { draft: Some(_), .. }
        | ClientFrame::Take { .. }
        | ClientFrame::Assign { .. }
        | ClientFrame::Release { .. }
        | ClientFrame::Note { .. }
        | ClientFrame::Correct { .. }
        | ClientFrame::Tag { .. }
        | ClientFrame::Resolve { .. }
        | ClientFrame::Reopen { .. }
        | ClientFrame::Suggest { .. }
        | ClientFrame::Unsuggest { .. }
        | ClientFrame::Seen { .. } => STAFF,
        ClientFrame::List { .. } | ClientFrame::Open { .. } | ClientFrame::Close { .. } => BROWSE,
    }
}

/// One of every frame, about the owner's conversation.
fn frames(conv: &str) -> Vec<Value> {
    let plain = |t: &str| json!({"t": t, "conv": conv});
    vec![
        json!({"t": "hello", "resume": [{"conv": conv, "seq": 0}]}),
        json!({"t": "say", "conv": conv, "cmid": uuid::Uuid::now_v7(), "text": "hi"}),
        plain("stop"),
        plain("retry"),
        json!({"t": "rate", "conv": conv, "seq": 1, "value": "up"}),
        plain("person"),
        plain("assistant"),
        json!({"t": "contact", "conv": conv, "email": "ada@example.com"}),
        json!({"t": "page", "conv": conv, "address": "https://shop.example/", "title": "A shop"}),
        plain("typing"),
        plain("take"),
        json!({"t": "assign", "conv": conv, "staff": "agent", "from": "admin"}),
        json!({"t": "note", "conv": conv, "text": "a note"}),
        json!({"t": "say", "conv": conv, "cmid": uuid::Uuid::now_v7(), "text": "hi", "draft": "hello"}),
        json!({"t": "correct", "conv": conv, "seq": 1, "text": "the right answer"}),
        json!({"t": "tag", "conv": conv, "tags": ["refund"]}),
        json!({"t": "list", "tab": "all"}),
        json!({"t": "open", "conv": conv, "seq": 0}),
        plain("close"),
        json!({"t": "seen", "conv": conv, "seq": 1}),
        plain("suggest"),
        plain("unsuggest"),
        plain("release"),
        plain("resolve"),
        plain("reopen"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_for_everybody() {
    let site = site(roomy()).await;
    let cast = Cast::of(&site).await;
    let conv = &cast.owner.conv;
    let tested: BTreeSet<String> = kinds(&frames(conv));
    assert_eq!(tested, declared(), "every frame there is has its rights tested");
    assert_eq!(kinds(&fixtures()), declared(), "every frame there is has a fixture");
    for who in EVERYBODY {
        if !may(Action::Connect, who) {
            let refused = connect(&site, who, &cast).await.err();
            assert!(matches!(refused, Some(401 | 403)), "{who:?} {refused:?}");
            continue;
        }
        for frame in frames(conv) {
            let allowed = senders(&ClientFrame::parse(&frame.to_string()).unwrap());
            let mut socket = connect(&site, who, &cast).await.unwrap();
            socket.send(&json!({"t": "hello", "resume": []})).await;
            socket.until("welcome").await;
            socket.send(&frame).await;
            // A frame that is always answered marks the end of the answer to the one before.
            socket.send(&json!({"t": "nonsense"})).await;
            let mut forbidden = false;
            loop {
                let answer = socket.until_any(&["error", "event", "list", "opened", "rows"]).await;
                let lists = ["list", "opened", "rows"].iter().any(|t| answer["t"] == *t);
                assert!(!lists || BROWSE.contains(&who), "{who:?} was told {answer}");
                assert!(
                    answer["t"] != "event" || answer["conv"] != conv.as_str() || who != Who::Stranger,
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

fn kinds(frames: &[Value]) -> BTreeSet<String> {
    frames.iter().map(|frame| frame["t"].as_str().unwrap().to_owned()).collect()
}

/// The names of all frames of a client, as the types generated from them say.
fn declared() -> BTreeSet<String> {
    let all = typescript();
    let (_, rest) = all.split_once("export type ClientFrame = ").unwrap();
    let (frames, _) = rest.split_once("\nexport type ").unwrap();
    frames.split("\"t\": \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn fixtures() -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/frames.json");
    let all: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    all["client"].as_array().unwrap().clone()
}
