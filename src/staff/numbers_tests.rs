use std::time::Duration;

use super::*;
use crate::domain::handoff::{HandOff, Reason};
use crate::domain::{
    Cmid, Command, Ended, EventKind, MessageId, Opening, Owner, Provenance, Said, Seq, ShopperId, Speaker,
    StaffId, Status, Thumb,
};
use crate::store::Settings;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// Monday, 2 November 2026.
const MONDAY: Millis = 1_793_577_600_000;

struct Place {
    numbers: Numbers,
    store: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(MONDAY);
    let settings = Settings { min_free_mib: 0, ballast_mib: 0, ..Settings::default() };
    let store = Store::open(&folder.path().join("store"), &settings, clock.clone()).unwrap();
    let numbers = Numbers::open(folder.path(), store.clone(), clock.clone()).unwrap();
    numbers.set_ready();
    Place { numbers, store, clock, folder }
}

impl Place {
    /// What another start would find.
    fn reopened(&self) -> Numbers {
        Numbers::open(self.folder.path(), self.store.clone(), self.clock.clone()).unwrap()
    }
}

fn conv(n: u128) -> ConvId {
    ConvId(uuid::Uuid::from_u128(n))
}

fn asks(text: &str) -> EventKind {
    EventKind::Said { cmid: Cmid(uuid::Uuid::nil()), by: Speaker::Shopper, text: text.into() }
}

fn writes(text: &str) -> EventKind {
    let by = Speaker::Staff(StaffId("anna".into()));
    EventKind::Said { cmid: Cmid(uuid::Uuid::nil()), by, text: text.into() }
}

fn replies(upto: Seq, adapter: Option<&str>, ended: Ended) -> EventKind {
    let provenance = Provenance {
        model: "small".into(),
        adapter: adapter.map(Into::into),
        prompt: String::new(),
        seed: 0,
        prompt_tokens: 0,
        completion_tokens: 0,
        rounds: 0,
        first_ms: 400,
        total_ms: 2_000,
    };
    let mid = MessageId(uuid::Uuid::nil());
    EventKind::Reply { mid, upto, text: "So it is.".into(), ended, provenance: Some(provenance) }
}

fn goes(owner: Owner) -> EventKind {
    EventKind::Owner { owner, epoch: 1, staff: None, why: None, by: None }
}

fn rates(of: Seq, value: Thumb) -> EventKind {
    EventKind::Rating { of, value, comment: None }
}

fn feels(label: &str) -> EventKind {
    EventKind::Tool { name: "sentiment".into(), outcome: serde_json::json!({ "label": label }) }
}

const CLOSED: EventKind = EventKind::Status { status: Status::Resolved, shopper: None };
const OPENED: EventKind = EventKind::Status { status: Status::Open, shopper: None };

type Happening = (Millis, EventKind);

/// What happens in `conv`, each at its time.
fn events(conv: ConvId, script: &[Happening]) -> Vec<Event> {
    (1..).zip(script).map(|(seq, (at, kind))| Event { conv, seq, at: *at, kind: kind.clone() }).collect()
}

/// The scenario of these tests: Monday and Tuesday.
fn scenario() -> Vec<Vec<Event>> {
    let (morning, night, tuesday) = (MONDAY + 10 * HOUR, MONDAY + 23 * HOUR + 30 * MINUTE, MONDAY + DAY);
    let solved = [
        (morning, OPENED),
        (morning, asks("Where is my parcel?")),
        (morning + 2_500, replies(2, Some("shop@1"), Ended::Complete)),
        (morning + 3_000, feels("neutral")),
        (morning + MINUTE, rates(3, Thumb::Down)),
        (morning + 2 * MINUTE, rates(3, Thumb::Up)),
    ];
    let handed = [
        (night, OPENED),
        (night, asks("Do you ship to Norway?")),
        (night + SECOND, replies(2, Some("shop@1"), Ended::Refused)),
        (night + MINUTE, goes(Owner::Queue)),
        (night + 90 * SECOND, goes(Owner::Staff)),
        (night + 3 * MINUTE, writes("Yes, for 9 euros.")),
        (night + 4 * MINUTE, feels("negative")),
        (night + 10 * MINUTE, CLOSED),
        (night + 10 * MINUTE, goes(Owner::Ai)),
    ];
    let back = [
        (tuesday + 8 * HOUR, OPENED),
        (tuesday + 8 * HOUR, asks("Do you deliver to Norway?")),
        (tuesday + 8 * HOUR + 3_000, replies(2, None, Ended::Complete)),
        (tuesday + 9 * HOUR, goes(Owner::Queue)),
        (tuesday + 9 * HOUR + MINUTE, goes(Owner::Ai)),
        (tuesday + 9 * HOUR + MINUTE, asks("Thanks anyway")),
        (tuesday + 9 * HOUR + MINUTE + 2_000, replies(6, None, Ended::Stopped)),
    ];
    let scripts: [&[(Millis, EventKind)]; 3] = [&solved, &handed, &back];
    (1..).zip(scripts).map(|(n, script)| events(conv(n), script)).collect()
}

fn feed(numbers: &Numbers) {
    for events in scenario() {
        numbers.apply(events[0].conv, &events);
    }
}

fn span(from: &str, to: &str, offset: i32) -> Span {
    let wanted = Wanted { from: Some(from), to: Some(to), offset: Some(offset) };
    Span::of(&wanted, MONDAY).unwrap()
}

fn report(numbers: &Numbers, offset: i32) -> Report {
    numbers.report(&span("2026-11-02", "2026-11-04", offset)).unwrap()
}

#[test]
fn every_figure_of_a_scenario() {
    let Place { numbers, store, clock, folder: _folder } = place();
    feed(&numbers);
    clock.advance(Duration::from_secs(3 * 24 * 3600));
    // The questions are shown only of conversations that the store has.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in 2..=3 {
        let open = Command::Open(Opening { shopper: ShopperId::from_bytes([1; 16]) });
        runtime.block_on(store.commit(conv(n), open)).unwrap();
    }
    let report = report(&numbers, 0);
    insta::assert_json_snapshot!("scenario", report);
    let east = self::report(&numbers, 60);
    assert_eq!(
        east.days.iter().map(|day| day.figures.sums.conversations).collect::<Vec<_>>(),
        [1, 2, 0],
        "half past eleven at night is the next day an hour further east"
    );
    assert_eq!(east.hours, [(0, 11, 1), (1, 0, 1), (1, 9, 1), (1, 10, 1)]);
    assert_eq!((east.total, east.models), (report.total, report.models));
    let india = self::report(&numbers, 330);
    assert_eq!(india.hours, [(0, 15, 1), (1, 5, 1), (1, 13, 1), (1, 14, 1)]);
}

#[test]
fn a_case_is_solved_by_the_model_only_alone() {
    let at = MONDAY;
    let asked = [(at, OPENED), (at, asks("Hello?")), (at, replies(2, None, Ended::Complete))];
    let close = (at + MINUTE, CLOSED);
    // What follows the answer; solved by model, by silence, by staff.
    let cases: [(&str, &[Happening], [u64; 3]); 9] = [
        ("silence", &[], [1, 1, 0]),
        ("closed", std::slice::from_ref(&close), [1, 0, 0]),
        ("closed after silence", &[(at + DAY, CLOSED)], [1, 1, 0]),
        ("disliked", &[(at, rates(3, Thumb::Down))], [0, 0, 0]),
        ("disliked and closed", &[(at, rates(3, Thumb::Down)), close.clone()], [0, 0, 1]),
        ("no answer", &[(at, asks("And?"))], [0, 0, 0]),
        ("unknown", &[(at, asks("And?")), (at, replies(4, None, Ended::Refused))], [0, 0, 0]),
        (
            "a person was asked for",
            &[(at, goes(Owner::Queue)), (at, goes(Owner::Ai)), close.clone()],
            [0, 0, 1],
        ),
        (
            "again the next day",
            &[(at + DAY, asks("And?")), (at + DAY, replies(4, None, Ended::Length))],
            [2, 2, 0],
        ),
    ];
    for (name, more, expected) in cases {
        let Place { numbers, clock, .. } = place();
        numbers.apply(conv(1), &events(conv(1), &[&asked[..], more].concat()));
        clock.advance(Duration::from_secs(3 * 24 * 3600));
        let sums = report(&numbers, 0).total.sums;
        assert_eq!(
            [sums.resolved_by_model, sums.resolved_quietly, sums.resolved_by_staff],
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_restart_counts_once_whatever_was_written_down() {
    let whole = place();
    feed(&whole.numbers);
    whole.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let expected = report(&whole.numbers, 0);
    let expected = (expected.total, expected.days, expected.hours, expected.models);
    let longest = scenario().iter().map(Vec::len).max().unwrap();
    for first in 0..=longest {
        let place = place();
        for events in scenario() {
            place.numbers.apply(events[0].conv, &events[..first.min(events.len())]);
        }
        place.numbers.save().unwrap();
        // The next start reads everything from the beginning.
        let again = place.reopened();
        feed(&again);
        again.set_ready();
        place.clock.advance(Duration::from_secs(2 * 24 * 3600 - 1));
        again.tidy().unwrap();
        again.save().unwrap();
        // And once more, after a silence was counted.
        let again = place.reopened();
        feed(&again);
        again.set_ready();
        place.clock.advance(Duration::from_secs(24 * 3600 + 1));
        let report = report(&again, 0);
        assert_eq!((report.total, report.days, report.hours, report.models), expected, "{first} events");
    }
}

#[tokio::test]
async fn an_erased_conversation_leaves_its_figures_and_takes_its_words() {
    let place = place();
    let commands = [
        Command::Open(Opening { shopper: ShopperId::from_bytes([1; 16]) }),
        Command::Say {
            cmid: Cmid(uuid::Uuid::now_v7()),
            by: Speaker::Shopper,
            text: Said::parse("Do you ship to Norway?").unwrap(),
        },
        Command::Person { why: HandOff { reason: Reason::Asked, away: false }, cut: None },
    ];
    for command in commands {
        let committed = place.store.commit(conv(1), command).await.unwrap();
        place.numbers.apply(conv(1), &committed.events);
    }
    let before = report(&place.numbers, 0);
    assert_eq!((before.unanswered.len(), before.total.sums.handoffs), (1, 1));
    place.numbers.save().unwrap();
    // Erased by another process: nobody says so, and still nothing is shown.
    let shopper = ShopperId::from_bytes([1; 16]);
    place.store.erase(crate::store::Whose::Shopper(shopper)).await.unwrap();
    let after = report(&place.numbers, 0);
    assert_eq!((after.unanswered.len(), after.total), (0, before.total));
    // The id stays in the file until the next start reads the store, or until we are told.
    place.numbers.forget(conv(1));
    place.numbers.tidy().unwrap();
    let file = fs_err::read_to_string(place.folder.path().join("numbers.json")).unwrap();
    assert!(!file.contains(&conv(1).to_string()) && !file.contains("Norway"), "{file}");
    let again = place.reopened();
    again.set_ready();
    assert_eq!(report(&again, 0).total, before.total);
    assert_eq!(again.lock().questions.between(0, u64::MAX / 2), []);
}

#[test]
fn a_file_that_cannot_be_read_is_counted_again() {
    let place = place();
    feed(&place.numbers);
    place.numbers.save().unwrap();
    let path = place.folder.path().join("numbers.json");
    fs_err::write(&path, br#"{"format":1,"tally":"#).unwrap();
    let again = place.reopened();
    assert!(path.with_extension("json.broken").exists());
    feed(&again);
    assert_eq!(report(&again, 0).total, report(&place.numbers, 0).total);
}

#[test]
fn a_person_called_for_another_reason_is_no_question_without_an_answer() {
    for (reason, expected) in
        [(Reason::Mood, 0), (Reason::Closed, 0), (Reason::Word, 1), (Reason::Repeated, 1)]
    {
        let Place { numbers, .. } = place();
        let why = Some(HandOff { reason, away: false });
        let queue = EventKind::Owner { owner: Owner::Queue, epoch: 1, staff: None, why, by: None };
        let all = events(conv(1), &[(MONDAY, OPENED), (MONDAY, asks("Where is it?")), (MONDAY, queue)]);
        numbers.apply(conv(1), &all);
        assert_eq!(numbers.lock().questions.between(0, u64::MAX / 2).len(), expected, "{reason:?}");
        assert_eq!(report(&numbers, 0).total.sums.handoffs, 1);
    }
}

#[test]
fn gaps_and_repeats_are_not_counted() {
    let Place { numbers, .. } = place();
    let all =
        events(conv(1), &[(MONDAY, OPENED), (MONDAY, asks("a")), (MONDAY, asks("b")), (MONDAY, asks("c"))]);
    numbers.apply(conv(1), &all[..2]);
    numbers.apply(conv(1), &all[..3]);
    numbers.apply(conv(1), &all[1..2]);
    numbers.apply(conv(2), &all[2..]);
    assert_eq!(report(&numbers, 0).total.sums.messages, 2);
}

#[test]
fn spans_are_days_and_at_most_four_hundred() {
    let of = |from: &str, to: &str, offset| {
        Span::of(&Wanted { from: Some(from), to: Some(to), offset: Some(offset) }, MONDAY)
    };
    assert!(of("2025-10-01", "2026-11-04", 0).is_ok(), "400 days");
    for (from, to, offset) in [
        ("2025-09-30", "2026-11-04", 0),
        ("2026-11-05", "2026-11-04", 0),
        ("2026-11-31", "2026-12-04", 0),
        ("1969-12-31", "1970-01-04", 0),
        ("today", "2026-12-04", 0),
        ("2026-11-01", "2026-11-04", 7),
        ("2026-11-01", "2026-11-04", 900),
        ("2026-11-01", "-9999-11-04", 0),
    ] {
        assert_eq!(of(from, to, offset), Err(StaffError::BadSpan), "{from} {to} {offset}");
    }
    let Place { numbers, .. } = place();
    let late = Wanted { offset: Some(-60), ..Wanted::default() };
    let report = numbers.report(&Span::of(&late, MONDAY).unwrap()).unwrap();
    assert_eq!((report.from.as_str(), report.to.as_str()), ("2026-10-03", "2026-11-01"), "still Sunday");
    assert_eq!(report.total, Figures::default(), "an empty shop");
    assert_eq!((report.days.len(), report.hours, report.models), (30, Vec::new(), Vec::new()));
}

#[test]
fn percentiles_are_the_nearest_rank() {
    let Place { numbers, .. } = place();
    for n in 1..=20 {
        // Answered within 2 to 40 seconds; `first` is 1.6 s less.
        let at = MONDAY + HOUR;
        let script = [(at, OPENED), (at, asks("x?")), (at + 2_000 * n, replies(2, None, Ended::Complete))];
        numbers.apply(conv(u128::from(n)), &events(conv(u128::from(n)), &script));
    }
    let total = report(&numbers, 0).total;
    assert_eq!(total.total_ms, Times { n: 20, p50: Some(20_000), p95: Some(38_000) });
    assert_eq!(total.first_ms, Times { n: 20, p50: Some(18_400), p95: Some(36_400) });
}

#[test]
fn questions_alike_are_one_group_in_any_language() {
    let texts = [
        "Do you ship to Norway?",
        "Is the Fen shoe made of chrome-free leather?",
        "do you ship to norway???",
        "你们可以送货到瑞士吗？",
        "Are the Fen shoes chrome free leather?",
        "Can I pay with Bitcoin?",
        "Do you ship to Norway, please?",
        "可以送货到瑞士吗",
        "Can I pay in instalments?",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "?!",
    ];
    let mut questions = Questions::default();
    for (n, text) in (1..).zip(texts) {
        let event = Event { conv: conv(n), seq: 2, at: MONDAY + n as u64, kind: asks(text) };
        questions.add(&questions::Question::of(&event, text));
    }
    let groups = questions::groups(&questions.between(MONDAY, MONDAY + DAY));
    let shown: Vec<(&str, usize)> = groups.iter().map(|group| (group.text.as_str(), group.count)).collect();
    assert_eq!(
        shown,
        [
            ("Do you ship to Norway, please?", 3),
            ("可以送货到瑞士吗", 2),
            ("Are the Fen shoes chrome free leather?", 2),
            ("Can I pay in instalments?", 1),
            ("Can I pay with Bitcoin?", 1),
        ]
    );
    assert_eq!(groups[0].convs, [conv(7), conv(3), conv(1)]);
    questions.forget(conv(7));
    assert_eq!(questions::groups(&questions.between(0, MONDAY + 5)).len(), 3);
}
