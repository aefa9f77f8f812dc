//! Every frame, as JSON that Rust and TypeScript both read.

use std::path::Path;

use serde_json::Value;
use shopclerk::domain::{
    Cmid, ConvId, Ended, Event, EventKind, HandOff, MessageId, Owner, Provenance, Reason, ShopperId, Speaker,
    StaffId, Status, Summary, Tags,
};
use shopclerk::web::wire::{ClientFrame, ServerFrame, Viewer, WireEvent, typescript};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures(part: &str) -> Vec<Value> {
    let text = fs_err::read_to_string(root().join("tests/fixtures/frames.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all[part].as_array().unwrap().clone()
}

#[test]
fn client_frames_round_trip() {
    let mut kinds = Vec::new();
    for fixture in fixtures("client") {
        let frame = ClientFrame::parse(&fixture.to_string()).unwrap_or_else(|e| panic!("{fixture}: {e}"));
        assert_eq!(serde_json::to_value(&frame).unwrap(), fixture);
        kinds.push(fixture["t"].as_str().unwrap().to_owned());
    }
    kinds.dedup();
    let expected = [
        "hello",
        "say",
        "stop",
        "retry",
        "rate",
        "person",
        "assistant",
        "contact",
        "page",
        "typing",
        "take",
        "assign",
        "release",
        "note",
        "correct",
        "tag",
        "resolve",
        "reopen",
        "suggest",
        "unsuggest",
        "list",
        "open",
        "close",
        "seen",
    ];
    assert_eq!(kinds, expected, "every kind of frame has a fixture");
}

#[test]
fn server_frames_round_trip() {
    let mut kinds = Vec::new();
    for fixture in fixtures("server") {
        let frame: ServerFrame =
            serde_json::from_value(fixture.clone()).unwrap_or_else(|e| panic!("{fixture}: {e}"));
        let text: Value = serde_json::from_str(&frame.to_text()).unwrap();
        assert_eq!(text, fixture);
        kinds.push(fixture["t"].as_str().unwrap().to_owned());
    }
    kinds.dedup();
    let expected = [
        "welcome",
        "ack",
        "event",
        "delta",
        "queued",
        "typing",
        "error",
        "contact",
        "reset",
        "hb",
        "bye",
        "list",
        "rows",
        "relist",
        "suggestion",
        "opened",
    ];
    assert_eq!(kinds, expected, "every kind of frame has a fixture");
}

#[test]
fn bad_frames_are_refused_and_never_quoted() {
    for case in fixtures("bad") {
        let (name, text) = (case["why"].as_str().unwrap(), case["frame"].as_str().unwrap());
        let fault = ClientFrame::parse(text).expect_err(name);
        assert_eq!(fault.code(), "bad_frame", "{name}");
        assert!(!fault.to_string().contains("SECRET"), "{name}: {fault}");
    }
    let many: Vec<_> =
        (0..65).map(|n| format!(r#"{{"conv":"{}","seq":0}}"#, uuid::Uuid::from_u128(n))).collect();
    let hello = format!(r#"{{"t":"hello","resume":[{}]}}"#, many.join(","));
    assert!(ClientFrame::parse(&hello).is_err(), "65 conversations");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(ClientFrame::parse(&deep).is_err(), "deep nesting");
}

#[test]
fn shoppers_see_numbers_but_no_secrets() {
    let staff = StaffId("SECRET-staff".to_owned());
    let provenance = Provenance {
        model: "SECRET-model".into(),
        adapter: None,
        prompt: "SECRET".into(),
        seed: u64::MAX,
        prompt_tokens: 1,
        completion_tokens: 1,
        rounds: 0,
        first_ms: 1,
        total_ms: 1,
    };
    let mid = MessageId::from_bytes([3; 16]);
    let cmid = Cmid::from_bytes([4; 16]);
    let shopper = Some(ShopperId::from_bytes([5; 16]));
    let kinds = [
        EventKind::Said { cmid, by: Speaker::Staff(staff.clone()), text: "hello".into() },
        EventKind::Reply {
            mid,
            upto: 1,
            text: "x".into(),
            ended: Ended::Complete,
            provenance: Some(provenance),
        },
        EventKind::Owner {
            owner: Owner::Staff,
            epoch: 7,
            staff: Some(staff.clone()),
            why: None,
            by: Some(staff.clone()),
        },
        EventKind::Owner {
            owner: Owner::Queue,
            epoch: 8,
            staff: None,
            why: Some(HandOff { reason: Reason::Mood, away: true }),
            by: None,
        },
        EventKind::Status { status: Status::Open, shopper },
        EventKind::Tool { name: "SECRET".into(), outcome: Value::Null },
        EventKind::Note { by: staff, text: "SECRET".into() },
        EventKind::Summary(Summary { text: "SECRET".into(), points: Vec::new() }),
        EventKind::Correction { of: 2, by: StaffId("SECRET".to_owned()), text: "SECRET".into() },
        EventKind::Draft { of: 1, by: StaffId("SECRET".to_owned()), text: "SECRET".into() },
        EventKind::Tags { by: StaffId("SECRET".to_owned()), tags: Tags::parse(&["SECRET"]).unwrap() },
    ];
    for (seq, kind) in (1..).zip(kinds) {
        let private = kind.is_private();
        let event = Event { conv: ConvId::from_bytes([1; 16]), seq, at: 9, kind };
        let shown = serde_json::to_value(WireEvent::of(&event, Viewer::Shopper)).unwrap();
        assert!(!shown.to_string().to_uppercase().contains("SECRET"), "{shown}");
        assert_eq!(shown["seq"], seq);
        assert!(!shown.to_string().contains("mood"), "why a person comes is for the staff: {shown}");
        assert_eq!(shown["kind"] == "hidden", private, "{shown}");
        let full = serde_json::to_value(WireEvent::of(&event, Viewer::Staff)).unwrap();
        assert_ne!(full["kind"], "hidden");
    }
}

#[test]
fn wire_types_match_committed() {
    let path = root().join("static/src/wire.ts");
    if std::env::var_os("UPDATE_WIRE").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, typescript()).unwrap();
    }
    let committed = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == typescript(),
        "static/src/wire.ts is stale; run: UPDATE_WIRE=1 cargo test --no-default-features wire_types_match_committed"
    );
}
