//! A client as small as can be: thousands of them must not be what is measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session.
#[derive(Clone, Debug)]
pub(super) struct Shopper {
    pub(super) conv: String,
    pub(super) token: String,
}

impl Shopper {
    /// From the answer of `POST /v1/shopper/session`.
    pub(super) fn parse(answer: &str) -> anyhow::Result<Self> {
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
        if !head.starts_with("HTTP/1.1 200") {
            bail!("no session: {}", head.lines().next().unwrap_or(""));
        }
        let body: Value = serde_json::from_str(body).context("the session is not JSON")?;
        let text = |key: &str| body[key].as_str().map(str::to_owned).context("the session is not whole");
        Ok(Self { conv: text("conversation")?, token: text("token")? })
    }
}

/// A WebSocket as bytes.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    conv: String,
}

impl Wire {
    pub(super) async fn open(address: SocketAddr, shopper: &Shopper) -> anyhow::Result<Self> {
        Self::over(TcpStream::connect(address).await?, address, shopper).await
    }

    pub(super) async fn over(
        mut stream: TcpStream,
        address: SocketAddr,
        shopper: &Shopper,
    ) -> anyhow::Result<Self> {
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
             Sec-WebSocket-Protocol: shopclerk.v1, token.{}\r\n\r\n",
            shopper.token
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await??);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("no socket: {}", String::from_utf8_lossy(&head).lines().next().unwrap_or(""));
        }
        Ok(Self { stream, conv: shopper.conv.clone() })
    }

    /// Says `hello` and waits for the welcome.
    pub(super) async fn hello(&mut self, shopper: &Shopper) -> anyhow::Result<()> {
        self.send(&format!(r#"{{"t":"hello","resume":[{{"conv":"{}","seq":0}}]}}"#, shopper.conv)).await?;
        while !self.next().await?.contains(r#""t":"welcome""#) {}
        Ok(())
    }

    /// Sends a message; `text` needs no JSON escapes.
    pub(super) async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let cmid = uuid::Uuid::now_v7();
        self.send(&format!(r#"{{"t":"say","conv":"{}","cmid":"{cmid}","text":"{text}"}}"#, self.conv)).await
    }

    /// Asks, and reads to the end of the answer: the time to the acknowledgement, and to the first piece.
    pub(super) async fn ask(&mut self, text: &str) -> anyhow::Result<(Duration, Duration)> {
        let asked = Instant::now();
        self.say(text).await?;
        let (mut ack, mut first) = (None, None);
        loop {
            let frame: Value = serde_json::from_str(&self.next().await?)?;
            match frame["t"].as_str() {
                Some("ack") => ack = Some(asked.elapsed()),
                // An empty one only says that an answer begins.
                Some("delta") if frame["text"] != "" => first = first.or(Some(asked.elapsed())),
                Some("event") if frame["kind"] == "reply" && first.is_some() => break,
                Some("error") => bail!("refused: {}", frame["code"]),
                _ => {}
            }
        }
        Ok((ack.context("an answer without an acknowledgement")?, first.context("an answer without pieces")?))
    }

    pub(super) async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&frame(0x81, text.as_bytes())).await?)
    }

    /// The next text frame.
    pub(super) async fn next(&mut self) -> anyhow::Result<String> {
        next(&mut self.stream).await
    }
}

/// The next text frame that comes over `stream`.
pub(super) async fn next(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<String> {
    loop {
        let (first, body) = timeout(PATIENCE, read(stream)).await??;
        match first {
            0x81 => return Ok(String::from_utf8(body)?),
            0x88 => bail!("the server closed the socket"),
            _ => {}
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let length = match stream.read_u8().await? {
        126 => usize::from(stream.read_u16().await?),
        127 => stream.read_u64().await? as usize,
        short => usize::from(short),
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((first, body))
}

/// A client's frame; the mask is zero, so the payload is as written.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

/// The header of a client's frame, which may lie about its length.
pub(super) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0, 0, 0, 0]);
    bytes
}
