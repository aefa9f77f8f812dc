//! Clients of a server, wherever it runs: plain requests, and sockets.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

/// Longer than anything here should take, shorter than anybody's patience.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer to a plain request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends `bytes` and reads to the end.
pub(super) async fn exchange(address: SocketAddr, bytes: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (headers, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = headers.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let chunked = headers.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Answer { status, headers: headers.to_owned(), body }
}

/// A socket, or the status it was refused with.
pub(super) async fn upgrade(address: SocketAddr, headers: &[(&str, String)]) -> Result<Socket, u16> {
    let url = format!("ws://{address}/v1/ws");
    let mut request = tungstenite::client::IntoClientRequest::into_client_request(url).unwrap();
    for (name, value) in headers {
        let name = tungstenite::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((inner, _)) => Ok(Socket { inner }),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(fault) => panic!("{fault}"),
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size @ 1..) = usize::from_str_radix(size.trim(), 16) else { break };
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

pub(super) struct Socket {
    pub(super) inner: WebSocketStream<TcpStream>,
}

impl Socket {
    pub(super) async fn send(&mut self, frame: &Value) {
        self.try_send(frame).await.unwrap();
    }

    /// To a server that may be gone.
    pub(super) async fn try_send(&mut self, frame: &Value) -> Result<(), tungstenite::Error> {
        self.inner.send(Message::text(frame.to_string())).await
    }

    pub(super) async fn hello(&mut self, conv: &str, seq: u64) {
        self.send(&json!({"t": "hello", "resume": [{"conv": conv, "seq": seq}]})).await;
    }

    /// The next frame of the server, or the code it closes with (1006 for none).
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.inner.next()).await.expect("the server says something in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |f| f.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Reads on to the first frame of kind `t`.
    pub(super) async fn until(&mut self, t: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|code| panic!("closed with {code} before `{t}`"));
            if frame["t"] == t {
                return frame;
            }
        }
    }

    /// Reads on to the first event of a kind.
    pub(super) async fn event(&mut self, kind: &str) -> Value {
        loop {
            let event = self.until("event").await;
            if event["kind"] == kind {
                return event;
            }
        }
    }

    pub(super) async fn say(&mut self, conv: &str, text: &str) -> String {
        let cmid = uuid::Uuid::now_v7().to_string();
        self.send(&json!({"t": "say", "conv": conv, "cmid": cmid, "text": text})).await;
        cmid
    }

    /// The code the server closes with.
    pub(super) async fn end(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Reads on to the first frame of one of these kinds.
    pub(super) async fn until_any(&mut self, kinds: &[&str]) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|code| panic!("closed with {code} before {kinds:?}"));
            if kinds.iter().any(|kind| frame["t"] == *kind) {
                return frame;
            }
        }
    }
}
