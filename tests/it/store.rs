//! The store as its callers see it: commits, repeats, reads, refusals, reopening.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shopclerk::clock::Clock;
use shopclerk::domain::{
    Cmid, Command, ConvId, Ended, Event, EventKind, Head, MessageId, Opening, Owner, Refusal, Said, Shopper,
    ShopperId, Speaker, StaffId, Status,
};
use shopclerk::store::{Settings, Store, StoreError, StoreHealth};
use uuid::Uuid;

pub(crate) fn settings() -> Settings {
    Settings { min_free_mib: 0, ballast_mib: 0, ..Settings::default() }
}

pub(crate) fn conv(n: u128) -> ConvId {
    ConvId(Uuid::from_u128(n))
}

pub(crate) fn shopper(n: u128) -> ShopperId {
    ShopperId(Uuid::from_u128(n))
}

pub(crate) fn say(n: u128, text: &str) -> Command {
    Command::Say { cmid: Cmid(Uuid::from_u128(n)), by: Speaker::Shopper, text: Said::parse(text).unwrap() }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, &settings(), Clock::manual(1_700_000_000_000)).unwrap()
}

/// The head and events of a conversation agree, and numbers have no gap.
pub(crate) fn check_fold(store: &Store, conv: ConvId) -> (Head, Vec<Event>) {
    let head = store.head(conv).unwrap().unwrap();
    let events = store.events(conv, 0, usize::MAX).unwrap();
    let mut folded = Head::default();
    for (n, event) in (1..).zip(&events) {
        assert_eq!((event.seq, event.conv), (n, conv));
        folded.evolve(event.seq, event.at, &event.kind);
    }
    assert_eq!(folded, head);
    (head, events)
}

/// No message is answered twice, unless its shopper asked for that; and nothing is answered that was never said.
pub(crate) fn check_replies(events: &[Event]) {
    let (mut answered, mut last) = (HashSet::new(), None);
    for event in events {
        match &event.kind {
            EventKind::Reply { upto, .. } => {
                let asked = events.iter().find(|asked| asked.seq == *upto).map(|asked| &asked.kind);
                let by_shopper = matches!(asked, Some(EventKind::Said { by: Speaker::Shopper, .. }));
                assert!(by_shopper, "an answer to {asked:?}: {event:?}");
                assert!(answered.insert(*upto), "answered twice: {event:?}");
                last = Some(*upto);
            }
            EventKind::Status { status: Status::Retry, .. } => {
                let again = last.take().expect("an answer to be made again");
                answered.remove(&again);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_message_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let epoch = store.epoch().to_owned();
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    let said = store.commit(conv(1), say(10, "Where is my parcel?")).await.unwrap();
    assert_eq!((said.head.seq, said.head.asked, said.duplicate), (2, 2, None));
    assert_eq!(store.open_jobs_and_waiting().unwrap(), [conv(1)]);
    store.close().await;
    assert!(matches!(store.head(conv(1)), Err(StoreError::Closed)));

    let store = open(dir.path());
    assert_eq!(store.epoch(), epoch);
    let (head, events) = check_fold(&store, conv(1));
    assert_eq!(head, said.head);
    assert_eq!(events[1..], said.events[..]);
    assert_eq!(store.conversations_of(shopper(9)).unwrap(), [conv(1)]);
    store.close().await;
}

#[tokio::test]
async fn a_repeated_message_has_the_effect_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    // Both in one group, then once more from the disk.
    let (first, second) =
        tokio::join!(store.commit(conv(1), say(10, "Hello")), store.commit(conv(1), say(10, "Hello")));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(second.duplicate, Some(2));
    assert_eq!(first.events, second.events);
    store.close().await;
    let store = open(dir.path());
    let third = store.commit(conv(1), say(10, "Hello")).await.unwrap();
    assert_eq!((third.duplicate, &third.events, &third.head), (Some(2), &first.events, &first.head));
    assert_eq!(check_fold(&store, conv(1)).1.len(), 2);
    store.close().await;
}

#[tokio::test]
async fn a_job_is_durable_until_the_reply() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    store.commit(conv(1), say(10, "Do you ship to Ghent?")).await.unwrap();
    let begin = Command::Begin { mid: MessageId(Uuid::from_u128(77)), epoch: 0 };
    let job = store.commit(conv(1), begin).await.unwrap().job.unwrap();
    store.close().await;
    let store = open(dir.path());
    assert_eq!(store.job(conv(1)).unwrap(), Some(job));
    let finish = Command::Finish { job, text: "Yes.".into(), ended: Ended::Complete, provenance: None };
    let done = store.commit(conv(1), finish.clone()).await.unwrap();
    assert!(matches!(done.events[0].kind, EventKind::Reply { .. }));
    assert_eq!(store.job(conv(1)).unwrap(), None);
    assert!(store.open_jobs_and_waiting().unwrap().is_empty());
    assert_eq!(store.commit(conv(1), finish).await, Err(StoreError::Refused(Refusal::NothingToDo)));
    store.close().await;
}

#[tokio::test]
async fn two_who_take_at_once_are_decided_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    let take = |name: &str| Command::Take { by: StaffId(name.into()), cut: None };
    let (one, two) = tokio::join!(store.commit(conv(1), take("ana")), store.commit(conv(1), take("bo")));
    assert_eq!(one.unwrap().head.owner, Owner::Staff);
    assert_eq!(two, Err(StoreError::Refused(Refusal::NotOwner)));
    store.close().await;
}

#[tokio::test]
async fn events_come_in_pages_and_conversations_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for c in 1..=5 {
        store.commit(conv(c), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
        for n in 0..10 {
            store.commit(conv(c), say(c * 100 + n, &format!("message {n}"))).await.unwrap();
        }
    }
    let seqs = |after, limit| -> Vec<u64> {
        store.events(conv(3), after, limit).unwrap().iter().map(|e| e.seq).collect()
    };
    assert_eq!(seqs(0, 3), [1, 2, 3]);
    assert_eq!(seqs(9, 100), [10, 11]);
    assert_eq!(seqs(11, 100), [0u64; 0]);
    assert_eq!(seqs(u64::MAX, 100), [0u64; 0]);
    let page = |after| -> Vec<ConvId> {
        store.conversations(after, 2).unwrap().into_iter().map(|(conv, _)| conv).collect()
    };
    assert_eq!(page(None), [conv(1), conv(2)]);
    assert_eq!(page(Some(conv(4))), [conv(5)]);
    assert!(store.head(conv(6)).unwrap().is_none());
    assert!(store.events(conv(6), 0, 10).unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn what_is_known_of_a_shopper_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let known = Shopper {
        id: shopper(9),
        name: Some("Noor".into()),
        email: None,
        contact: None,
        external: Some("c-12".into()),
        verified: true,
        created_at: 5,
        page: None,
    };
    store.remember_shopper(known.clone()).await.unwrap();
    store.close().await;
    let store = open(dir.path());
    assert_eq!(store.shopper(shopper(9)).unwrap(), Some(known));
    assert_eq!(store.shopper(shopper(8)).unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let second = Store::open(dir.path(), &settings(), Clock::System).unwrap_err();
    assert_eq!(second.code(), "store_locked");
    assert_eq!(
        second.to_string(),
        format!(
            "{}: another shopclerk uses this store; stop it first, or give --data another folder",
            dir.path().display()
        )
    );
    store.close().await;
    open(dir.path()).close().await;
}

#[tokio::test]
async fn too_little_free_space_refuses_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let full = Settings { min_free_mib: u64::MAX / 2, ..settings() };
    let store = Store::open(dir.path(), &full, Clock::System).unwrap();
    let refused = store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap_err();
    assert_eq!(refused.code(), "store_disk_full");
    assert!(refused.is_passing());
    assert!(matches!(store.health(), StoreHealth::ReadOnly(_)));
    assert!(store.head(conv(1)).unwrap().is_none());
    store.close().await;
}

#[tokio::test]
async fn a_full_queue_says_busy() {
    let dir = tempfile::tempdir().unwrap();
    let small = Settings { queue: 1, ..settings() };
    let store = Store::open(dir.path(), &small, Clock::System).unwrap();
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    let asks: Vec<_> = (0..64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(conv(1), say(n, "hi")).await })
        })
        .collect();
    let (mut stored, mut busy) = (0, 0);
    for ask in asks {
        match tokio::time::timeout(Duration::from_secs(10), ask).await.unwrap().unwrap() {
            Ok(_) => stored += 1,
            Err(StoreError::Busy) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(busy > 0 && stored > 0);
    assert_eq!(check_fold(&store, conv(1)).1.len(), 1 + stored);
    store.close().await;
}

/// More at once than the writer takes in one go: each is answered, those at the seams as well.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_a_crowd_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &settings(), Clock::System).unwrap();
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    let asks: Vec<_> = (0..4_000)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(conv(1), say(n, "hi")).await })
        })
        .collect();
    for ask in asks {
        ask.await.unwrap().unwrap();
    }
    assert_eq!(check_fold(&store, conv(1)).1.len(), 4_001);
    store.close().await;
}

#[tokio::test]
async fn the_journal_goes_on_in_the_next_file() {
    let dir = tempfile::tempdir().unwrap();
    let small = Settings { segment_mib: 1, ..settings() };
    let store = Store::open(dir.path(), &small, Clock::System).unwrap();
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    let text = "x".repeat(3_900);
    for n in 0..600 {
        store.commit(conv(1), say(n, &text)).await.unwrap();
    }
    assert!(dir.path().join("journal").join("00000003.log").exists());
    store.close().await;
    let store = open(dir.path());
    assert_eq!(check_fold(&store, conv(1)).1.len(), 601);
    assert_eq!(store.recovery(), &shopclerk::store::Recovery::default());
    store.close().await;
}

/// sled has been seen to deadlock under many reads beside writes (sled issue 1412).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_the_writer_do_not_stop_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for c in 1..=20 {
        store.commit(conv(c), Command::Open(Opening { shopper: shopper(9) })).await.unwrap();
    }
    let (reads, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for reader in 0..8 {
            let (store, reads, done) = (&store, &reads, &done);
            scope.spawn(move || {
                let mut c = reader;
                while !done.load(Ordering::Relaxed) {
                    c = c % 20 + 1;
                    let head = store.head(conv(c)).unwrap().unwrap();
                    let newest = store.events(conv(c), head.seq - 1, 20).unwrap();
                    assert_eq!(newest[0].seq, head.seq);
                    assert!(store.job(conv(c)).unwrap().is_none());
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let writing = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(tokio::time::timeout(
                Duration::from_secs(120),
                async {
                    for n in 0..2_000 {
                        store.commit(conv(n % 20 + 1), say(n, "hello")).await.unwrap();
                    }
                },
            ))
        });
        done.store(true, Ordering::Relaxed);
        assert!(writing.is_ok(), "writing stands still beside reads");
    });
    println!("2000 messages written beside {} reads", reads.into_inner());
    (1..=20).for_each(|c| drop(check_fold(&store, conv(c))));
    store.close().await;
}
