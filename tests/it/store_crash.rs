//! kill -9, at any moment and at chosen system calls: what was acknowledged is there, once, and everything adds up.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use shopclerk::clock::Clock;
use shopclerk::domain::{Cmid, Command, ConvId, Ended, EventKind, MessageId, Seq};
use shopclerk::store::Store;
use uuid::Uuid;

use super::need;
use super::store::{check_fold, check_replies, settings};
use super::store_child::{Ack, WRITERS, child, conv_of, lines, message, soak};
use super::store_damage::copy;

/// Opens what a killed process left and compares it with what it had acknowledged.
async fn check(dir: &Path, round: u128, acks: &[Ack]) {
    let store = Store::open(dir, &settings(), Clock::System).unwrap();
    assert_eq!(store.recovery().damage, [""; 0]);
    let report = store.verify(&|_, _, _| {}).unwrap();
    assert_eq!(report.faults, []);
    let mut stored: HashMap<(ConvId, Cmid), Seq> = HashMap::new();
    for (conv, _) in store.conversations(None, usize::MAX).unwrap() {
        let events = check_fold(&store, conv).1;
        check_replies(&events);
        for event in events {
            if let EventKind::Said { cmid, .. } = event.kind {
                assert_eq!(stored.insert((conv, cmid), event.seq), None, "stored twice");
            }
        }
    }
    for ack in acks {
        assert_eq!(stored.get(&(ack.conv, ack.cmid)), Some(&ack.seq), "acknowledged and lost: {ack:?}");
    }
    // A client that reconnects sends again whatever it is not sure of.
    let known: HashSet<_> = stored.keys().copied().collect();
    for writer in 0..WRITERS {
        let conv = conv_of(round, writer);
        if store.head(conv).unwrap().is_none() {
            continue;
        }
        let sent = known.iter().filter(|(c, _)| *c == conv).count() as u128 + 2;
        for n in 0..sent {
            let command = message(round, writer, n);
            let Command::Say { cmid, .. } = &command else { unreachable!() };
            let before = stored.get(&(conv, *cmid)).copied();
            let again = store.commit(conv, command.clone()).await.unwrap();
            assert_eq!(again.duplicate, before);
        }
        answer_again(&store, conv).await;
        check_replies(&check_fold(&store, conv).1);
    }
    store.close().await;
    let left: Vec<_> = fs_err::read_dir(dir.join("index")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".generating")), "{left:?}");
}

/// What a start does about a reply that the kill fell into; the one from before may still try to end.
async fn answer_again(store: &Store, conv: ConvId) {
    let before = store.job(conv).unwrap();
    let (mid, epoch) = (MessageId(Uuid::new_v4()), store.head(conv).unwrap().unwrap().epoch);
    let Ok(begun) = store.commit(conv, Command::Begin { mid, epoch }).await else { return };
    let now = begun.job.unwrap();
    let finish = async |job| {
        let text = "An answer.".to_owned();
        store.commit(conv, Command::Finish { job, text, ended: Ended::Complete, provenance: None }).await
    };
    if let Some(before) = before {
        finish(before).await.unwrap_err();
    }
    finish(now).await.unwrap();
    finish(now).await.unwrap_err();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let rounds = if soak() { 500 } else { 30 };
    let mut total = 0;
    for round in 0..rounds {
        let mut process =
            child("write", dir.path(), &[]).env("STORE_CHILD_ROUND", round.to_string()).spawn().unwrap();
        let mut told = lines(&mut process, "ACK ");
        let enough = 1 + (round * 37 % 211) as usize;
        let mut acks: Vec<String> = told.by_ref().take(enough).collect();
        process.kill().unwrap();
        // What was in the pipe when it died was acknowledged too.
        acks.extend(told);
        process.wait().unwrap();
        let acks: Vec<Ack> = acks.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(acks.len() >= enough);
        total += acks.len();
        check(dir.path(), round, &acks).await;
    }
    println!("{rounds} kills, {total} acknowledged messages, none lost");
}

/// Runs a writer of `count` messages with one fault injected. Returns its lines and whether it ended by itself.
pub(crate) fn with_fault(dir: &Path, call: &str, fault: &str, count: u32) -> (Vec<String>, bool) {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let mut process =
        child("write", dir, &strace).env("STORE_CHILD_COUNT", count.to_string()).spawn().unwrap();
    let told: Vec<String> = lines(&mut process, "").collect();
    let ended = process.wait().unwrap();
    (told, ended.success())
}

pub(crate) fn acks(told: &[String]) -> Vec<Ack> {
    told.iter().filter_map(|l| l.strip_prefix("ACK ")).map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The calls a store makes to the kernel that change what is on the disk.
const CALLS: [&str; 9] =
    ["write", "pwrite64", "fsync", "fdatasync", "sync_file_range", "rename", "openat", "unlink", "ftruncate"];

#[tokio::test]
async fn nothing_acknowledged_is_lost_at_any_system_call() {
    if !need::strace() {
        return;
    }
    // A store that is made, and one whose index is made again from the journal.
    let home = tempfile::tempdir().unwrap();
    let (fresh, used) = (home.path().join("fresh"), home.path().join("used"));
    fs_err::create_dir(&fresh).unwrap();
    let mut process = child("write", &used, &[])
        .env("STORE_CHILD_COUNT", "12")
        .env("STORE_CHILD_ROUND", "1")
        .spawn()
        .unwrap();
    let before: Vec<String> = lines(&mut process, "").collect();
    assert!(process.wait().unwrap().success());
    fs_err::write(used.join("index.damaged"), "to be made again").unwrap();
    let (mut kills, mut total) = (0, 0);
    for (call, (from, before)) in
        CALLS.into_iter().flat_map(|c| [(c, (&fresh, Vec::new())), (c, (&used, acks(&before)))])
    {
        let mut when = 1;
        loop {
            let dir = tempfile::tempdir().unwrap();
            copy(from, dir.path());
            let (told, ended) = with_fault(dir.path(), call, &format!("signal=SIGKILL:when={when}"), 24);
            let mut acks = acks(&told);
            total += acks.len();
            acks.extend(before.clone());
            check(dir.path(), 0, &acks).await;
            if ended {
                break;
            }
            kills += 1;
            // Close together where a store is made and opened, further apart later.
            when = if soak() { when + 1 } else { when + 1 + when / 3 };
        }
    }
    println!("{kills} kills at system calls, {total} acknowledged messages, none lost");
    assert!(kills > 20, "the sweep did not reach the store: {kills} kills");
}

#[tokio::test]
async fn a_disk_that_fails_stops_the_store_and_loses_nothing() {
    if !need::strace() {
        return;
    }
    let mut hits = 0;
    for (call, errno) in [
        ("fdatasync", "EIO"),
        ("pwrite64", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("fsync", "EIO"),
        ("sync_file_range", "EIO"),
        ("ftruncate", "EIO"),
    ] {
        // Once, and from then on: a disk may come back, what was reported lost does not.
        for when in ["2", "5", "9", "20", "3+", "12+"] {
            let dir = tempfile::tempdir().unwrap();
            let (told, ended) = with_fault(dir.path(), call, &format!("error={errno}:when={when}"), 12);
            assert!(ended, "{call} {errno} {when}: the child did not end well: {told:?}");
            let late = told.iter().any(|line| line == "LATE");
            assert!(!late, "{call} {errno} {when}: acknowledged after the store had stopped");
            hits += usize::from(told.iter().any(|line| line.starts_with("ERR ")));
            check(dir.path(), 0, &acks(&told)).await;
        }
    }
    println!("{hits} runs met the injected error");
    assert!(hits > 10, "the errors did not reach the store: {hits}");
}
