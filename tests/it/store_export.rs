//! Export, import, verify: the library calls, and the commands a shop's owner types.

use std::path::Path;
use std::process::{Command as Process, Output};

use proptest::prelude::*;
use shopclerk::clock::Clock;
use shopclerk::domain::{
    Command, Ended, MessageId, Opening, Provenance, Replied, Said, Shopper, StaffId, Thumb,
};
use shopclerk::store::{Manifest, Store, Table, Whose};
use uuid::Uuid;

use super::store::{check_fold, conv, open, say, settings, shopper};

const QUIET: &dyn Fn(&str, u64, u64) = &|_, _, _| {};

/// A store with everything an export must carry: ratings, notes, tools with odd numbers, provenance, an open job.
async fn filled(dir: &Path) -> Store {
    let store = open(dir);
    for c in 1..=3 {
        store.commit(conv(c), Command::Open(Opening { shopper: shopper(c % 2) })).await.unwrap();
        store.commit(conv(c), say(c * 100, "Kann ich \"getragene\" Schuhe\nzurückgeben? 👟")).await.unwrap();
        let begin = Command::Begin { mid: MessageId(Uuid::from_u128(c)), epoch: 0 };
        let job = store.commit(conv(c), begin).await.unwrap().job.unwrap();
        if c == 3 {
            continue;
        }
        let provenance = Some(Provenance {
            model: "scripted".into(),
            adapter: None,
            prompt: "00ff".into(),
            seed: u64::MAX,
            prompt_tokens: 300,
            completion_tokens: 20,
            rounds: 0,
            first_ms: 12,
            total_ms: 340,
        });
        let finish = Command::Finish { job, text: "Nein.".into(), ended: Ended::Complete, provenance };
        let replied = store.commit(conv(c), finish).await.unwrap().events.pop().unwrap();
        let of = Replied::of(&replied).unwrap();
        let rate = Command::Rate { of, value: Thumb::Down, comment: Some("unfriendly".into()) };
        store.commit(conv(c), rate).await.unwrap();
        let outcome = serde_json::from_str(r#"{"score":0.1234567890123456789,"e":1e-7,"n":null}"#).unwrap();
        store.commit(conv(c), Command::Tool { name: "sentiment".into(), outcome }).await.unwrap();
        let note = Command::Note { by: StaffId("ana".into()), text: Said::parse("call back").unwrap() };
        store.commit(conv(c), note).await.unwrap();
    }
    let known = Shopper {
        id: shopper(1),
        name: Some("Noor".into()),
        email: Some("noor@example.com".into()),
        contact: None,
        external: None,
        verified: true,
        created_at: 5,
        page: None,
    };
    store.remember_shopper(known).await.unwrap();
    store
}

async fn import(dir: &Path, from: &Path) -> Result<Manifest, shopclerk::store::StoreError> {
    Store::import(dir, from, &settings(), Clock::manual(9), QUIET).await
}

fn bytes_of(path: &Path) -> Vec<(String, Vec<u8>)> {
    if path.is_file() {
        return vec![(String::new(), fs_err::read(path).unwrap())];
    }
    let mut files: Vec<_> = fs_err::read_dir(path)
        .unwrap()
        .map(|f| f.unwrap())
        .map(|f| (f.file_name().into_string().unwrap(), fs_err::read(f.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_export_of_an_import_is_the_same_bytes() {
    for name in ["saved.ndjson", "saved"] {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir.path().join("one")).await;
        let epoch = store.epoch().to_owned();
        let (first, second) = (dir.path().join(name), dir.path().join(format!("again-{name}")));
        let manifest = store.export(&first, QUIET).unwrap();
        assert_eq!(manifest.tables[&Table::Ratings].rows, 2);
        assert_eq!(manifest.tables[&Table::Provenance].rows, 2);
        assert_eq!((manifest.tables[&Table::Events].rows, manifest.holes), (14, 0));
        let job = store.job(conv(3)).unwrap();
        let heads = store.conversations(None, 10).unwrap();
        let of_one = store.conversations_of(shopper(1)).unwrap();
        store.close().await;

        let two = dir.path().join("two");
        assert_eq!(import(&two, &first).await.unwrap(), manifest);
        let store = open(&two);
        assert_ne!(store.epoch(), epoch);
        assert_eq!(store.job(conv(3)).unwrap(), job);
        assert_eq!(store.conversations(None, 10).unwrap(), heads);
        assert_eq!(store.conversations_of(shopper(1)).unwrap(), of_one);
        assert_eq!(store.verify(QUIET).unwrap().faults, []);
        (1..=3).for_each(|c| drop(check_fold(&store, conv(c))));
        assert_eq!(store.commit(conv(1), say(100, "again")).await.unwrap().duplicate, Some(2));
        store.export(&second, QUIET).unwrap();
        store.close().await;
        assert_eq!(bytes_of(&first), bytes_of(&second));
    }
}

/// What `docs/backup.md` tells owners to do about a store that never shrinks.
#[tokio::test]
async fn an_export_and_an_import_give_back_the_space_of_what_was_erased() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two, saved) = (dir.path().join("one"), dir.path().join("two"), dir.path().join("saved.ndjson"));
    let journal =
        |dir: &Path| -> usize { bytes_of(&dir.join("journal")).iter().map(|(_, bytes)| bytes.len()).sum() };
    let store = filled(&one).await;
    let before = journal(&one);
    let erased = store.erase(Whose::Shopper(shopper(1))).await.unwrap();
    assert_eq!(erased.conversations.len(), 2);
    assert_eq!(journal(&one), before, "the space is not given back");
    let left = store.conversations(None, 10).unwrap();
    store.export(&saved, QUIET).unwrap();
    store.close().await;
    import(&two, &saved).await.unwrap();
    assert!(journal(&two) < before / 2, "{} of {before}", journal(&two));
    let store = open(&two);
    assert_eq!(store.conversations(None, 10).unwrap(), left);
    assert_eq!(store.verify(QUIET).unwrap().erased, 0);
    store.close().await;
}

#[tokio::test]
async fn a_damaged_export_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir.path().join("one")).await;
    let saved = dir.path().join("saved");
    store.export(&saved, QUIET).unwrap();
    assert_eq!(store.export(&saved, QUIET).unwrap_err().code(), "store_exists");
    store.close().await;
    let two = dir.path().join("two");
    let events = saved.join("events.ndjson");
    let good = fs_err::read_to_string(&events).unwrap();

    fs_err::write(&events, good.replace("Nein.", "Doch.")).unwrap();
    let changed = import(&two, &saved).await.unwrap_err().to_string();
    assert!(changed.ends_with(
        "saved/events.ndjson: table events: the rows are not those of the manifest (SHA-256); make the export again, or fetch it again"
    ), "{changed}");
    let cut: String = good.lines().take(5).map(|l| format!("{l}\n")).collect();
    fs_err::write(&events, cut).unwrap();
    let cut = import(&two, &saved).await.unwrap_err().to_string();
    assert!(cut.contains("table events: 5 rows, the manifest says 14"), "{cut}");
    fs_err::write(&events, good).unwrap();

    let manifest = saved.join("manifest.json");
    let text = fs_err::read_to_string(&manifest).unwrap();
    fs_err::write(&manifest, text.replace("\"format\": 1", "\"format\": 99")).unwrap();
    assert_eq!(import(&two, &saved).await.unwrap_err().code(), "store_newer");
    fs_err::write(&manifest, text).unwrap();
    assert_eq!(import(&two, &dir.path().join("nowhere")).await.unwrap_err().code(), "store_bad_export");
    assert!(!two.exists());

    assert_eq!(import(&dir.path().join("one"), &saved).await.unwrap_err().code(), "store_not_empty");
    // A store that was opened but never used may be replaced; it is kept beside.
    open(&two).close().await;
    import(&two, &saved).await.unwrap();
    assert!(dir.path().join("two.before-import-9").exists());
}

fn run(data: &Path, args: &[&str]) -> Output {
    let mut all = vec!["--data", data.to_str().unwrap(), "data"];
    all.extend(args);
    Process::new(env!("CARGO_BIN_EXE_shopclerk"))
        .args(all)
        .env("SHOPCLERK__STORE__BALLAST_MIB", "0")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn the_commands_verify_save_restore_and_name_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (data, fresh) = (dir.path().join("data"), dir.path().join("fresh"));
    let nothing = run(&data, &["verify"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8(nothing.stderr).unwrap().contains("there is no store here"));
    filled(&data.join("store")).await.close().await;
    let saved = dir.path().join("saved.ndjson");
    let saved = saved.to_str().unwrap();

    let fine = run(&data, &["verify"]);
    assert_eq!(fine.status.code(), Some(0), "{}", stdout(&fine));
    assert!(stdout(&fine).starts_with("3 conversations, 14 events, 1 shoppers; 18 journal entries in "));
    assert_eq!(run(&data, &["export", saved]).status.code(), Some(0));
    assert_eq!(run(&fresh, &["import", saved]).status.code(), Some(0));
    let again = run(&fresh, &["import", saved]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("an import needs an empty store"));

    let journal = data.join("store/journal/00000001.log");
    let mut bytes = fs_err::read(&journal).unwrap();
    let at = bytes.windows(5).position(|w| w == b"Nein.").unwrap();
    bytes[at] ^= 1;
    fs_err::write(&journal, bytes).unwrap();
    let damaged = run(&data, &["verify", "--json"]);
    assert_eq!(damaged.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&stdout(&damaged)).unwrap();
    assert_eq!(report["ok"], false);
    let faults = report["faults"].as_array().unwrap();
    assert!(faults[0]["place"].as_str().unwrap().contains("00000001.log, byte "));
    assert!(faults.iter().any(|f| f["what"] == "event 3 cannot be read"), "{faults:?}");
    let text = run(&data, &["verify"]);
    assert!(String::from_utf8(text.stderr).unwrap().contains("fault(s) found"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Whatever was said, in whatever order: an export imported and exported again is the same bytes.
    #[test]
    fn any_conversations_survive_the_round_trip(texts in prop::collection::vec((0u128..4, ".{1,40}"), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a.ndjson"), dir.path().join("b.ndjson"));
        runtime.block_on(async {
            let store = open(&dir.path().join("one"));
            for c in 0..4 {
                store.commit(conv(c), Command::Open(Opening { shopper: shopper(c) })).await.unwrap();
            }
            for (n, (c, text)) in texts.iter().enumerate() {
                if Said::parse(text).is_ok() {
                    store.commit(conv(*c), say(n as u128, text)).await.unwrap();
                }
            }
            store.export(&first, QUIET).unwrap();
            store.close().await;
            import(&dir.path().join("two"), &first).await.unwrap();
            let store = open(&dir.path().join("two"));
            store.export(&second, QUIET).unwrap();
            store.close().await;
        });
        prop_assert_eq!(fs_err::read(first).unwrap(), fs_err::read(second).unwrap());
    }
}
