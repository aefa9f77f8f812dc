use super::super::Team;
use super::*;
use crate::clock::Clock;
use crate::domain::{
    Cmid, Command, Ended, EventKind, HandOff, MessageId, Opening, Reason, Replied, Said, Shopper, Speaker,
    Status, Tags,
};
use crate::store::Settings;

struct Place {
    board: Board,
    folder: tempfile::TempDir,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { min_free_mib: 0, ballast_mib: 0, ..Settings::default() };
    let store = Store::open(&folder.path().join("store"), &settings, Clock::manual(1)).unwrap();
    let team = Team::open(folder.path(), Clock::manual(1)).unwrap();
    let board = Board::open(folder.path(), store, team).unwrap();
    Place { board, folder }
}

fn conv(n: u128) -> ConvId {
    ConvId(uuid::Uuid::from_u128(n))
}

fn anna() -> StaffId {
    StaffId("anna".into())
}

/// Plays commands through the state machine and the board, one a second from `at`.
fn play(board: &Board, conv: ConvId, at: Millis, commands: &[Command]) {
    let mut head = Head::default();
    for (n, command) in commands.iter().enumerate() {
        let at = at + 1_000 * n as u64;
        let mut events = Vec::new();
        for kind in head.clone().decide(command, None).unwrap().events {
            let seq = head.seq + 1;
            head.evolve(seq, at, &kind);
            events.push(Event { conv, seq, at, kind });
        }
        assert!(board.apply(conv, &events, None));
    }
}

fn open() -> Command {
    Command::Open(Opening { shopper: ShopperId::from_bytes([1; 16]) })
}

fn says(by: Speaker, text: &str) -> Command {
    Command::Say { cmid: Cmid(uuid::Uuid::now_v7()), by, text: Said::parse(text).unwrap() }
}

fn asks(text: &str) -> Command {
    says(Speaker::Shopper, text)
}

fn person() -> Command {
    Command::Person { why: HandOff { reason: Reason::Asked, away: false }, cut: None }
}

fn take() -> Command {
    Command::Take { by: anna(), cut: None }
}

fn listed(board: &Board, tab: Tab) -> Vec<u128> {
    let query = Query { tab: Some(tab), limit: 200, ..Query::default() };
    board.page(&query, &anna()).rows.iter().map(|row| row.conv.0.as_u128()).collect()
}

#[test]
fn each_tab_has_its_own_conversations_in_its_own_order() {
    let Place { board, .. } = place();
    play(&board, conv(1), 0, &[open()]);
    play(&board, conv(2), 10_000, &[open(), asks("later"), person()]);
    play(&board, conv(3), 0, &[open(), asks("first"), person()]);
    play(&board, conv(4), 0, &[open(), asks("x"), take()]);
    play(&board, conv(5), 50_000, &[open(), asks("x"), Command::Resolve { cut: None }]);
    play(&board, conv(6), 90_000, &[open(), asks("x")]);
    assert_eq!(listed(&board, Tab::Waiting), [3, 2], "the longest wait first");
    assert_eq!(listed(&board, Tab::Mine), [4]);
    assert_eq!(listed(&board, Tab::All), [6, 2, 4, 3], "the newest change first; nothing was said in 1");
    assert_eq!(listed(&board, Tab::Resolved), [5]);
    let counts = board.counts(&anna());
    assert_eq!(counts, Counts { waiting: 2, mine: 1, all: 4, resolved: 1, unread: 3 });
    assert_eq!(board.counts(&StaffId("bob".into())).mine, 0);
}

#[test]
fn a_run_of_unhappy_messages_is_raised_also_while_it_waits() {
    let Place { board, .. } = place();
    let mood = |label: &str| {
        let outcome = serde_json::json!({ "of": 2, "label": label });
        Command::Tool { name: "sentiment".to_owned(), outcome }
    };
    let looked_up = Command::Tool {
        name: "sentiment".to_owned(),
        outcome: serde_json::json!({ "of": 2, "label": "positive", "by": "anna" }),
    };
    let waits = |n: u128, more: &[Command]| {
        let script = [&[open(), asks("x"), person()], more].concat();
        play(&board, conv(n), 1_000 * n as u64, &script);
    };
    waits(1, &[]);
    waits(2, &[mood("negative")]);
    waits(3, &[mood("negative"), mood("negative")]);
    waits(4, &[mood("negative"), mood("negative"), looked_up, mood("negative")]);
    waits(5, &[mood("negative"), mood("negative"), mood("neutral"), mood("negative")]);
    // Read after those of later messages, as after a restart.
    let late = |label: &str| {
        let outcome = serde_json::json!({ "of": 2, "label": label, "late": true });
        Command::Tool { name: "sentiment".to_owned(), outcome }
    };
    waits(7, &[mood("negative"), mood("negative"), late("neutral"), late("negative")]);
    assert_eq!(board.row(conv(7)).unwrap().mood.as_deref(), Some("negative"));
    assert_eq!(listed(&board, Tab::Waiting), [4, 3, 7, 1, 2, 5]);
    // A page at a time, in the same order.
    let mut query = Query { tab: Some(Tab::Waiting), limit: 2, ..Query::default() };
    let mut paged = Vec::new();
    loop {
        let page = board.page(&query, &anna());
        paged.extend(page.rows.iter().map(|row| (row.conv.0.as_u128(), row.unhappy)));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(paged, [(4, 3), (3, 2), (7, 2), (1, 0), (2, 1), (5, 1)]);
    // Handed off for its mood, it stands first; an answer of a person ends the run.
    let script =
        [open(), asks("x"), mood("negative"), mood("negative"), mood("negative"), mood("negative"), person()];
    play(&board, conv(6), 90_000, &script);
    assert_eq!(listed(&board, Tab::Waiting)[0], 6);
    let answered = [&script[..], &[take(), says(Speaker::Staff(anna()), "Sorry!")]].concat();
    play(&board, conv(6), 90_000, &answered);
    assert_eq!((board.row(conv(6)).unwrap().unhappy, listed(&board, Tab::Waiting)[0]), (0, 4));
}

#[test]
fn a_wait_ends_with_the_first_word_of_a_person() {
    let Place { board, .. } = place();
    let row = || board.row(conv(1)).unwrap();
    let script = [
        open(),
        asks("hello"),
        person(),
        asks("anybody?"),
        take(),
        says(Speaker::Staff(anna()), "yes"),
        asks("great"),
    ];
    let mut seen = Vec::new();
    for n in 2..=script.len() {
        let Place { board, .. } = place();
        play(&board, conv(1), 0, &script[..n]);
        let row = board.row(conv(1)).unwrap();
        seen.push((row.waiting_since, row.unread));
    }
    assert_eq!(
        seen,
        [(None, 1), (Some(2_000), 1), (Some(2_000), 2), (Some(2_000), 2), (None, 0), (Some(6_000), 1)]
    );
    play(&board, conv(1), 0, &script);
    assert_eq!(row().preview.unwrap().text, "great");
    assert_eq!(row().staff, Some(anna()));
}

#[test]
fn read_marks_survive_a_restart_and_end_no_newer_message() {
    let Place { board, folder } = place();
    play(&board, conv(1), 0, &[open(), asks("one"), asks("two"), asks("three")]);
    board.seen(conv(1), 3);
    assert_eq!(board.row(conv(1)).unwrap().unread, 1);
    board.seen(conv(1), 2);
    board.save().unwrap();
    let again = Board::open(folder.path(), board.0.store.clone(), board.0.team.clone()).unwrap();
    play(&again, conv(1), 0, &[open(), asks("one"), asks("two"), asks("three")]);
    assert_eq!(again.row(conv(1)).unwrap().unread, 1);
    again.seen(conv(1), 1_000_000);
    play(&again, conv(2), 0, &[open(), asks("one")]);
    assert_eq!((again.row(conv(1)).unwrap().unread, again.row(conv(2)).unwrap().unread), (0, 1));
}

#[test]
fn events_come_once_and_a_gap_is_noticed() {
    let Place { board, .. } = place();
    let event = |seq, kind| Event { conv: conv(1), seq, at: seq, kind };
    let status = EventKind::Status { status: Status::Open, shopper: None };
    let said = |text: &str| EventKind::Said {
        cmid: Cmid(uuid::Uuid::nil()),
        by: Speaker::Shopper,
        text: text.into(),
    };
    let reply = EventKind::Reply {
        mid: MessageId::from_bytes([1; 16]),
        upto: 2,
        text: "word ".repeat(100),
        ended: crate::domain::Ended::Complete,
        provenance: None,
    };
    assert!(board.apply(conv(1), &[event(1, status), event(2, said("a"))], None));
    assert!(board.apply(conv(1), &[event(2, said("b")), event(3, reply)], None), "the second one is known");
    assert!(!board.apply(conv(1), &[event(5, said("c"))], None), "the fourth one is missing");
    let row = board.row(conv(1)).unwrap();
    let preview = row.preview.unwrap();
    assert_eq!((row.seq, row.unread, preview.by), (3, 1, PreviewBy::Ai));
    assert!(preview.text.ends_with('…') && preview.text.chars().count() == 140, "{}", preview.text);
}

#[test]
fn ten_thousand_conversations_are_paged_without_holes_or_repeats() {
    let Place { board, .. } = place();
    let ids: Vec<u128> = (1..=10_000).collect();
    for n in &ids {
        // Many share a time.
        play(&board, conv(*n), 1_000 * (n / 7) as u64, &[open(), asks("hello")]);
    }
    let mut query = Query { tab: Some(Tab::All), limit: 200, ..Query::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = board.page(&query, &anna());
        seen.extend(page.rows.iter().map(|row| row.conv.0.as_u128()));
        pages += 1;
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(pages, 50);
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ids);
    board.forget(conv(5));
    assert_eq!((board.counts(&anna()).all, board.row(conv(5))), (9_999, None));
}

#[test]
fn what_there_is_to_learn_from_is_counted_once() {
    let Place { board, .. } = place();
    let said = |text: &str| Said::parse(text).unwrap();
    let kind = EventKind::Reply {
        mid: MessageId(uuid::Uuid::nil()),
        upto: 1,
        text: "Soon.".into(),
        ended: Ended::Complete,
        provenance: None,
    };
    let of = Replied::of(&Event { conv: conv(1), seq: 2, at: 0, kind }).unwrap();
    let rate = |value| Command::Rate { of, value, comment: None };
    let drafted = Command::SayDrafted {
        cmid: Cmid(uuid::Uuid::now_v7()),
        by: anna(),
        text: said("In four days."),
        draft: said("Four days."),
    };
    let own = says(Speaker::Staff(anna()), "You are welcome.");
    play(
        &board,
        conv(1),
        0,
        &[open(), asks("When?"), rate(Thumb::Down), rate(Thumb::Up), take(), drafted, own],
    );
    play(&board, conv(2), 0, &[open(), asks("When?"), rate(Thumb::Up), rate(Thumb::Down)]);
    let gathered = Gathered { by_staff: 2, drafts: 1, corrected: 0, liked: 1 };
    assert_eq!(board.gathered(), gathered);
    board.forget(conv(1));
    assert_eq!(board.gathered(), Gathered::default());
}

#[tokio::test]
async fn people_are_found_by_name_address_and_tag() {
    let Place { board, folder: _folder } = place();
    let who = |n: u8, name: &str, email: &str| Shopper {
        id: ShopperId::from_bytes([n; 16]),
        name: Some(name.to_owned()),
        email: Some(email.to_owned()),
        contact: None,
        external: None,
        verified: true,
        created_at: 1,
        page: None,
    };
    for shopper in [who(1, "Zoë Müller", "zoe@mail.example"), who(2, "李雨桐", "li@mail.example")] {
        board.0.store.remember_shopper(shopper).await.unwrap();
    }
    let tags = |tags: &[&str]| Command::Tag { by: anna(), tags: Tags::parse(tags).unwrap() };
    let open = |n: u8| Command::Open(Opening { shopper: ShopperId::from_bytes([n; 16]) });
    play(&board, conv(1), 1_000, &[open(1), asks("Hello?"), tags(&["refund"])]);
    play(&board, conv(2), 9_000, &[open(1), asks("And?")]);
    play(&board, conv(3), 5_000, &[open(2), asks("你好"), tags(&["refund", "vip"])]);
    play(&board, conv(4), 6_000, &[open(1)]);
    let found = |typed: &str| {
        let people = board.find(typed, 2).unwrap();
        (people.rows.iter().map(|row| row.conv).collect::<Vec<_>>(), people.total)
    };
    assert_eq!(found("zoe"), (vec![conv(2), conv(1)], 2));
    assert_eq!(found("muller ZO"), (vec![conv(2), conv(1)], 2));
    assert_eq!(found("zoe@mail"), (vec![conv(2), conv(1)], 2));
    assert_eq!(found("mail.example"), (vec![conv(2), conv(3)], 3));
    assert_eq!(found("refund"), (vec![conv(3), conv(1)], 2));
    assert_eq!(found("zoe refund"), (vec![conv(1)], 1));
    assert_eq!(found("雨桐"), (vec![conv(3)], 1));
    assert_eq!(found("zoe vip"), (vec![], 0));
    assert_eq!(found(" ?!"), (vec![], 0));
    assert_eq!(found(&"word ".repeat(100)), (vec![], 0));
}
