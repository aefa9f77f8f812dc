//! The memory of a server in a process of its own, under hostile clients.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::child::Child;

const CLIENTS: usize = 16;
/// What each of them sends.
const SENT: usize = 8 << 20;
/// The most the server may grow by, with all of them: far less than what one frame in sixteen declares.
const GROWTH_KIB: u64 = 24 * 1024;

/// Resident now, and the most it ever was, in KiB.
fn memory(server: &Child) -> (u64, u64) {
    let status = fs_err::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Opens a socket and sends `first`, then `again` over and over, without reading.
async fn attack(server: &Child, token: &str, first: &[u8], again: &[u8]) {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
         Sec-WebSocket-Protocol: shopclerk.v1, token.{token}\r\n\r\n",
        server.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The server may hang up at any byte: that is what it should do.
    let _ = timeout(Duration::from_secs(4), async {
        stream.write_all(first).await?;
        for _ in 0..SENT / again.len() {
            stream.write_all(again).await?;
        }
        std::io::Result::Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_whatever_is_sent() {
    let mask = [0; 4];
    let gib = [&[0x81, 0xFF][..], &(1u64 << 30).to_be_bytes(), &mask].concat();
    let half = vec![b'x'; 0x8000];
    let part = |first: u8| [&[first, 0xFE, 0x80, 0x00][..], &mask, &half].concat();
    let empty = [&[0x00, 0x80][..], &mask].concat().repeat(4_096);
    let ping = [&[0x89, 0xFD][..], &mask, &[b'x'; 125]].concat().repeat(64);
    let ways: [(&str, Vec<u8>, Vec<u8>); 4] = [
        ("1 GiB declared", gib, half.clone()),
        ("a message without end", part(0x01), part(0x00)),
        ("empty continuations", [&[0x01, 0x80][..], &mask].concat(), empty),
        ("pings, nothing read", Vec::new(), ping),
    ];
    let data = tempfile::tempdir().unwrap();
    let server = Child::start(data.path(), &[]).await;
    let mut tokens = Vec::new();
    for _ in 0..CLIENTS {
        tokens.push(server.session().await.token);
    }
    let (before, _) = memory(&server);
    for (name, first, again) in &ways {
        futures_util::future::join_all(tokens.iter().map(|t| attack(&server, t, first, again))).await;
        let (_, peak) = memory(&server);
        assert!(peak - before.min(peak) < GROWTH_KIB, "{name}: grew from {before} to {peak} KiB");
    }
}
