//! Erasing a shopper: out of the journal, the index and past runs, whatever is in the way.

use std::path::{Path, PathBuf};

use serde_json::json;
use shopclerk::clock::Clock;
use shopclerk::domain::{Command, Event, Opening, Shopper};
use shopclerk::runs::rows::forget::{self, Forgotten, forget};
use shopclerk::store::{Erasure, Settings, Store, StoreError, Whose};

use super::need;
use super::store::{check_fold, conv, open, say, settings, shopper};
use super::store_child::{child, lines};
use super::store_damage::copy;

const SECRET: &str = "the secret of shopper one";

/// Three shoppers with two conversations each, over several files of the journal. Only the first says the secret.
async fn filled(dir: &Path) -> Store {
    let settings = Settings { segment_mib: 1, ..settings() };
    let store = Store::open(dir, &settings, Clock::manual(1_700_000_000_000)).unwrap();
    for n in 1..=3 {
        let name = Some(if n == 1 { SECRET.to_owned() } else { format!("Shopper {n}") });
        let email = Some(format!("s{n}@example.com"));
        let known = Shopper {
            id: shopper(n),
            name,
            email,
            contact: None,
            external: None,
            verified: true,
            created_at: 1,
            page: None,
        };
        store.remember_shopper(known).await.unwrap();
        for c in [n, n + 10] {
            store.commit(conv(c), Command::Open(Opening { shopper: shopper(n) })).await.unwrap();
        }
    }
    for m in 0..100 {
        for c in [1, 2, 3, 11, 12, 13] {
            let who = if c % 10 == 1 { SECRET } else { "nothing special" };
            let text = format!("{who} {m} {}", "lorem ipsum ".repeat(300));
            store.commit(conv(c), say(c * 1_000 + m, &text)).await.unwrap();
        }
    }
    store
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// Files in which something of the first shopper can be read.
fn traces(dir: &Path) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = fs_err::read(path).unwrap();
        [SECRET.as_bytes(), b"s1@example.com"]
            .iter()
            .any(|word| bytes.windows(word.len()).any(|w| w == *word))
    };
    files(dir).into_iter().filter(holds).collect()
}

fn others(store: &Store) -> Vec<Event> {
    [2, 3, 12, 13].into_iter().flat_map(|c| check_fold(store, conv(c)).1).collect()
}

fn assert_gone(store: &Store) {
    for c in [1, 11] {
        assert_eq!(store.head(conv(c)).unwrap(), None);
        assert!(store.events(conv(c), 0, usize::MAX).unwrap().is_empty());
    }
    assert!(store.conversations_of(shopper(1)).unwrap().is_empty());
    assert_eq!(store.shopper(shopper(1)).unwrap(), None);
    let verified = store.verify(&|_, _, _| {}).unwrap();
    assert_eq!(verified.faults, []);
    assert_eq!((verified.conversations, verified.erased), (4, 203));
}

#[tokio::test]
async fn a_shopper_is_erased_while_the_shop_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    let before = others(&store);
    assert!(files(&dir.path().join("journal")).len() > 1, "several files");
    assert!(!traces(dir.path()).is_empty());
    let erased = store.erase(Whose::Shopper(shopper(1))).await.unwrap();
    assert_eq!(
        (erased.conversations, erased.shoppers, erased.entries),
        (vec![conv(1), conv(11)], vec![shopper(1)], 203)
    );
    assert_eq!(store.erase(Whose::Shopper(shopper(1))).await.unwrap(), Erasure::default());
    assert_gone(&store);
    let late = store.commit(conv(1), say(99, "too late")).await;
    assert!(matches!(late, Err(StoreError::Refused(_))), "{late:?}");
    // The others write on, and the same customer may come back.
    store.commit(conv(2), say(77, "still here")).await.unwrap();
    store.commit(conv(21), Command::Open(Opening { shopper: shopper(1) })).await.unwrap();
    let known = Shopper {
        id: shopper(1),
        name: Some("New".into()),
        email: None,
        contact: None,
        external: None,
        verified: true,
        created_at: 2,
        page: None,
    };
    store.remember_shopper(known.clone()).await.unwrap();
    store.close().await;
    let store = open(dir.path());
    assert_eq!(traces(dir.path()), Vec::<PathBuf>::new(), "nothing is left in any file");
    assert_eq!(store.shopper(shopper(1)).unwrap(), Some(known));
    assert_eq!(store.conversations_of(shopper(1)).unwrap(), [conv(21)]);
    let mut now = others(&store);
    let at = now.iter().position(|event| event.conv == conv(2) && event.seq == 102).unwrap();
    now.remove(at);
    assert_eq!(now, before);
    assert_eq!(store.verify(&|_, _, _| {}).unwrap().faults, []);
    store.close().await;
}

/// Every mixture of files from before and after, with an index from before, after, or none: what a stop at any moment can leave
/// behind once the order is on the disk.
#[tokio::test]
async fn a_stop_in_the_middle_is_finished_by_the_next_opening() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old"), home.path().join("new"));
    let store = filled(&old).await;
    let before = others(&store);
    store.close().await;
    copy(&old, &new);
    let store = open(&new);
    store.erase(Whose::Shopper(shopper(1))).await.unwrap();
    store.close().await;
    assert!(new.join("erase.json").is_file(), "pending until the next opening");
    let journal = files(&old.join("journal"));
    for mixture in 0..(1_usize << journal.len()) {
        for index in [Some(&old), Some(&new), None] {
            let dir = tempfile::tempdir().unwrap();
            copy(&new, dir.path());
            for (n, file) in journal.iter().enumerate().filter(|(n, _)| mixture >> n & 1 == 1) {
                let name = file.file_name().unwrap();
                fs_err::copy(file, dir.path().join("journal").join(name)).unwrap();
                // Half a new file beside its place.
                let half = fs_err::read(file).unwrap();
                let beside = dir.path().join("journal").join(format!("{}.new", name.to_string_lossy()));
                fs_err::write(beside, if n == 0 { &[] } else { &half[..half.len() / 2] }).unwrap();
            }
            fs_err::remove_dir_all(dir.path().join("index")).unwrap();
            if let Some(from) = index {
                copy(&from.join("index"), &dir.path().join("index"));
            }
            fs_err::create_dir(dir.path().join("index.broken-1")).unwrap();
            fs_err::write(dir.path().join("index.broken-1/db"), SECRET).unwrap();
            let store = open(dir.path());
            assert_gone(&store);
            assert_eq!(others(&store), before);
            store.close().await;
            assert!(!dir.path().join("erase.json").exists());
            let journal: Vec<PathBuf> = traces(dir.path())
                .into_iter()
                .filter(|path| path.extension().is_none_or(|e| e != "new"))
                .collect();
            assert_eq!(journal, Vec::<PathBuf>::new(), "mixture {mixture:b}");
        }
    }
}

/// SIGKILL at system calls of the real thing: afterwards the shopper is there as before, or gone without a trace.
#[tokio::test]
async fn erasing_survives_kill_9_at_any_system_call() {
    if !need::strace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let old = home.path().join("old");
    let store = filled(&old).await;
    let before = others(&store);
    store.close().await;
    let (mut kills, mut kept, mut gone) = (0, 0, 0);
    for call in ["rename", "fsync", "openat", "unlink", "write"] {
        let mut when = 1;
        loop {
            let dir = tempfile::tempdir().unwrap();
            copy(&old, dir.path());
            let (trace, inject) =
                (format!("trace={call}"), format!("inject={call}:signal=SIGKILL:when={when}"));
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let mut process = child("erase", dir.path(), &strace).spawn().unwrap();
            let told: Vec<String> = lines(&mut process, "ERASED").collect();
            let ended = process.wait().unwrap().success();
            let store = open(dir.path());
            assert_eq!(others(&store), before, "{call} {when}");
            if store.head(conv(1)).unwrap().is_some() {
                assert!(told.is_empty(), "{call} {when}: said to be erased, and still there");
                assert_eq!(check_fold(&store, conv(1)).1.len(), 101);
                assert_eq!(check_fold(&store, conv(11)).1.len(), 101);
                kept += 1;
            } else {
                assert_gone(&store);
                store.close().await;
                assert_eq!(traces(dir.path()), Vec::<PathBuf>::new(), "{call} {when}");
                gone += 1;
            }
            store.close().await;
            if ended {
                break;
            }
            kills += 1;
            when = when + 1 + when / 2;
        }
    }
    println!("{kills} kills: {kept} times everything was there, {gone} times nothing was left");
    assert!(kills > 10 && kept > 2 && gone > 2, "{kills} {kept} {gone}");
}

#[tokio::test]
async fn what_is_kept_too_long_goes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_000_000);
    let store = Store::open(dir.path(), &settings(), clock.clone()).unwrap();
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(1) })).await.unwrap();
    store.commit(conv(2), Command::Open(Opening { shopper: shopper(1) })).await.unwrap();
    store.commit(conv(3), Command::Open(Opening { shopper: shopper(3) })).await.unwrap();
    clock.advance(std::time::Duration::from_secs(10));
    store.commit(conv(2), say(5, "I am back")).await.unwrap();
    assert_eq!(store.erase(Whose::UntouchedSince(1_000_000)).await.unwrap(), Erasure::default());
    let erased = store.erase(Whose::UntouchedSince(1_000_001)).await.unwrap();
    assert_eq!(erased.conversations, [conv(1), conv(3)]);
    assert_eq!(erased.shoppers, [shopper(3)], "the first has another conversation");
    assert_eq!(store.conversations_of(shopper(1)).unwrap(), [conv(2)]);
    assert_eq!(store.verify(&|_, _, _| {}).unwrap().faults, []);
    store.close().await;
}

#[test]
fn past_runs_forget_and_their_adapters_are_marked() {
    let data = tempfile::tempdir().unwrap();
    let row = |id: &str, c: u128, s: u128| {
        let lineage = json!([{"conversation": conv(c).to_string(), "shopper": shopper(s).to_string(), "events": [2, 3]}]);
        json!({"id": id, "group": "g", "messages": [{"role": "user", "content": "hi"}], "lineage": lineage})
            .to_string()
    };
    let write = |path: &str, text: &str| {
        let path = data.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    let read = |path: &str| fs_err::read_to_string(data.path().join(path)).unwrap();
    write("runs/r1/rows.jsonl", &format!("{}\n{}\n", row("a", 1, 1), row("b", 2, 2)));
    write("runs/r2/rows.jsonl", &format!("{}\n", row("c", 2, 2)));
    write("runs/r3/log.txt", "no rows");
    write("adapters/shop/1/manifest.json", r#"{"run":"r1","name":"shop","tainted":false,"later":7}"#);
    write("adapters/shop/2/manifest.json", r#"{"run":"r2","name":"shop"}"#);
    let forgotten = forget(data.path(), forget::Whose::Shopper(shopper(1))).unwrap();
    let (runs, adapters) = (vec!["r1".to_owned()], vec!["shop@1".to_owned()]);
    assert_eq!(forgotten, Forgotten { rows: 1, runs, adapters });
    assert_eq!(read("runs/r1/rows.jsonl"), format!("{}\n", row("b", 2, 2)));
    assert!(data.path().join("runs/r1").join(forget::TAINTED).is_file());
    let manifest: serde_json::Value = serde_json::from_str(&read("adapters/shop/1/manifest.json")).unwrap();
    assert_eq!((&manifest["tainted"], &manifest["later"]), (&json!(true), &json!(7)));
    assert_eq!(read("adapters/shop/2/manifest.json"), r#"{"run":"r2","name":"shop"}"#);
    assert_eq!(forget(data.path(), forget::Whose::Shopper(shopper(1))).unwrap(), Forgotten::default());
    let by_age = forget(data.path(), forget::Whose::Conversations(&[conv(2)])).unwrap();
    assert_eq!((by_age.rows, by_age.adapters.len()), (2, 0));
}
