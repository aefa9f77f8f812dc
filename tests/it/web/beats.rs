//! The heart of a socket: who says nothing, who answers nothing, who is gone.

use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::bytes;
use super::site::{PATIENCE, Site, roomy, site};

/// A server in a hurry, though not in one that a machine busy with the other tests could not keep up with.
async fn hasty() -> Site {
    site(shopclerk::web::Settings { heartbeat_ms: 700, hello_within_ms: 2_000, ..roomy() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_come_with_heads_and_whoever_answers_stays() {
    let site = hasty().await;
    let session = site.session().await;
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    assert_eq!(socket.until("hb").await["heads"], json!({ &session.conv: 1 }));
    site.says(&session.conv, "Hello").await;
    socket.event("reply").await;
    // Reading answers the pings: many more than may be missed.
    for _ in 0..8 {
        let beat = socket.until("hb").await;
        assert!(beat["heads"][&session.conv].as_u64() >= Some(3), "{beat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_hello_is_let_go() {
    let site = hasty().await;
    let session = site.session().await;
    assert_eq!(site.socket(&session.token).await.end().await, 1008);
    assert_eq!(site.staff().await.end().await, 1008);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_answers_a_ping_is_cut() {
    let site = hasty().await;
    let session = site.session().await;
    let mut stream = upgraded(&site, &session.token).await;
    let hello = json!({"t": "hello", "resume": []}).to_string();
    stream.write_all(&bytes::text(&hello)).await.unwrap();
    let mut pings = 0;
    let cut = async {
        // To the end of the connection: nothing is said to a peer that is taken for dead.
        while let Ok((first, _)) = bytes::frame(&mut stream).await {
            assert_ne!(first, 0x88);
            pings += usize::from(first == 0x89);
        }
    };
    timeout(PATIENCE, cut).await.expect("the server lets go");
    assert_eq!(pings, 2, "two may be missed");
}

/// A socket of bytes, after the upgrade.
async fn upgraded(site: &Site, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
         Sec-WebSocket-Protocol: shopclerk.v1, token.{token}\r\n\r\n",
        site.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    stream
}

/// A peer that vanished without a word is found by the kernel, which keeps little for it; asked of the very sockets the server holds.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_is_told_how_long_a_peer_may_be_silent() {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let site = site(roomy()).await;
    let session = site.session().await;
    let stream = upgraded(&site, &session.token).await;
    let peer = stream.local_addr().unwrap();
    // The server runs in this process: its end of the connection is one of our files.
    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let files = fs_err::read_dir("/proc/self/fd").unwrap();
    let numbers = files.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let ours = numbers
        .filter_map(|number| pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).ok())
        .map(|file: OwnedFd| socket2::Socket::from(file))
        .find(|socket| socket.peer_addr().is_ok_and(|at| at.as_socket() == Some(peer)))
        .expect("the server's end of the connection");
    assert_eq!(ours.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
    assert_eq!(ours.tcp_notsent_lowat().unwrap(), 64 * 1024);
    // Linux counts its own overhead in: it doubles what it is told.
    assert_eq!(ours.recv_buffer_size().unwrap(), 2 * 16 * 1024);
}
