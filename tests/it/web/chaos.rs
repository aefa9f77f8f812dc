//! Many clients through a line that cuts, stalls and half-closes: at the end each has the log, and every message is in it once.
//!
//! `SHOPCLERK_CHAOS` is the seed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use shopclerk::domain::{ConvId, EventKind};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::proxy::Proxy;
use super::site::{PATIENCE, Session, Site, roomy, site};

const SHOPPERS: usize = 5;
const MESSAGES: usize = 12;
/// The server says something every 200 ms; after this long without it a connection is dead.
const SILENCE: Duration = Duration::from_secs(1);

/// One tab: what a page keeps over its connections.
struct Tab {
    session: Session,
    /// What was written and is not acknowledged, oldest first; the first of them is on its way.
    outbox: VecDeque<(String, String)>,
    acked: BTreeMap<String, u64>,
    events: BTreeMap<u64, Value>,
    connections: usize,
}

type Line = WebSocketStream<TcpStream>;

impl Tab {
    fn new(session: &Session, messages: usize) -> Self {
        let letter = |n| (uuid::Uuid::now_v7().to_string(), format!("message {n} [[long 12]]"));
        Self {
            session: session.clone(),
            outbox: (0..messages).map(letter).collect(),
            acked: BTreeMap::new(),
            events: BTreeMap::new(),
            connections: 0,
        }
    }

    fn last(&self) -> u64 {
        self.events.keys().next_back().copied().unwrap_or(0)
    }

    /// Everything the shopper wrote is said and answered.
    fn is_done(&self) -> bool {
        let texts = |kind: &str| self.events.values().filter(|e| e["kind"] == kind).count();
        let answered = self.events.values().filter_map(|event| event["upto"].as_u64()).max().unwrap_or(0);
        let said =
            self.events.values().filter(|e| e["kind"] == "said").filter_map(|e| e["seq"].as_u64()).max();
        self.outbox.is_empty() && texts("said") == MESSAGES && said.is_some_and(|seq| answered >= seq)
    }

    /// Connects again and again until everything is said and answered.
    async fn run(mut self, server: std::net::SocketAddr, proxy: std::net::SocketAddr) -> Self {
        while !self.is_done() {
            self.connections += 1;
            let opened = timeout(SILENCE, open(server, proxy, &self.session.token)).await;
            let Ok(Some(mut line)) = opened else { continue };
            // However it ends, the next connection goes on from here.
            let _ = self.talk(&mut line).await;
        }
        self
    }

    /// `None` once the connection is of no use any more.
    async fn talk(&mut self, line: &mut Line) -> Option<()> {
        let hello = |seq| json!({"t": "hello", "resume": [{"conv": self.session.conv, "seq": seq}]});
        send(line, &hello(self.last())).await?;
        let (mut welcomed, mut asked_again) = (false, false);
        while !self.is_done() {
            let Ok(Some(Ok(message))) = timeout(SILENCE, line.next()).await else { return None };
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            match frame["t"].as_str().unwrap() {
                "welcome" => {
                    welcomed = true;
                    self.say(line).await?;
                }
                "ack" => {
                    let cmid = frame["cmid"].as_str().unwrap();
                    let before = self.acked.insert(cmid.to_owned(), frame["seq"].as_u64().unwrap());
                    assert!(before.is_none_or(|seq| seq == frame["seq"]), "another number: {frame}");
                    self.outbox.retain(|(known, _)| known != cmid);
                    self.say(line).await?;
                }
                "event" => {
                    let (seq, next) = (frame["seq"].as_u64().unwrap(), self.last() + 1);
                    // Who asks again may be sent what was on its way already.
                    assert!(
                        seq == next || (asked_again && seq < next),
                        "a gap or a repeat at {next}: {frame}"
                    );
                    if seq == next {
                        self.events.insert(seq, frame);
                    }
                }
                "hb" if welcomed && frame["heads"][&self.session.conv].as_u64() > Some(self.last()) => {
                    let hello =
                        json!({"t": "hello", "resume": [{"conv": self.session.conv, "seq": self.last()}]});
                    send(line, &hello).await?;
                    asked_again = true;
                }
                "error" | "reset" => panic!("{frame}"),
                _ => {}
            }
        }
        Some(())
    }

    /// The oldest message that is not acknowledged, perhaps once more.
    async fn say(&self, line: &mut Line) -> Option<()> {
        let Some((cmid, text)) = self.outbox.front() else { return Some(()) };
        send(line, &json!({"t": "say", "conv": self.session.conv, "cmid": cmid, "text": text})).await
    }
}

async fn send(line: &mut Line, frame: &Value) -> Option<()> {
    timeout(SILENCE, line.send(Message::text(frame.to_string()))).await.ok()?.ok()
}

async fn open(server: std::net::SocketAddr, proxy: std::net::SocketAddr, token: &str) -> Option<Line> {
    let mut request = format!("ws://{server}/v1/ws").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Origin", format!("http://{server}").parse().unwrap());
    headers.insert("Sec-WebSocket-Protocol", format!("shopclerk.v1, token.{token}").parse().unwrap());
    let stream = TcpStream::connect(proxy).await.ok()?;
    Some(tokio_tungstenite::client_async(request, stream).await.ok()?.0)
}

/// A tab has what the log has, and each message is in there once.
fn check(site: &Site, tab: &Tab) {
    let conv: ConvId = tab.session.conv.parse().unwrap();
    let log = site.store.events(conv, 0, usize::MAX).unwrap();
    let newest = tab.last();
    let mut cmids = Vec::new();
    for event in log.iter().filter(|event| event.seq <= newest) {
        let shown = &tab.events[&event.seq];
        match &event.kind {
            EventKind::Said { cmid, text, .. } => {
                assert_eq!((&shown["kind"], &shown["text"]), (&json!("said"), &json!(text)));
                cmids.push(cmid.0.to_string());
            }
            EventKind::Reply { text, .. } => {
                assert_eq!((&shown["kind"], &shown["text"]), (&json!("reply"), &json!(text)));
            }
            _ => assert!(shown["text"].is_null(), "{shown}"),
        }
    }
    assert_eq!(tab.events.len() as u64, newest, "a number is missing");
    let said = cmids.len();
    cmids.sort();
    cmids.dedup();
    assert_eq!((said, cmids.len()), (MESSAGES, MESSAGES), "each message once");
    for (cmid, seq) in &tab.acked {
        assert_eq!(tab.events[seq]["cmid"], *cmid, "what was acknowledged is there, under its number");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_line_does_every_tab_ends_with_the_log() {
    let seed = std::env::var("SHOPCLERK_CHAOS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let settings = shopclerk::web::Settings { heartbeat_ms: 200, hello_within_ms: 2_000, ..roomy() };
    let site = site(settings).await;
    let proxy = Proxy::start(site.address, seed).await;
    let mut tabs = Vec::new();
    for _ in 0..SHOPPERS {
        let session = site.session().await;
        // One writes, a second tab of the same shopper looks on.
        for messages in [MESSAGES, 0] {
            tabs.push(tokio::spawn(Tab::new(&session, messages).run(site.address, proxy.address)));
        }
    }
    let all = timeout(6 * PATIENCE, futures_util::future::join_all(tabs));
    let tabs = all.await.unwrap_or_else(|_| panic!("seed {seed}: somebody never gets to the end"));
    let tabs: Vec<Tab> = tabs.into_iter().map(Result::unwrap).collect();
    for tab in &tabs {
        check(&site, tab);
    }
    let connections: usize = tabs.iter().map(|tab| tab.connections).sum();
    let [lasting, cut, half, silent] = proxy.count.all();
    println!(
        "seed {seed}: {connections} connections, {lasting} lasted, {cut} cut, {half} half closed, {silent} silent"
    );
    assert!(cut > 0 && half > 0 && silent > 0, "the line was not wild");
}
