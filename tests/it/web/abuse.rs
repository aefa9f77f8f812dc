//! What a hostile client may send, byte by byte, and the code it is shown the door with.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::site::{PATIENCE, Session, Site, roomy, site};

/// A socket of bytes, after the upgrade.
struct Wire(TcpStream);

async fn wire(site: &Site, session: &Session) -> Wire {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
         Sec-WebSocket-Protocol: shopclerk.v1, token.{1}\r\n\r\n",
        site.address, session.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let chosen = head.lines().find(|l| l.to_lowercase().starts_with("sec-websocket-protocol")).unwrap();
    assert!(chosen.ends_with(": shopclerk.v1"), "the token is not sent back: {chosen}");
    Wire(stream)
}

impl Wire {
    /// Reads frames until Close; its code, or 1006 if the connection ends without.
    async fn end(&mut self) -> u16 {
        timeout(PATIENCE, async {
            loop {
                let Ok(first) = self.0.read_u8().await else { return 1006 };
                let Ok(second) = self.0.read_u8().await else { return 1006 };
                let length = match second {
                    126 => self.0.read_u16().await.unwrap_or(0) as usize,
                    127 => self.0.read_u64().await.unwrap_or(0) as usize,
                    short => short as usize,
                };
                let mut body = vec![0; length];
                if self.0.read_exact(&mut body).await.is_err() {
                    return 1006;
                }
                if first == 0x88 {
                    return body.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                }
            }
        })
        .await
        .expect("the server ends it in time")
    }

    /// True if the socket still answers a ping.
    async fn lives(&mut self) -> bool {
        if self.0.write_all(&frame(0x89, b"alive?")).await.is_err() {
            return false;
        }
        timeout(PATIENCE, async {
            let mut tail = Vec::new();
            while !tail.ends_with(b"\x8a\x06alive?") {
                match self.0.read_u8().await {
                    Ok(byte) => tail.push(byte),
                    Err(_) => return false,
                }
            }
            true
        })
        .await
        .unwrap_or(false)
    }
}

/// The header of a client's frame, which may lie about its length.
fn header(first: u8, length: u64) -> Vec<u8> {
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

/// A client's frame; the mask is zero, so the payload is as written.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

/// A text frame of exactly `length` bytes that is a frame of ours: blanks are JSON.
fn padded(length: usize) -> Vec<u8> {
    let hello = r#"{"t":"hello","resume":[]}"#;
    text(&format!("{hello}{}", " ".repeat(length - hello.len())))
}

const FRAME: usize = 64 * 1024;

/// What is sent, and the code the server must close with.
fn fatal() -> Vec<(&'static str, Vec<u8>, u16)> {
    let close = |payload: &[u8]| frame(0x88, payload);
    let half = [b'x'; FRAME];
    vec![
        ("1 GiB declared", header(0x81, 1 << 30), 1009),
        ("64 KiB and 1 declared", header(0x81, FRAME as u64 + 1), 1009),
        ("63 bits declared", header(0x81, (1 << 63) - 1), 1009),
        ("64 bits declared", header(0x81, u64::MAX), 1002),
        ("binary, 1 GiB declared", header(0x82, 1 << 30), 1009),
        ("64 KiB and 1 sent", frame(0x81, &[b'x'; FRAME + 1]), 1009),
        (
            "three continuations over 128 KiB",
            [frame(0x01, &half), frame(0x00, &half), frame(0x80, b"x")].concat(),
            1009,
        ),
        (
            "a fourth continuation declared",
            [frame(0x01, &half), frame(0x00, &half), header(0x00, 60_000)].concat(),
            1009,
        ),
        ("unmasked text", b"\x81\x02{}".to_vec(), 1002),
        ("unmasked ping", b"\x89\x00".to_vec(), 1002),
        ("unmasked close", b"\x88\x00".to_vec(), 1002),
        ("first reserved bit", frame(0xC1, b"{}"), 1002),
        ("second reserved bit", frame(0xA1, b"{}"), 1002),
        ("third reserved bit", frame(0x91, b"{}"), 1002),
        ("opcode 3", frame(0x83, b"{}"), 1002),
        ("opcode 7", frame(0x87, b"{}"), 1002),
        ("opcode 11", frame(0x8B, b""), 1002),
        ("opcode 15", frame(0x8F, b""), 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("pong of 126 bytes", frame(0x8A, &[0; 126]), 1002),
        ("close of 126 bytes", frame(0x88, &[0; 126]), 1002),
        ("ping of 70,000 bytes declared", header(0x89, 70_000), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("fragmented close", frame(0x08, b""), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        ("unfinished continuation of nothing", frame(0x00, b"x"), 1002),
        ("text inside a text", [frame(0x01, b"{"), text("}")].concat(), 1002),
        ("binary inside a text", [frame(0x01, b"{"), frame(0x82, b"}")].concat(), 1002),
        ("length 5 in 16 bits", b"\x81\xFE\x00\x05\0\0\0\0hello".to_vec(), 1002),
        ("length 5 in 64 bits", b"\x81\xFF\0\0\0\0\0\0\0\x05\0\0\0\0hello".to_vec(), 1002),
        ("a byte that is not UTF-8", frame(0x81, b"{\"t\":\"\xFF\"}"), 1007),
        ("an overlong slash", frame(0x81, b"\xC0\xAF"), 1007),
        ("a surrogate in UTF-8", frame(0x81, b"\xED\xA0\x80"), 1007),
        ("a cut character", frame(0x81, b"\xE2\x82"), 1007),
        ("bad UTF-8 over two frames", [frame(0x01, b"\xE2"), frame(0x80, b"\x28\xA1")].concat(), 1007),
        ("binary", frame(0x82, b"{}"), 1003),
        (
            "an order before hello",
            text(r#"{"t":"stop","conv":"01890a5d-ac96-774b-bcce-b302099a8057"}"#),
            1008,
        ),
        ("a polite close", close(&1000u16.to_be_bytes()), 1000),
        ("a close without a code", close(b""), 1005),
        ("pings without end", frame(0x89, b"").repeat(5_000), 4029),
        ("pongs without end", frame(0x8A, b"").repeat(5_000), 4029),
        (
            "empty continuations without end",
            [frame(0x01, b""), frame(0x00, b"").repeat(100_000)].concat(),
            4029,
        ),
        (
            "continuations of one byte without end",
            [frame(0x01, b"x"), frame(0x00, b"x").repeat(100_000)].concat(),
            4029,
        ),
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".repeat(100), 1002),
        ("zeroes", vec![0; 10_000], 1002),
        ("ones", vec![0xFF; 10_000], 1002),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_abuse_meets_its_code() {
    let site = site(roomy()).await;
    let session = site.session().await;
    for (name, bytes, code) in fatal() {
        let mut wire = wire(&site, &session).await;
        // The server may hang up in the middle of it.
        let _ = wire.0.write_all(&bytes).await;
        assert_eq!(wire.end().await, code, "{name}");
    }
    let mut after = site.greeted(&session).await;
    after.until("welcome").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_but_legal_lives() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let hello = text(r#"{"t":"hello","resume":[]}"#);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("exactly 64 KiB", padded(FRAME)),
        ("one byte less", padded(FRAME - 1)),
        (
            "two continuations of 64 KiB",
            [frame(0x01, &padded(FRAME)[14..]), frame(0x80, &[b' '; FRAME])].concat(),
        ),
        ("a ping inside a message", {
            let (a, b) = (br#"{"t":"hello","#, br#""resume":[]}"#);
            [frame(0x01, a), frame(0x89, b"x"), frame(0x80, b)].concat()
        }),
        ("empty continuations", {
            let whole = br#"{"t":"hello","resume":[]}"#;
            [frame(0x01, b""), frame(0x00, whole), frame(0x00, b""), frame(0x80, b"")].concat()
        }),
        ("a pong nobody asked for", [frame(0x8A, b"x"), hello.clone()].concat()),
        ("a ping of 125 bytes", [frame(0x89, &[7; 125]), hello.clone()].concat()),
        ("nonsense, then hello", [text("nonsense"), text(""), text("[]"), hello.clone()].concat()),
        ("hello twice", [hello.clone(), hello].concat()),
    ];
    for (name, bytes) in cases {
        let mut wire = wire(&site, &session).await;
        wire.0.write_all(&bytes).await.unwrap();
        assert!(wire.lives().await, "{name}");
    }
    let mut slow = wire(&site, &session).await;
    slow.0.set_nodelay(true).unwrap();
    for byte in text(r#"{"t":"hello","resume":[]}"#) {
        slow.0.write_all(&[byte]).await.unwrap();
    }
    assert!(slow.lives().await, "byte by byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_that_are_none() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let good = [
        ("Host", site.address.to_string()),
        ("Origin", site.origin()),
        ("Connection", "Upgrade".to_owned()),
        ("Upgrade", "websocket".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==".to_owned()),
        ("Sec-WebSocket-Protocol", format!("shopclerk.v1, token.{}", session.token)),
    ];
    let cases: &[(&str, &str, Option<&str>, u16)] = &[
        ("no upgrade", "Upgrade", None, 400),
        ("another upgrade", "Upgrade", Some("h2c"), 400),
        ("no version", "Sec-WebSocket-Version", None, 400),
        ("version 8", "Sec-WebSocket-Version", Some("8"), 400),
        ("no key", "Sec-WebSocket-Key", None, 400),
        ("no subprotocol", "Sec-WebSocket-Protocol", None, 400),
        ("no token", "Sec-WebSocket-Protocol", Some("shopclerk.v1"), 401),
        ("forged token", "Sec-WebSocket-Protocol", Some("shopclerk.v1, token.a.b.c"), 401),
        ("token of nothing", "Sec-WebSocket-Protocol", Some("shopclerk.v1, token."), 401),
        ("another version of ours", "Sec-WebSocket-Protocol", Some("shopclerk.v2"), 400),
    ];
    for (name, header, value, status) in cases {
        let mut request = "GET /v1/ws HTTP/1.1\r\n".to_owned();
        for (key, normal) in &good {
            let value = if key == header { value.map(str::to_owned) } else { Some(normal.clone()) };
            if let Some(value) = value {
                request.push_str(&format!("{key}: {value}\r\n"));
            }
        }
        let answer = timeout(Duration::from_secs(10), site.raw(&format!("{request}\r\n"))).await;
        let answer = answer.unwrap_or_else(|_| panic!("{name}: no answer"));
        assert_eq!(answer.status, *status, "{name}: {answer:?}");
        assert!(answer.json()["error"]["code"].is_string(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_told_and_the_socket_lives() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let mut socket = site.greeted(&session).await;
    socket.until("welcome").await;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/frames.json");
    let all: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    for case in all["bad"].as_array().unwrap() {
        let text = case["frame"].as_str().unwrap().to_owned();
        let message = tokio_tungstenite::tungstenite::Message::text(text);
        futures_util::SinkExt::send(&mut socket.inner, message).await.unwrap();
        assert_eq!(socket.until("error").await["code"], "bad_frame", "{case}");
    }
    for (text, code) in [("", "empty_message"), (" \u{200b} ", "empty_message")] {
        let cmid = socket.say(&session.conv, text).await;
        let error = socket.until("error").await;
        assert_eq!((error["code"].as_str(), error["cmid"].as_str()), (Some(code), Some(cmid.as_str())));
    }
    socket.say(&session.conv, &"x".repeat(4_001)).await;
    assert_eq!(socket.until("error").await["code"], "message_too_long");
    socket.send(&json!({"t": "rate", "conv": session.conv, "seq": 99, "value": "up"})).await;
    assert_eq!(socket.until("error").await["code"], "no_such_message");
}
