//! A reader that stops is disconnected, never skipped.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::site::{roomy, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_is_cut_off_whole() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let request = {
        let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(
            format!("ws://{}/v1/ws", site.address),
        )
        .unwrap();
        let protocol = format!("shopclerk.v1, token.{}", session.token);
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        request.headers_mut().insert("Origin", site.origin().parse().unwrap());
        request
    };
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(site.address).await.unwrap();
    let (inner, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let mut stopped = super::site::Socket { inner };
    stopped.hello(&session.conv, 0).await;
    stopped.until("welcome").await;
    // Nothing is read from here on, while far more is said than all buffers hold: 2,000 messages of 8 kB.
    let mut staff = site.staff().await;
    staff.send(&json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 0}]})).await;
    staff.send(&json!({"t": "take", "conv": session.conv})).await;
    staff.event("owner").await;
    let text = "x".repeat(4_000);
    for _ in 0..2_000 {
        site.says(&session.conv, &text).await;
    }
    let mut raw = stopped.inner.into_inner();
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(45), raw.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server lets go of it");
    assert!(rest.len() < 7_000_000, "{} bytes were kept for a reader that stopped", rest.len());
    // What came is a prefix without holes, and the rest is there for whoever asks.
    let text = String::from_utf8_lossy(&rest).into_owned();
    let mut numbers = text.match_indices("\"seq\":").map(|(at, key)| {
        let digits = &text[at + key.len()..];
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(0)].parse::<u64>().unwrap_or(0)
    });
    let first = numbers.next().unwrap_or(1);
    for (n, seq) in (first + 1..).zip(numbers) {
        assert_eq!(seq, n, "a hole before {seq}");
    }
    let mut back = site.greeted(&session).await;
    back.until("welcome").await;
}
