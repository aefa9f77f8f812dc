//! A server in a process of its own, whose memory can be read, and clients of plain bytes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::child::Child;
use super::site::{PATIENCE, Session};

pub(super) struct Server {
    child: Child,
    pub(super) address: std::net::SocketAddr,
    data: tempfile::TempDir,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// The same shop in a new process, whose memory nothing was done with yet.
    pub(super) async fn restart(self) -> Self {
        self.child.kill_9().await;
        Self::start_in(self.data).await
    }

    async fn start_in(data: tempfile::TempDir) -> Self {
        let many = [("SHOPCLERK__WEB__SOCKETS_PER_ADDRESS", "10000000"), ("SHOPCLERK__CHAT__QUEUE", "10000")];
        let child = Child::start(data.path(), &many).await;
        Self { address: child.address, child, data }
    }

    /// Resident now, and the most it ever was, in KiB.
    pub(super) fn memory(&self) -> (u64, u64) {
        let id = self.child.id();
        let status = fs_err::read_to_string(format!("/proc/{id}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// The most it ever was is what it is now.
    pub(super) fn forget_peak(&self) {
        let id = self.child.id();
        fs_err::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
    }

    pub(super) async fn session(&self) -> Session {
        self.child.session().await
    }

    pub(super) async fn sessions(&self, count: usize) -> Vec<Session> {
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            sessions.push(self.session().await);
        }
        sessions
    }

    /// A number of `/metrics`, which begins with `name`; 0 if it is not there yet.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let page = self.child.get("/metrics").await.body;
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Waits until that number is at least `least`.
    pub(super) async fn reaches(&self, name: &str, least: f64) {
        let waiting = async {
            while self.metric(name).await < least {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(2 * PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{name} does not reach {least}"));
    }

    /// A socket of bytes after the upgrade, with a small window.
    pub(super) async fn open(&self, session: &Session) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
             Sec-WebSocket-Protocol: shopclerk.v1, token.{1}\r\n\r\n",
            self.address, session.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        stream
    }

    /// The same, after `hello` and its welcome.
    pub(super) async fn greeted(&self, session: &Session) -> TcpStream {
        let mut stream = self.open(session).await;
        stream.write_all(&text(&hello(session))).await.unwrap();
        loop {
            let (_, body) = timeout(PATIENCE, frame(&mut stream)).await.unwrap().unwrap();
            if body.starts_with(br#"{"t":"welcome""#) {
                return stream;
            }
        }
    }
}

pub(super) fn hello(session: &Session) -> String {
    format!(r#"{{"t":"hello","resume":[{{"conv":"{}","seq":0}}]}}"#, session.conv)
}

pub(super) fn say(session: &Session, text: &str) -> String {
    let cmid = uuid::Uuid::now_v7();
    format!(r#"{{"t":"say","conv":"{}","cmid":"{cmid}","text":"{text}"}}"#, session.conv)
}

/// A client's text frame; the mask is zero, so the payload is as written.
pub(super) fn text(payload: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u16::try_from(payload.len()).unwrap() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend(long.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload.as_bytes());
    bytes
}

/// The next frame of the server: its first byte and its payload.
pub(super) async fn frame(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let length = match stream.read_u8().await? {
        126 => stream.read_u16().await?.into(),
        127 => stream.read_u64().await? as usize,
        short => short.into(),
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((first, body))
}

/// Reads to the end: the texts, and the code of the Close (1006 for none).
pub(super) async fn rest(stream: &mut TcpStream) -> (Vec<String>, u16) {
    let mut texts = Vec::new();
    loop {
        match timeout(PATIENCE, frame(stream)).await.expect("the server ends it in time") {
            Ok((0x81, body)) => texts.push(String::from_utf8(body).unwrap()),
            Ok((0x88, body)) => return (texts, u16::from_be_bytes([body[0], body[1]])),
            Ok(_) => {}
            Err(_) => return (texts, 1006),
        }
    }
}
