use super::*;
use crate::clock::Clock;
use crate::domain::{Cmid, Command, Opening, Said, ShopperId, Speaker};
use crate::store::Settings;

struct Place {
    store: Store,
    folder: tempfile::TempDir,
    clock: Clock,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_000);
    let settings = Settings { min_free_mib: 0, ballast_mib: 0, ..Settings::default() };
    let store = Store::open(&folder.path().join("store"), &settings, clock.clone()).unwrap();
    Place { store, folder, clock }
}

impl Place {
    fn search(&self) -> Search {
        Search::open(&self.folder.path().join("search"), self.store.clone()).unwrap()
    }

    async fn chat(&self, n: u128, texts: &[&str]) -> ConvId {
        let conv = ConvId(uuid::Uuid::from_u128(n));
        let shopper = ShopperId::from_bytes([1; 16]);
        self.store.commit(conv, Command::Open(Opening { shopper })).await.unwrap();
        for text in texts {
            self.clock.advance(Duration::from_secs(1));
            let cmid = Cmid(uuid::Uuid::now_v7());
            let text = Said::parse(text).unwrap();
            self.store.commit(conv, Command::Say { cmid, by: Speaker::Shopper, text }).await.unwrap();
        }
        conv
    }
}

fn asked(text: &str) -> Asked {
    Asked { text: text.into(), limit: 10, ..Asked::default() }
}

/// Waits for the index, which has a bell for its thread and none for tests.
fn settle(search: &Search) {
    let start = std::time::Instant::now();
    while search.behind() > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "the index does not catch up");
        std::thread::yield_now();
    }
}

fn found(search: &Search, text: &str) -> Vec<String> {
    search.find(&asked(text)).unwrap().hits.into_iter().map(|hit| hit.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_in_its_language_newest_first_and_gone_when_erased() {
    let place = place();
    let search = place.search();
    let a = place.chat(1, &["Wo ist mein Päckchen?", "Passt Größe 42?", "我的包裹在哪里"]).await;
    let b = place.chat(2, &["My packchen is late, size 42 please", "red shoes or shoes red"]).await;
    [a, b].into_iter().for_each(|conv| search.touch(conv));
    settle(&search);
    assert_eq!(found(&search, "päckchen"), ["My packchen is late, size 42 please", "Wo ist mein Päckchen?"]);
    assert_eq!(found(&search, "GROSSE 4"), ["Passt Größe 42?"]);
    assert_eq!(found(&search, "包裹"), ["我的包裹在哪里"]);
    assert_eq!(found(&search, "裹包"), Vec::<String>::new(), "the order of characters counts");
    assert_eq!(found(&search, "\"shoes or\"").len(), 1);
    assert_eq!(found(&search, "\"or red\""), Vec::<String>::new());
    assert_eq!(search.find(&asked("?")), Err(StaffError::BadQuery));
    let early = Asked { to: Some(2_500), ..asked("päckchen") };
    assert_eq!(search.find(&early).unwrap().total, 1);
    let staff = Asked { by: Some(By::Staff), ..asked("päckchen") };
    assert_eq!(search.find(&staff).unwrap().total, 0);
    search.forget(a);
    settle(&search);
    assert_eq!(found(&search, "päckchen"), ["My packchen is late, size 42 please"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_and_a_lost_index_is_made_again() {
    let place = place();
    let search = place.search();
    let conv = place.chat(1, &["first thing"]).await;
    search.touch(conv);
    settle(&search);
    search.stop();
    place.chat(2, &["second thing"]).await;
    let reopen = |place: &Place| {
        // The old writer lets go of its lock when its thread ends.
        let start = std::time::Instant::now();
        loop {
            match Search::open(&place.folder.path().join("search"), place.store.clone()) {
                Ok(search) => return search,
                Err(fault) if start.elapsed() > Duration::from_secs(20) => panic!("{fault}"),
                Err(_) => std::thread::yield_now(),
            }
        }
    };
    drop(search);
    let search = reopen(&place);
    for n in [1, 2] {
        search.touch(ConvId(uuid::Uuid::from_u128(n)));
    }
    settle(&search);
    assert_eq!(found(&search, "thing"), ["second thing", "first thing"], "once each");
    search.stop();
    drop(search);
    fs_err::write(place.folder.path().join("search/made-for"), "another").unwrap();
    let search = reopen(&place);
    assert_eq!(found(&search, "thing"), Vec::<String>::new());
    search.touch(conv);
    settle(&search);
    assert_eq!(found(&search, "thing"), ["first thing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_written_is_written_later_and_once() {
    let place = place();
    let search = place.search();
    let a = place.chat(1, &["first thing"]).await;
    search.touch(a);
    settle(&search);
    // As a disk that is gone for a while.
    let (folder, away) = (place.folder.path().join("search"), place.folder.path().join("away"));
    fs_err::rename(&folder, &away).unwrap();
    let b = place.chat(2, &["second thing", "third thing"]).await;
    search.touch(b);
    search.forget(a);
    let start = std::time::Instant::now();
    while search.0.lock().failed == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "an index without its folder was written");
        std::thread::yield_now();
    }
    assert_eq!((search.behind(), found(&search, "thing").len()), (2, 1));
    fs_err::rename(&away, &folder).unwrap();
    settle(&search);
    assert_eq!(
        found(&search, "thing"),
        ["third thing", "second thing"],
        "once each, and the erased one is gone"
    );
    let more = Said::parse("fourth thing").unwrap();
    let say = Command::Say { cmid: Cmid(uuid::Uuid::now_v7()), by: Speaker::Shopper, text: more };
    place.store.commit(b, say).await.unwrap();
    search.touch(b);
    settle(&search);
    assert_eq!(found(&search, "thing").len(), 3, "and it goes on");
}
