//! What can be seen from inside only: signals that come too late, and what is remembered of nobody.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::chat::HandOffs;
use crate::domain::handoff::Rules;
use crate::model::Scripted;
use crate::store;

struct Shop {
    desk: Desk,
    _dir: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let settings = store::Settings { min_free_mib: 0, ballast_mib: 0, ..store::Settings::default() };
        let model: SharedModel = Arc::new(Scripted::default());
        let desk = Desk::open_with(Parts {
            store: Store::open(dir.path(), &settings, Clock::System).expect("a store"),
            adapters: Adapters::none(model.clone()),
            model,
            playbook: Playbook::load(&crate::prompt::Settings::default(), &str::to_owned).expect("prompts"),
            settings: Settings::default(),
            clock: Clock::System,
            runtime: Handle::current(),
        })
        .expect("a desk");
        Self { desk, _dir: dir }
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
        for _ in 0..500 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: not within 5 s");
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
    shop.desk.take(person, StaffId("ana".to_owned())).await.expect("taken");
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
