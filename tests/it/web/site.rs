//! A running server, and clients of it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use shopclerk::chat::{self, Desk};
use shopclerk::clock::Clock;
use shopclerk::domain::{ConvId, Said, Speaker};
use shopclerk::hooks::{self, Hooks};
use shopclerk::keep::{self, Keep};
use shopclerk::model::adapters::{self, Adapters, Registry};
use shopclerk::model::{Scripted, SharedModel};
use shopclerk::prompt::{self, Playbook};
use shopclerk::runs::Runs;
use shopclerk::staff::{From, Role, Staff};
use shopclerk::store::Store;
use shopclerk::tools::{self, Toolbox};
use shopclerk::web::{self, Running};

use super::client::exchange;
pub(super) use super::client::{Answer, PATIENCE, Socket, upgrade};

pub(super) const API_KEY: &str = "sk-test-of-the-shop";

pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) desk: Desk,
    pub(super) staff: Staff,
    pub(super) keep: Keep,
    pub(super) store: Store,
    pub(super) tools: Toolbox,
    pub(super) runs: Runs,
    pub(super) clock: Clock,
    pub(super) running: Running,
    folder: tempfile::TempDir,
}

/// Limits that a test does not meet by accident.
pub(super) fn roomy() -> web::Settings {
    web::Settings {
        sockets_per_address: 10_000,
        requests_per_minute: 1_000_000,
        sessions_per_minute: 1_000_000,
        upgrades_per_minute: 1_000_000,
        logins_per_minute: 1_000_000,
        workers: 2,
        ..web::Settings::default()
    }
}

pub(super) async fn site(settings: web::Settings) -> Site {
    site_at(settings, Clock::System).await
}

pub(super) async fn site_at(settings: web::Settings, clock: Clock) -> Site {
    site_of(settings, Scripted::default(), chat::Settings::default(), clock).await
}

pub(super) async fn site_with(settings: web::Settings, model: Scripted, chat: chat::Settings) -> Site {
    site_of(settings, model, chat, Clock::System).await
}

async fn site_of(settings: web::Settings, model: Scripted, chat: chat::Settings, clock: Clock) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &crate::store::settings(), clock.clone()).unwrap();
    let generous = chat::Settings {
        messages_per_minute: 1_000_000,
        address_messages_per_minute: 1_000_000,
        tokens_per_hour: 1_000_000_000,
        address_tokens_per_hour: 1_000_000_000,
        queue: 10_000,
        ..chat
    };
    let playbook = Playbook::load(&prompt::Settings::default(), &|text| text.to_owned()).unwrap();
    let model: SharedModel = Arc::new(model);
    let adapters = Adapters::open(adapters::Parts {
        registry: Registry::new(folder.path().join("adapters"), Vec::new()),
        model: model.clone(),
        base: None,
        chat: "shop".to_owned(),
        room: 3,
    })
    .await;
    let runs = crate::runs::open(&folder.path().join("training"), &Arc::default());
    let desk = Desk::open_with(chat::Parts {
        store: store.clone(),
        adapters: adapters.clone(),
        model: model.clone(),
        playbook,
        settings: generous,
        clock: clock.clone(),
        runtime: tokio::runtime::Handle::current(),
    })
    .unwrap();
    desk.warm().await.unwrap();
    let tools = Toolbox::new(tools::Parts {
        model,
        workers: tools::Workers::Serving(adapters),
        prompts: prompt::ToolPrompts::load(&prompt::Settings::default()).unwrap(),
        settings: tools::Settings { calm_ms: 0, ..tools::Settings::default() },
        busy: Some(desk.busy()),
    });
    let staff = Staff::open(&folder.path().join("staff"), &store, clock.clone()).unwrap();
    let gone = desk.clone();
    let keep = Keep::open(
        &folder.path().join("staff"),
        keep::Parts {
            data: folder.path().to_owned(),
            store: store.clone(),
            staff: staff.clone(),
            clock: clock.clone(),
            retention_days: 0,
            gone: Arc::new(move |conv| gone.gone(conv)),
        },
    )
    .unwrap();
    keep.finish().await.unwrap();
    let hooks = open_hooks(&folder.path().join("staff"), &store, &clock);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let running = web::serve(
        web::Parts {
            desk: desk.clone(),
            tools: tools.clone(),
            staff: staff.clone(),
            keep: keep.clone(),
            hooks,
            settings,
            clock: clock.clone(),
            secret: [7; 32],
            api_key: Some(API_KEY.to_owned()),
            metrics: None,
            runs: Some(runs.clone()),
        },
        listener,
    )
    .unwrap();
    Site { address, desk, staff, keep, store, tools, runs, clock, running, folder }
}

/// Webhooks that may go to this machine, and try again soon.
pub(super) fn open_hooks(folder: &std::path::Path, store: &Store, clock: &Clock) -> Hooks {
    let settings =
        hooks::Settings { tries: 3, first_retry_ms: 20, timeout_ms: 5_000, queue: 100, allow_private: true };
    let (folder, store, clock) = (folder.to_owned(), store.clone(), clock.clone());
    Hooks::open(hooks::Parts { folder, store, clock, settings }).unwrap()
}

/// A shopper's session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) conv: String,
    pub(super) token: String,
}

impl Site {
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.request("GET", path, token, "").await
    }

    pub(super) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.request("POST", path, token, &body.to_string()).await
    }

    pub(super) async fn request(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let bearer = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\n{bearer}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.origin(),
            body.len()
        ))
        .await
    }

    /// Sends `bytes` and reads to the end.
    pub(super) async fn raw(&self, bytes: &str) -> Answer {
        exchange(self.address, bytes).await
    }

    pub(super) async fn session(&self) -> Session {
        let answer = self.post("/v1/shopper/session", None, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        Session { conv: text("conversation"), token: text("token") }
    }

    /// A shopper's socket, before `hello`.
    pub(super) async fn socket(&self, token: &str) -> Socket {
        self.try_socket(token, &self.origin()).await.unwrap()
    }

    pub(super) async fn try_socket(&self, token: &str, origin: &str) -> Result<Socket, u16> {
        let headers = [
            ("Origin", origin.to_owned()),
            ("Sec-WebSocket-Protocol", format!("shopclerk.v1, token.{token}")),
        ];
        self.upgrade(&headers).await
    }

    /// The folder of everything.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) fn staff_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("staff")
    }

    /// The session of somebody of the staff, past the costly hash of a password.
    pub(super) fn enter(&self, name: &str, role: Role) -> String {
        let link = self.staff.accounts.invite(name, name, role).unwrap();
        self.staff.accounts.accept(&link.token, "$none$".to_owned(), From::default()).unwrap().token
    }

    /// A request of the dashboard's page: cookie, header, origin.
    pub(super) async fn page(&self, method: &str, path: &str, cookie: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nCookie: __Host-shopclerk={cookie}\r\n\
             X-Shopclerk: 1\r\nSec-Fetch-Site: same-origin\r\nUser-Agent: a browser\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.origin(),
            body.len()
        ))
        .await
    }

    /// The socket of somebody who is logged in, before `hello`.
    pub(super) async fn seated(&self, cookie: &str) -> Socket {
        self.try_seated(cookie).await.unwrap()
    }

    pub(super) async fn try_seated(&self, cookie: &str) -> Result<Socket, u16> {
        let answer = self.page("POST", "/v1/staff/ticket", cookie, &Value::Null).await;
        let ticket = answer.json()["ticket"].as_str().unwrap_or_default().to_owned();
        self.upgrade(&[
            ("Origin", self.origin()),
            ("Cookie", format!("__Host-shopclerk={cookie}")),
            ("Sec-WebSocket-Protocol", format!("shopclerk.v1, ticket.{ticket}")),
        ])
        .await
    }

    /// The same, after `hello`.
    pub(super) async fn agent(&self, cookie: &str) -> Socket {
        let mut socket = self.seated(cookie).await;
        socket.send(&json!({"t": "hello", "resume": []})).await;
        socket.until("welcome").await;
        socket
    }

    /// The shop's own socket.
    pub(super) async fn staff(&self) -> Socket {
        let headers = [
            ("Authorization", format!("Bearer {API_KEY}")),
            ("Sec-WebSocket-Protocol", "shopclerk.v1".to_owned()),
        ];
        self.upgrade(&headers).await.unwrap()
    }

    pub(super) async fn upgrade(&self, headers: &[(&str, String)]) -> Result<Socket, u16> {
        upgrade(self.address, headers).await
    }

    /// A shopper's socket that has said `hello` from the beginning.
    pub(super) async fn greeted(&self, session: &Session) -> Socket {
        let mut socket = self.socket(&session.token).await;
        socket.hello(&session.conv, 0).await;
        socket
    }

    /// Puts a message into a conversation, past the wire.
    pub(super) async fn says(&self, conv: &str, text: &str) {
        let conv: ConvId = conv.parse().unwrap();
        let cmid = shopclerk::domain::Cmid(self.clock.fresh_id());
        let say =
            chat::Say { conv, cmid, by: Speaker::Shopper, text: Said::parse(text).unwrap(), address: None };
        self.desk.say(say).await.unwrap();
    }
}
