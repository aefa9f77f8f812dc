//! Damage to what lies on the disk: flipped bits, cut files, lost files, a full disk. Never a panic, a hang or silence.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use shopclerk::clock::Clock;
use shopclerk::domain::{Command, Event, EventKind, Opening};
use shopclerk::store::{HOLE, Settings, Store, StoreError, StoreHealth};

use super::need;
use super::store::{conv, open, say, settings, shopper};
use super::store_child::{Seen, read, soak};

/// A closed store with a few conversations, and every event in it.
async fn template(dir: &Path) -> Vec<Event> {
    let store = open(dir);
    for c in 1..=4 {
        store.commit(conv(c), Command::Open(Opening { shopper: shopper(c) })).await.unwrap();
        for n in 0..30 {
            store.commit(conv(c), say(c * 100 + n, &format!("message {n} of {c}"))).await.unwrap();
        }
    }
    let events = (1..=4).flat_map(|c| store.events(conv(c), 0, usize::MAX).unwrap()).collect();
    store.close().await;
    events
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn is_hole(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Note { by, .. } if by.0 == HOLE)
}

/// What is not there as it was written must have been said.
fn check(case: &str, seen: &Seen, written: &[Event], journal_is_whole: bool) {
    if let Some(code) = &seen.refused {
        assert!(!journal_is_whole, "{case}: refused although the journal is whole: {code}: {}", seen.message);
        assert!(["store_corrupt", "store_io"].contains(&code.as_str()), "{case}: {code}: {}", seen.message);
        return;
    }
    assert!(seen.acknowledges, "{case}: it opened but takes no messages");
    let lost = written.iter().filter(|event| !seen.events.contains(event)).count();
    if journal_is_whole {
        assert_eq!(lost, 0, "{case}");
        assert_eq!((seen.faults.as_slice(), seen.damage.as_slice()), (&[][..], &[][..]), "{case}");
    }
    if lost > 0 {
        assert!(!seen.faults.is_empty() || !seen.damage.is_empty(), "{case}: {lost} events lost in silence");
        let holes = seen.events.iter().filter(|e| is_hole(e)).count();
        assert_eq!(holes, lost, "{case}: every lost event has a hole in its place");
    }
    for event in &seen.events {
        assert!(is_hole(event) || written.contains(event), "{case}: an event that was never written");
    }
}

type Way = (String, Box<dyn Fn(&mut Vec<u8>)>);

/// Ways to damage a file of `len` bytes: what it is called, and what it does.
fn ways(len: usize) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    let points = if soak() { 200.min(len) } else { 8 };
    for n in 0..points {
        let at = len * n / points + (n * 7).min(len.saturating_sub(1) / points);
        ways.push((format!("one bit at {at}"), Box::new(move |b| b[at] ^= 0x10)));
        ways.push((
            format!("64 bytes at {at}"),
            Box::new(move |b| b[at..(at + 64).min(len)].iter_mut().for_each(|x| *x = !*x)),
        ));
        ways.push((format!("zeros from {at}"), Box::new(move |b| b[at..(at + 4096).min(len)].fill(0))));
    }
    for cut in [0, len / 3, len / 2, len - len.min(100), len - 1] {
        ways.push((format!("cut at {cut}"), Box::new(move |b| b.truncate(cut))));
    }
    ways
}

#[tokio::test]
async fn any_damage_is_mended_or_said() {
    let home = tempfile::tempdir().unwrap();
    let original = home.path().join("original");
    let written = template(&original).await;
    let (mut cases, mut rebuilt, mut refused, mut holed) = (0, 0, 0, 0);
    for file in files(&original) {
        let name = file.strip_prefix(&original).unwrap().to_path_buf();
        let bytes = fs_err::read(&file).unwrap();
        let in_journal = name.starts_with("journal");
        let mut ways = if bytes.is_empty() { Vec::new() } else { ways(bytes.len()) };
        ways.push(("removed".into(), Box::new(Vec::clear)));
        for (way, damage) in ways {
            let case = format!("{}: {way}", name.display());
            let copied = home.path().join("copy");
            copy(&original, &copied);
            let mut changed = bytes.clone();
            damage(&mut changed);
            if way == "removed" {
                fs_err::remove_file(copied.join(&name)).unwrap();
            } else {
                fs_err::write(copied.join(&name), changed).unwrap();
            }
            let seen = read(&copied);
            check(&case, &seen, &written, !in_journal);
            cases += 1;
            rebuilt += usize::from(seen.rebuilt);
            refused += usize::from(seen.refused.is_some());
            holed += usize::from(seen.events.iter().any(is_hole));
            fs_err::remove_dir_all(&copied).unwrap();
        }
    }
    println!("{cases} kinds of damage: {rebuilt} indexes made again, {holed} with holes, {refused} refused");
    assert!(rebuilt > 10 && holed > 10, "the damage did not reach the store");
}

#[tokio::test]
async fn a_lost_index_is_made_again_from_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let written = template(home.path()).await;
    fs_err::remove_dir_all(home.path().join("index")).unwrap();
    let seen = read(home.path());
    check("no index", &seen, &written, true);
    assert_eq!(seen.events, written);
}

#[tokio::test]
async fn a_lost_journal_file_is_refused_with_the_fix() {
    let home = tempfile::tempdir().unwrap();
    template(home.path()).await;
    let file = home.path().join("journal/00000001.log");
    fs_err::remove_file(&file).unwrap();
    let refused = Store::open(home.path(), &settings(), Clock::System).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{}: the index knows entries of this file of the journal, but the file is missing; put it back from a backup; \
             or, to begin anew, move the whole store folder away",
            file.display()
        )
    );
}

/// A small disk of its own, or `None` where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(mib: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        need::tmpfs(dir.path(), &format!("size={mib}m")).then(|| Self(dir))
    }

    fn fill(&self) -> PathBuf {
        let filler = self.0.path().join("filler");
        let mut file = fs_err::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 65536]).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing() {
    let Some(disk) = SmallDisk::new(48) else { return };
    let dir = disk.0.path().join("store");
    let small = Settings { ballast_mib: 12, segment_mib: 4, ..settings() };
    let store = Store::open(&dir, &small, Clock::System).unwrap();
    assert!(dir.join("ballast").exists());
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(1) })).await.unwrap();
    let text = "x".repeat(3_000);
    let mut acked = 0;
    let error = loop {
        match store.commit(conv(1), say(acked, &text)).await {
            Ok(_) => acked += 1,
            Err(error) => break error,
        }
        assert!(acked < 100_000);
    };
    assert!(["store_disk_full", "store_failed"].contains(&error.code()), "{error}");
    store.close().await;
    disk.fill();

    // Opening on the full disk gives up the reserve, and everything is there to be read and saved.
    let store = Store::open(&dir, &small, Clock::System).unwrap();
    assert!(!dir.join("ballast").exists());
    assert_eq!(store.recovery().damage, [""; 0]);
    let said = store.events(conv(1), 1, usize::MAX).unwrap();
    assert!(said.len() as u128 >= acked, "{} of {acked}", said.len());
    assert_eq!(store.verify(&|_, _, _| {}).unwrap().faults, []);
    store.close().await;
}

#[tokio::test]
async fn near_a_full_disk_messages_are_refused_until_there_is_room() {
    let Some(disk) = SmallDisk::new(48) else { return };
    let dir = disk.0.path().join("store");
    let store = Store::open(&dir, &Settings { min_free_mib: 6, ..settings() }, Clock::System).unwrap();
    store.commit(conv(1), Command::Open(Opening { shopper: shopper(1) })).await.unwrap();
    let filler = disk.fill();
    let refused = store.commit(conv(1), say(1, "hello")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{}: only 0 MiB are free on the disk, the store wants 6 (store.min_free_mib); free some space and try again",
            dir.display()
        )
    );
    assert!(matches!(store.health(), StoreHealth::ReadOnly(_)));
    assert_eq!(store.events(conv(1), 0, 10).unwrap().len(), 1);
    fs_err::remove_file(filler).unwrap();
    assert_eq!(store.health(), StoreHealth::Writable);
    assert_ne!(store.commit(conv(1), say(1, "hello")).await, Err(StoreError::Busy));
    assert_eq!(store.events(conv(1), 0, 10).unwrap().len(), 2);
    store.close().await;
}
