//! What can be seen from inside only: signals that come too late, what is remembered of nobody, a store that is busy, a clock that
//! is put forward.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use uuid::Uuid;

use super::*;
use crate::chat::HandOffs;
use crate::domain::handoff::Rules;
use crate::domain::{Email, Ended, Shopper};
use crate::model::Scripted;
use crate::store;

struct Shop {
    desk: Desk,
    dir: tempfile::TempDir,
}

/// A store for whose writer `queue` commands may wait.
fn store_in(dir: &tempfile::TempDir, clock: &Clock, queue: usize) -> Store {
    let settings = store::Settings { min_free_mib: 0, ballast_mib: 0, queue, ..store::Settings::default() };
    Store::open(dir.path(), &settings, clock.clone()).expect("a store")
}

fn ana() -> StaffId {
    StaffId("ana".to_owned())
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store_in(&dir, &Clock::System, 4096);
        Self::on(store, dir, Clock::System)
    }

    fn on(store: Store, dir: tempfile::TempDir, clock: Clock) -> Self {
        let model: SharedModel = Arc::new(Scripted::default());
        let desk = Desk::open_with(Parts {
            store,
            adapters: Adapters::none(model.clone()),
            model,
            playbook: Playbook::load(&crate::prompt::Settings::default(), &str::to_owned).expect("prompts"),
            settings: Settings::default(),
            clock,
            runtime: Handle::current(),
        })
        .expect("a desk");
        Self { desk, dir }
    }

    fn last_reply(&self, conv: ConvId) -> Option<(String, Ended)> {
        let events = self.desk.history(conv, 0, 1_000).expect("the history");
        events.into_iter().rev().find_map(|event| match event.kind {
            EventKind::Reply { text, ended, .. } => Some((text, ended)),
            _ => None,
        })
    }

    /// Bytes of the store's journal.
    fn journal(&self) -> u64 {
        let files = fs_err::read_dir(self.dir.path().join("journal")).expect("the journal");
        files.map(|file| file.and_then(|file| file.metadata()).expect("a file").len()).sum()
    }

    async fn visit(&self) -> ConvId {
        self.desk.open(ShopperId(Uuid::new_v4())).await.expect("a conversation")
    }

    async fn say(&self, conv: ConvId, text: &str) -> Result<Ack, DeskError> {
        let address = "192.0.2.1".parse().ok();
        let (cmid, text) = (Cmid(Uuid::now_v7()), Said::parse(text).expect("a text"));
        self.desk.say(Say { conv, cmid, by: Speaker::Shopper, text, address }).await
    }

    fn replies(&self, conv: ConvId) -> usize {
        let events = self.desk.history(conv, 0, 1_000).expect("the history");
        events.iter().filter(|event| matches!(event.kind, EventKind::Reply { .. })).count()
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: not within 20 s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_comes_too_late_lets_nobody_past_the_line() {
    let shop = Shop::new();
    let inner = &shop.desk.0;
    let mut permits = Vec::new();
    for _ in 0..inner.model.facts().parallel {
        permits.push(inner.line.enter(Box::new(|_| {})).await);
    }
    let conv = shop.visit().await;
    shop.say(conv, "[[raw]]hi").await.expect("said");
    // As it is left by somebody who took over just when an earlier answer ended.
    inner.lives.get(conv).expect("a task").stop.notify_one();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = (inner.store.job(conv).expect("read"), shop.replies(conv));
    assert_eq!(begun, (None, 0), "an answer was begun without a place");
    drop(permits);
    shop.until("the answer", || shop.replies(conv) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_comes_too_late_ends_no_answer() {
    let shop = Shop::new();
    let conv = shop.visit().await;
    shop.say(conv, "[[slow 20]] [[long 20]]").await.expect("said");
    let live = shop.desk.0.lives.get(conv).expect("a task");
    for _ in 0..10 {
        live.stop.notify_one();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shop.until("the answer", || shop.replies(conv) == 1).await;
    let last = shop.desk.history(conv, 0, 100).expect("the history").pop().expect("a reply");
    let EventKind::Reply { text, .. } = last.kind else { panic!("{last:?}") };
    assert!(text.trim_end().ends_with("word20"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_of_a_message_that_the_model_never_answers() {
    let shop = Shop::new();
    let (person, word, gone) = (shop.visit().await, shop.visit().await, shop.visit().await);
    shop.desk.take(person, ana()).await.expect("taken");
    shop.say(person, "Hello Ana").await.expect("said");
    let rules = Rules { words: true, ..Rules::OFF };
    shop.desk.hand_off_by(HandOffs { rules, words: vec!["human".to_owned()], ..HandOffs::default() });
    shop.say(word, "a human please").await.expect("said");
    assert_eq!(shop.desk.head(word).expect("read").expect("there").owner, Owner::Queue);
    shop.desk.0.store.close().await;
    shop.say(gone, "too late").await.expect_err("the store is closed");
    shop.until("every place is given back", || shop.desk.0.lives.len() == 0).await;
    for conv in [person, word, gone] {
        assert_eq!(shop.desk.0.lives.address(conv), None);
    }
}

const JAM: &str = "jam";

/// From the note [`JAM`] on the store's writer does nothing until what is returned second says so; the first says that it began.
fn jam(store: &Store) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (tell, begun) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let ends = Mutex::new((tell, released));
    store.listen(Box::new(move |committed: &Committed| {
        let Some(EventKind::Note { text, .. }) = committed.events.last().map(|event| &event.kind) else {
            return;
        };
        if text == JAM {
            let ends = ends.lock().expect("nobody else");
            ends.0.send(()).expect("the test waits");
            // An error only if the test failed meanwhile.
            let _ = ends.1.recv();
        }
    }));
    (begun, release)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_if_the_store_was_too_busy_to_take_it_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store_in(&dir, &Clock::System, 1);
    let shop = Shop::on(store.clone(), dir, Clock::System);
    let rules = Rules { words: true, ..Rules::OFF };
    shop.desk.hand_off_by(HandOffs { rules, words: vec!["human".to_owned()], ..HandOffs::default() });
    let other = shop.visit().await;
    let mut convs = Vec::new();
    for _ in 0..4 {
        let conv = shop.visit().await;
        shop.say(conv, "[[slow 20]] [[long 100]]").await.expect("said");
        let shows = || shop.desk.0.lives.get(conv).is_some_and(|live| !live.text().is_empty());
        shop.until("a word", shows).await;
        convs.push(conv);
    }
    let (begun, release) = jam(&store);
    let note = |text: &str| Command::Note { by: ana(), text: Said::parse(text).expect("a text") };
    let jammed = tokio::spawn({
        let (store, note) = (store.clone(), note(JAM));
        async move { store.commit(other, note).await }
    });
    shop.until("the jam", || begun.try_recv().is_ok()).await;
    let mut waits = Box::pin(store.commit(other, note("waits")));
    assert!(waits.as_mut().now_or_never().is_none(), "the only place in the queue");
    let codes = [
        shop.desk.take(convs[0], ana()).await.expect_err("busy").code(),
        shop.desk.resolve(convs[1]).await.expect_err("busy").code(),
        shop.desk.person(convs[2], None).await.expect_err("busy").code(),
        shop.say(convs[3], "a human please").await.expect_err("busy").code(),
    ];
    assert_eq!(codes, ["store_busy"; 4]);
    release.send(()).expect("the writer waits");
    jammed.await.expect("no panic").expect("noted");
    waits.await.expect("noted");
    for conv in convs {
        shop.until("the answer", || shop.last_reply(conv).is_some()).await;
        let (text, ended) = shop.last_reply(conv).expect("a reply");
        assert!(ended == Ended::Complete && text.trim_end().ends_with("word100"), "{ended:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_old_at_the_start_is_given_up() {
    let clock = Clock::manual(1_000_000_000_000);
    let dir = tempfile::tempdir().expect("a folder");
    let store = store_in(&dir, &clock, 4096);
    let old = ConvId(clock.fresh_id());
    let opening = Opening { shopper: ShopperId(Uuid::new_v4()) };
    store.commit(old, Command::Open(opening)).await.expect("opened");
    let text = Said::parse("Hello?").expect("a text");
    let say = Command::Say { cmid: Cmid(Uuid::now_v7()), by: Speaker::Shopper, text };
    store.commit(old, say).await.expect("said");
    clock.advance(Duration::from_secs(16 * 60));
    let shop = Shop::on(store, dir, clock.clone());
    shop.until("the old one is given up", || shop.replies(old) == 1).await;
    assert_eq!(shop.last_reply(old), Some((String::new(), Ended::Interrupted)));

    // Who waits in the line that long is there still.
    let mut permits = Vec::new();
    for _ in 0..shop.desk.0.model.facts().parallel {
        permits.push(shop.desk.0.line.enter(Box::new(|_| {})).await);
    }
    let conv = shop.visit().await;
    shop.say(conv, "[[raw]]hi").await.expect("said");
    clock.advance(Duration::from_secs(16 * 60));
    drop(permits);
    shop.until("the answer", || shop.replies(conv) == 1).await;
    assert_eq!(shop.last_reply(conv), Some(("hi".to_owned(), Ended::Complete)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_customer_stays_known_since_the_first_visit_and_costs_no_write() {
    let clock = Clock::manual(1_000_000_000_000);
    let dir = tempfile::tempdir().expect("a folder");
    let shop = Shop::on(store_in(&dir, &clock, 4096), dir, clock.clone());
    let id = ShopperId(Uuid::new_v4());
    let vouched = |name: &str| Shopper {
        name: Some(name.to_owned()),
        verified: true,
        ..Shopper::unknown(id, clock.now())
    };
    shop.desk.remember(vouched("Noor")).await.expect("kept");
    let conv = shop.desk.open(id).await.expect("a conversation");
    let mail = Email::parse("noor@example.com").expect("an address");
    shop.desk.contact(conv, mail.clone(), None).await.expect("kept");
    let (first, written) = (shop.desk.shopper(id).expect("read").expect("known"), shop.journal());
    clock.advance(Duration::from_secs(3_600));
    shop.desk.remember(vouched("Noor")).await.expect("known");
    shop.desk.contact(conv, mail, None).await.expect("known");
    assert_eq!(shop.desk.shopper(id).expect("read"), Some(first.clone()));
    assert_eq!(shop.journal(), written, "nothing has changed");
    shop.desk.remember(vouched("Noor A.")).await.expect("kept");
    let renamed = Shopper { name: Some("Noor A.".to_owned()), ..first };
    assert_eq!(shop.desk.shopper(id).expect("read"), Some(renamed));
    assert!(shop.journal() > written);
}

#[tokio::test]
async fn two_tabs_that_open_at_once_are_one_conversation() {
    let shop = Shop::new();
    let shopper = ShopperId(Uuid::new_v4());
    let opened = join_all((0..8).map(|_| shop.desk.open(shopper))).await;
    let convs: Vec<ConvId> = opened.into_iter().map(|conv| conv.expect("a conversation")).collect();
    assert_eq!(convs, [convs[0]; 8]);
    assert_eq!(shop.desk.0.store.conversations_of(shopper).expect("read"), [convs[0]]);
}
