use super::*;
use crate::store::Store;
use crate::store::index::Batch;

fn settings() -> Settings {
    Settings { min_free_mib: 0, ballast_mib: 0, ..Settings::default() }
}

fn opening(dir: &Path) -> Result<Store, StoreError> {
    Store::open(dir, &settings(), Clock::manual(7))
}

async fn made(dir: &Path) {
    opening(dir).expect("opens").close().await;
}

#[tokio::test]
async fn a_newer_index_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    made(dir.path()).await;
    let place = dir.path().join("index");
    let index = Index::open(&place, 8, &dir.path().join("index.damaged")).ok().expect("opens");
    let mut batch = Batch::default();
    batch.put(keys::SCHEMA.to_vec(), &(SCHEMA + 1));
    index.apply(batch).expect("applies");
    index.close();
    let refused = opening(dir.path()).expect_err("newer");
    let expected = "index: written by a newer shopclerk (format 2, this one reads up to 1); start that version, or \
                    restore an export made by this one";
    assert!(refused.to_string().ends_with(expected), "{refused}");
    assert_eq!(refused.code(), "store_newer");
}

#[tokio::test]
async fn a_newer_journal_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    made(dir.path()).await;
    let mut bytes = Vec::new();
    let start = crate::store::record::Start { format: FORMAT + 1, segment: 2, at: 0 };
    Record::<()>::Start(start).push(&mut bytes).expect("fits");
    fs::write(dir.path().join("journal/00000002.log"), bytes).expect("writes");
    let refused = opening(dir.path()).expect_err("newer");
    assert_eq!(refused.code(), "store_newer");
    assert!(refused.to_string().contains("00000002.log: written by a newer shopclerk"), "{refused}");
}

/// The first frame of a file, as a program of `format` would have begun it.
fn begin_as(dir: &Path, format: u32) {
    let path = dir.join("journal/00000001.log");
    let mut bytes = fs::read(&path).expect("reads");
    let mut start = Vec::new();
    let record = crate::store::record::Start { format, segment: 1, at: 7 };
    Record::<()>::Start(record).push(&mut start).expect("fits");
    bytes[..start.len()].copy_from_slice(&start);
    fs::write(&path, bytes).expect("writes");
}

/// An older program refuses by the newest file: none of ours may be written into one that it would read.
#[tokio::test]
async fn an_older_journal_goes_on_in_a_newer_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = opening(dir.path()).expect("opens");
    let (conv, shopper) =
        (crate::domain::ConvId::from_bytes([1; 16]), crate::domain::ShopperId::from_bytes([2; 16]));
    let open = crate::domain::Command::Open(crate::domain::Opening { shopper });
    store.commit(conv, open).await.expect("commits");
    store.close().await;
    begin_as(dir.path(), 1);
    let store = opening(dir.path()).expect("opens an older one");
    assert_eq!(store.recovery(), &Recovery::default());
    assert!(store.head(conv).expect("reads").is_some());
    store.erase(crate::store::Whose::Shopper(shopper)).await.expect("erases");
    store.close().await;
    let files = Files::new(dir.path().join("journal")).expect("opens");
    assert_eq!(files.segments().expect("lists"), [1, 2]);
    assert_eq!(files.start(2).expect("reads").map(|start| start.format), Some(FORMAT));
    for _ in 0..2 {
        let store = opening(dir.path()).expect("opens again");
        assert_eq!(store.verify(&|_, _, _| {}).expect("verifies").faults, []);
        store.close().await;
    }
    assert_eq!(files.segments().expect("lists"), [1, 2], "once is enough");
}

#[tokio::test]
async fn an_older_index_is_made_again() {
    let dir = tempfile::tempdir().expect("a folder");
    made(dir.path()).await;
    let place = dir.path().join("index");
    let index = Index::open(&place, 8, &dir.path().join("index.damaged")).ok().expect("opens");
    let mut batch = Batch::default();
    batch.put(keys::SCHEMA.to_vec(), &(SCHEMA - 1));
    index.apply(batch).expect("applies");
    index.close();
    let store = opening(dir.path()).expect("opens");
    assert_eq!(store.recovery().rebuilt, Some(dir.path().join("index.broken-7")));
    store.close().await;
}

#[tokio::test]
async fn half_a_snapshot_of_the_index_is_removed() {
    let dir = tempfile::tempdir().expect("a folder");
    made(dir.path()).await;
    let half = dir.path().join("index/snap.0000000000000123.generating");
    fs::write(&half, b"half").expect("writes");
    let store = opening(dir.path()).expect("opens");
    assert!(!half.exists());
    assert_eq!(store.recovery().rebuilt, None);
    store.close().await;
}
