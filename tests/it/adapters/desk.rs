//! Conversations and adapters: who answers, what is written down, and that nobody notices a change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shopclerk::chat::{self, Desk, Inbox, Judgement, Notice, Outlet, Parts, Say};
use shopclerk::clock::Clock;
use shopclerk::domain::prompt::Prompt;
use shopclerk::domain::{Cmid, ConvId, Ended, EventKind, Provenance, Said, ShopperId, Speaker, Thumb};
use shopclerk::model::adapters::Adapters;
use shopclerk::model::{Model, Scripted};
use shopclerk::prompt::Playbook;
use shopclerk::store::Store;
use uuid::Uuid;

use super::made::{Made, wish};

fn desk(made: &Made, model: &Scripted, adapters: &Adapters) -> Desk {
    let store =
        Store::open(&made.dir.path().join("store"), &crate::store::settings(), Clock::System).unwrap();
    Desk::open_with(Parts {
        store,
        model: Arc::new(model.clone()),
        adapters: adapters.clone(),
        playbook: Playbook::load(&shopclerk::prompt::Settings::default(), &|t| t.to_owned()).unwrap(),
        settings: chat::Settings {
            messages_per_minute: 100_000,
            address_messages_per_minute: 100_000,
            ..chat::Settings::default()
        },
        clock: Clock::System,
        runtime: tokio::runtime::Handle::current(),
    })
    .unwrap()
}

struct Visit<'a> {
    desk: &'a Desk,
    conv: ConvId,
    inbox: Inbox,
    _outlet: Outlet,
}

/// A reply as it was written down.
struct Reply {
    seq: u64,
    text: String,
    ended: Ended,
    by: Option<String>,
}

impl<'a> Visit<'a> {
    async fn new(desk: &'a Desk) -> Self {
        let conv = desk.open(ShopperId(Uuid::new_v4())).await.unwrap();
        let (outlet, inbox) = Outlet::new(4096, usize::MAX);
        desk.subscribe(conv, 0, &outlet).unwrap();
        Self { desk, conv, inbox, _outlet: outlet }
    }

    async fn say(&self, text: &str) {
        let (cmid, text) = (Cmid(Uuid::now_v7()), Said::parse(text).unwrap());
        self.desk
            .say(Say { conv: self.conv, cmid, by: Speaker::Shopper, text, address: None })
            .await
            .unwrap();
    }

    async fn next(&mut self) -> Notice {
        let next = tokio::time::timeout(Duration::from_secs(10), self.inbox.next()).await;
        next.expect("something should have happened").expect("still listening")
    }

    async fn reply(&mut self) -> Reply {
        loop {
            let Notice::Event(event) = self.next().await else { continue };
            if let EventKind::Reply { text, ended, provenance, .. } = &event.kind {
                let by = provenance.as_ref().and_then(|p: &Provenance| p.adapter.clone());
                return Reply { seq: event.seq, text: text.clone(), ended: *ended, by };
            }
        }
    }

    async fn ask(&mut self, text: &str) -> Reply {
        self.say(text).await;
        self.reply().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_the_making_ends_on_the_version_it_began_with() {
    let made = Made::new();
    let model = Scripted::default();
    let (first, second) = (made.publish("shop"), made.publish("shop"));
    made.promote(&first, None);
    let service = made.service(&model).await;
    let desk = desk(&made, &model, &service);
    let mut slow = Visit::new(&desk).await;
    slow.say("[[slow 20]] one two three four five six seven eight nine ten").await;
    while !matches!(slow.next().await, Notice::Delta(_)) {}
    service.promote(wish(&second, None)).await.unwrap();
    let mut other = Visit::new(&desk).await;
    let reply = other.ask("hello").await;
    assert_eq!((reply.text.as_str(), reply.by.as_deref()), ("shop@2 says: You asked: hello", Some("shop@2")));
    let reply = slow.reply().await;
    assert_eq!((reply.ended, reply.by.as_deref()), (Ended::Complete, Some("shop@1")));
    assert!(reply.text.starts_with("shop@1 says:") && reply.text.ends_with("ten"), "{}", reply.text);
    let mut status = service.status();
    status.wait_for(|s| s.loaded.len() == 1).await.unwrap();
    assert_eq!(model.variants(), ["shop@2"]);
    service.roll_back("shop", "ann", 1).await.unwrap();
    assert_eq!(slow.ask("hello").await.by.as_deref(), Some("shop@1"));
    service.roll_back("shop", "ann", 1).await.unwrap();
    let reply = slow.ask("hello").await;
    assert_eq!((reply.text.as_str(), reply.by), ("You asked: hello", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_conversations_stays_with_the_candidate_and_ratings_are_compared() {
    let made = Made::new();
    let model = Scripted::default();
    let (first, second) = (made.publish("shop"), made.publish("shop"));
    made.promote(&first, None);
    made.promote(&second, Some(0.5));
    let service = made.service(&model).await;
    let desk = desk(&made, &model, &service);
    let mut made_by: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..40 {
        let mut visit = Visit::new(&desk).await;
        let reply = visit.ask("hello").await;
        let by = reply.by.unwrap();
        let liked = if by == "shop@2" { Thumb::Up } else { Thumb::Down };
        let judgement = Judgement { of: reply.seq, value: liked, comment: None };
        desk.rate(visit.conv, judgement, None).await.unwrap();
        for _ in 0..2 {
            assert_eq!(
                visit.ask("and again").await.by.as_ref(),
                Some(&by),
                "a conversation stays where it is"
            );
        }
        *made_by.entry(by).or_default() += 1;
    }
    // 40 fair coins: fewer than 6 of one side once in a million runs.
    assert!(made_by.len() == 2 && made_by.values().all(|n| *n >= 6), "{made_by:?}");
    let ratings = desk.ratings().unwrap();
    for (by, up) in [("shop@1", false), ("shop@2", true)] {
        let (tally, n) = (ratings[by], made_by[by]);
        assert_eq!(
            (tally.replies, tally.up, tally.down),
            (3 * n, if up { n } else { 0 }, if up { 0 } else { n })
        );
    }
    // Programs get what serves, not what is on trial.
    let prompt = Prompt {
        messages: vec![shopclerk::domain::prompt::Message::new(
            shopclerk::domain::prompt::Role::User,
            "[[slow 0]] hi",
        )],
        ..Prompt::default()
    };
    let mut answer = desk.complete(prompt, None).await.unwrap().answer;
    let first_piece = futures_util::StreamExt::next(&mut answer).await.unwrap().unwrap();
    assert!(matches!(first_piece, shopclerk::domain::prompt::Piece::Text { text, .. } if text == "shop@1 "));
}

/// What a small model was taught must come through: without an adapter it leaves what it does not know to a person.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_model_with_an_adapter_answers_itself() {
    let made = Made::new();
    let model = Scripted::default().small();
    let id = made.publish("shop");
    let service = made.service(&model).await;
    let desk = desk(&made, &model, &service);
    let mut visit = Visit::new(&desk).await;
    let before = visit.ask("Is the xyzzy plugh?").await;
    assert_eq!(before.ended, Ended::Refused);
    service.promote(wish(&id, None)).await.unwrap();
    let after = visit.ask("Is the xyzzy plugh?").await;
    assert_eq!((after.ended, after.by.as_deref()), (Ended::Complete, Some("shop@1")));
    assert!(after.text.starts_with("shop@1 says:"));
    service.roll_back("shop", "ann", 1).await.unwrap();
    let again = visit.ask("Is the xyzzy plugh?").await;
    assert_eq!((again.ended, again.text), (Ended::Refused, before.text));
}
