//! A reader that stops is disconnected with 4008, never skipped.

use serde_json::{Value, json};

use super::site::{Socket, roomy, site};

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
    let mut stopped = Socket { inner };
    stopped.hello(&session.conv, 0).await;
    stopped.until("welcome").await;
    // Nothing is read from here on, while far more is said than all buffers hold: 2,000 messages of 4 kB.
    let mut staff = site.staff().await;
    staff.send(&json!({"t": "hello", "resume": [{"conv": session.conv, "seq": 0}]})).await;
    staff.send(&json!({"t": "take", "conv": session.conv})).await;
    staff.event("owner").await;
    let text = "x".repeat(4_000);
    for _ in 0..2_000 {
        site.says(&session.conv, &text).await;
    }
    // What comes is a prefix without holes, and then the reason.
    let mut numbers = Vec::new();
    let code = loop {
        match stopped.next().await {
            Ok(frame) if frame["t"] == "event" => numbers.extend(frame["seq"].as_u64()),
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    assert_eq!(code, 4008);
    assert!(numbers.len() < 500, "{} messages were kept for a reader that stopped", numbers.len());
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "a hole: {numbers:?}");
    // And the rest is there for whoever asks.
    let mut back = site.socket(&session.token).await;
    back.hello(&session.conv, numbers.len() as u64).await;
    let next: Value = back.until_any(&["event", "reset"]).await;
    assert!(next["t"] == "reset" || next["seq"] == numbers.len() + 1, "{next}");
}
