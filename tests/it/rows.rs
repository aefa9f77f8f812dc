//! From conversations in a store to rows of training data: what is chosen, what is learnt, and in what prompt.

use std::collections::BTreeSet;

use shopclerk::domain::recipe::{Rated, StoreRecipe, TargetKind};
use shopclerk::domain::run::{Row, RowBody, RowMessage};
use shopclerk::domain::{
    Cmid, Command, ConvId, Ended, MessageId, Opening, Replied, Said, Seq, Speaker, StaffId, Tags, Thumb,
};
use shopclerk::prompt::{Budget, Playbook};
use shopclerk::runs::rows::{self, Prepared, Reason, Serving};
use shopclerk::store::Store;
use uuid::Uuid;

use super::store::{conv, open, shopper};

/// One conversation being written into a store.
pub(crate) struct Talk<'a> {
    store: &'a Store,
    conv: ConvId,
    seq: Seq,
}

fn ana() -> StaffId {
    StaffId("ana".to_owned())
}

fn said(text: &str) -> Said {
    Said::parse(text).unwrap()
}

impl<'a> Talk<'a> {
    pub(crate) async fn new(store: &'a Store, n: u128) -> Self {
        let talk = Self { store, conv: conv(n), seq: 0 };
        talk.run(Command::Open(Opening { shopper: shopper(n) })).await
    }

    async fn run(mut self, command: Command) -> Self {
        self.seq = self.store.commit(self.conv, command).await.unwrap().head.seq;
        self
    }

    pub(crate) async fn ask(self, text: &str) -> Self {
        let command = Command::Say { cmid: Cmid(Uuid::new_v4()), by: Speaker::Shopper, text: said(text) };
        self.run(command).await
    }

    async fn reply_that(self, text: &str, ended: Ended) -> Self {
        let mid = MessageId(Uuid::new_v4());
        let begun = self.store.commit(self.conv, Command::Begin { mid, epoch: self.epoch() }).await.unwrap();
        let job = begun.job.unwrap();
        self.run(Command::Finish { job, text: text.to_owned(), ended, provenance: None }).await
    }

    pub(crate) async fn reply(self, text: &str) -> Self {
        self.reply_that(text, Ended::Complete).await
    }

    fn epoch(&self) -> u64 {
        self.store.head(self.conv).unwrap().unwrap().epoch
    }

    pub(crate) async fn take(self) -> Self {
        self.run(Command::Take { by: ana(), cut: None }).await
    }

    pub(crate) async fn staff(self, text: &str) -> Self {
        let command =
            Command::Say { cmid: Cmid(Uuid::new_v4()), by: Speaker::Staff(ana()), text: said(text) };
        self.run(command).await
    }

    /// The newest event, a reply.
    fn replied(&self) -> Replied {
        Replied::of(&self.store.events(self.conv, self.seq - 1, 1).unwrap().remove(0)).unwrap()
    }

    /// Rates the newest event, a reply.
    pub(crate) async fn rate(self, value: Thumb) -> Self {
        let of = self.replied();
        self.run(Command::Rate { of, value, comment: None }).await
    }

    /// Corrects the newest event, a reply.
    pub(crate) async fn correct(self, text: &str) -> Self {
        let of = self.replied();
        self.run(Command::Correct { of, by: ana(), text: said(text) }).await
    }

    async fn tag(self, tag: &str) -> Self {
        self.run(Command::Tag { by: ana(), tags: Tags::parse(&[tag]).unwrap() }).await
    }
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn prepare_with(store: &Store, recipe: &StoreRecipe, exchanges: usize, row_tokens: usize) -> Prepared {
    let playbook = Playbook::load(&shopclerk::prompt::Settings::default(), &|t| t.to_owned()).unwrap();
    let budget = Budget { tokens: 3000, exchanges };
    let serving = Serving { playbook: &playbook, budget, count: &words, row_tokens };
    // The shop's own name in a colleague's is no name.
    let staff = ["Petra Lindqvist", "Okonkwo of Brackenfold"].map(str::to_owned);
    rows::prepare(store, recipe, &rows::Settings::default().with_staff(staff), &serving).unwrap()
}

pub(crate) fn prepare(store: &Store, recipe: &StoreRecipe) -> Prepared {
    prepare_with(store, recipe, usize::MAX, 4096)
}

pub(crate) fn messages(row: &Row) -> &[RowMessage] {
    let RowBody::Messages(messages) = &row.body else { panic!("a dialogue") };
    messages
}

/// Role and text of all but the system's message; of a question only what was asked; `*` where it is learnt.
fn script(row: &Row) -> Vec<String> {
    let shown = |m: &RowMessage| {
        let text = m.content.split("Question: ").last().unwrap_or_default();
        format!("{}{}: {text}", if m.is_target() { "*" } else { "" }, m.role)
    };
    messages(row)[1..].iter().map(shown).collect()
}

fn scripts(prepared: &Prepared) -> Vec<Vec<String>> {
    prepared.rows.iter().map(script).collect()
}

fn left_out(prepared: &Prepared) -> Vec<(Reason, u64)> {
    prepared.report.left_out.iter().map(|(reason, out)| (*reason, out.count)).collect()
}

#[tokio::test]
async fn staff_corrections_and_liked_replies_are_learnt_and_shoppers_never() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let talk = Talk::new(&store, 1).await.ask("Can I return shoes I have worn?").await;
    let talk = talk.reply("No, never.").await.correct("Yes, within thirty days.").await;
    let talk =
        talk.ask("Do you gift wrap?").await.reply("We do, free of charge.").await.rate(Thumb::Up).await;
    let talk = talk.ask("zzz anything else").await.reply("Nothing more to say.").await;
    let talk = talk.ask("I want a person").await.take().await;
    talk.staff("Hello, I am here now.").await.staff("What can I do?").await;
    let prepared = prepare(&store, &StoreRecipe::default());
    // The prompts continue one another, so it is one row, and only what somebody approved is learnt.
    assert_eq!(
        scripts(&prepared),
        [[
            "user: Can I return shoes I have worn?",
            "*assistant: Yes, within thirty days.",
            "user: Do you gift wrap?",
            "*assistant: We do, free of charge.",
            "user: zzz anything else",
            "assistant: Nothing more to say.",
            "user: I want a person",
            "*assistant: Hello, I am here now.\nWhat can I do?",
        ]]
    );
    let counted = prepared.report.targets;
    assert_eq!((counted.corrected, counted.liked, counted.staff), (1, 1, 1));
    let row = &prepared.rows[0];
    assert_eq!(row.id, format!("{}#3", conv(1)));
    assert_eq!(row.group, shopper(1).to_string());
    assert_eq!(row.lineage[0].conversation, conv(1).to_string());
    assert_eq!(row.lineage[0].shopper, shopper(1).to_string());
    let from: BTreeSet<Seq> = row.lineage[0].events.iter().copied().collect();
    assert_eq!(from, BTreeSet::from([2, 3, 4, 5, 6, 8, 9, 10, 12, 13]));
    store.close().await;
}

#[tokio::test]
async fn a_row_is_the_prompt_that_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let talk = Talk::new(&store, 1).await.ask("Do you ship abroad?").await.reply("Yes we do.").await;
    talk.ask("Can I return shoes I have worn?").await.take().await.staff("Yes, within thirty days.").await;
    let events = store.events(conv(1), 0, 4).unwrap();
    let playbook = Playbook::load(&shopclerk::prompt::Settings::default(), &|t| t.to_owned()).unwrap();
    for exchanges in [0, usize::MAX] {
        let prepared = prepare_with(&store, &StoreRecipe::default(), exchanges, 4096);
        let served = playbook.render(&events, Budget { tokens: 3000, exchanges }, &words);
        let (answer, prompt) = messages(&prepared.rows[0]).split_last().unwrap();
        let prompt: Vec<&str> = prompt.iter().map(|m| m.content.as_str()).collect();
        assert_eq!(prompt, served.iter().map(|m| m.content.as_str()).collect::<Vec<_>>());
        assert!(prompt.last().unwrap().contains("Returns:"), "the facts come with the question");
        assert_eq!(answer.content, "Yes, within thirty days.");
        let events = &prepared.rows[0].lineage[0].events;
        let expected: &[Seq] = if exchanges == 0 { &[4, 6] } else { &[2, 3, 4, 6] };
        assert_eq!(events, expected);
    }
    // Earlier turns give way to a short row; a question never does.
    let system = words(&messages(&prepare(&store, &StoreRecipe::default()).rows[0])[0].content);
    let short = prepare_with(&store, &StoreRecipe::default(), usize::MAX, system + 110);
    assert_eq!(short.rows.len(), 1, "{:?}", short.report);
    let tiny = prepare_with(&store, &StoreRecipe::default(), usize::MAX, system + 20);
    assert_eq!(left_out(&tiny), [(Reason::TooLong, 1)]);
    store.close().await;
}

#[tokio::test]
async fn a_bad_answer_is_neither_learnt_nor_shown() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let talk = Talk::new(&store, 1).await.ask("First question here?").await.reply("A fine answer.").await;
    let talk = talk.ask("Second question here?").await.reply("A BAD answer.").await.rate(Thumb::Down).await;
    let talk = talk.take().await.staff("The person knows better.").await;
    talk.ask("Third question here?").await.staff("Three is easy too.").await;
    let cut = Talk::new(&store, 2).await.ask("Will it end well?").await;
    cut.reply_that("It will e", Ended::Stopped).await.rate(Thumb::Up).await;
    let prepared = prepare(&store, &StoreRecipe::default());
    assert!(!serde_json::to_string(&prepared.rows).unwrap().contains("BAD"));
    assert_eq!(
        scripts(&prepared),
        [
            vec!["user: Second question here?", "*assistant: The person knows better."],
            vec!["user: Third question here?", "*assistant: Three is easy too."],
        ]
    );
    assert_eq!(left_out(&prepared), [(Reason::NoTarget, 1), (Reason::RatedDown, 1), (Reason::CutShort, 1)]);
    assert_eq!(prepared.report.left_out[&Reason::RatedDown].examples, [format!("{}#5", conv(1))]);
    store.close().await;
}

#[tokio::test]
async fn a_recipe_chooses_and_doubles_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long =
        "Your parcel left our warehouse this morning and reaches you in two or three working days at most";
    for (n, ask, answer) in [
        (1, "Where is my parcel?", long.to_owned()),
        (2, "where is my PARCEL", format!("{long}!")),
        (3, "Where is my parcel?", format!("{long} ok")),
        (4, "Is the red one sold out?", "It is, until next week.".to_owned()),
        (5, "Hello there", "Hi.".to_owned()),
    ] {
        let talk = Talk::new(&store, n).await.ask(ask).await.take().await.staff(&answer).await;
        if n == 4 {
            talk.tag("Stock").await.ask("And the blue one?").await.staff("The blue one is there.").await;
        }
    }
    let all = prepare(&store, &StoreRecipe::default());
    assert_eq!(
        left_out(&all),
        [(Reason::TooShort, 1), (Reason::Duplicate, 1), (Reason::NearDuplicate, 1)],
        "{}",
        all.report
    );
    assert_eq!(all, prepare(&store, &StoreRecipe::default()), "the same store gives the same rows");
    let tagged = prepare(&store, &StoreRecipe { tags: vec!["stock".into()], ..StoreRecipe::default() });
    assert_eq!((tagged.report.chosen, tagged.report.targets.staff, tagged.rows.len()), (1, 2, 1));
    let capped = StoreRecipe { tags: vec!["stock".into()], per_shopper: 1, ..StoreRecipe::default() };
    assert_eq!(left_out(&prepare(&store, &capped))[1], (Reason::ShopperCap, 1));
    let named = StoreRecipe { conversations: vec![conv(1).to_string()], ..StoreRecipe::default() };
    assert_eq!(left_out(&prepare(&store, &named)), [(Reason::NotNamed, 4)]);
    let late = StoreRecipe { since: Some(1_700_000_000_001), ..StoreRecipe::default() };
    assert_eq!(left_out(&prepare(&store, &late)), [(Reason::Date, 5)]);
    let liked = StoreRecipe { targets: vec![TargetKind::Liked], ..StoreRecipe::default() };
    assert_eq!(left_out(&prepare(&store, &liked)), [(Reason::NoTarget, 5)]);
    store.close().await;
}

#[tokio::test]
async fn conversations_are_chosen_by_their_ratings_and_by_who_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let up = Talk::new(&store, 1).await.ask("Do you gift wrap?").await.reply("We do, free of charge.").await;
    let of = up.replied();
    up.rate(Thumb::Down).await.run(Command::Rate { of, value: Thumb::Up, comment: None }).await;
    let down = Talk::new(&store, 2).await.ask("Is it late?").await.reply("It is not.").await;
    down.rate(Thumb::Down).await.take().await.staff("It is two days late.").await;
    Talk::new(&store, 3).await.ask("Is it blue?").await.take().await.staff("It is as blue as the sea.").await;
    let chosen = |recipe: StoreRecipe| {
        let report = prepare(&store, &recipe).report;
        let left = |reason| report.left_out.get(&reason).map_or(0, |out| out.count);
        (report.chosen, left(Reason::Rating), left(Reason::AnsweredBy))
    };
    let rated = |wanted| chosen(StoreRecipe { rated: Some(wanted), ..StoreRecipe::default() });
    assert_eq!(rated(Rated::Up), (1, 2, 0), "the newest thumb counts");
    assert_eq!(rated(Rated::Down), (1, 2, 0));
    assert_eq!(rated(Rated::Any), (2, 1, 0));
    let answered = |who: &[&str]| {
        let answered_by = who.iter().map(|who| (*who).to_owned()).collect();
        chosen(StoreRecipe { answered_by, ..StoreRecipe::default() })
    };
    assert_eq!(answered(&["staff"]), (2, 0, 1));
    assert_eq!(answered(&["ana"]), (2, 0, 1));
    assert_eq!(answered(&["model"]), (2, 0, 1));
    assert_eq!(answered(&["model", "ana"]), (3, 0, 0));
    assert_eq!(answered(&["bob"]), (0, 0, 3));
    store.close().await;
}

/// Without a word about it in the recipe, one shopper's thumbs are not the whole lesson.
#[tokio::test]
async fn a_shopper_who_likes_everything_does_not_flood_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut talk = Talk::new(&store, 1).await;
    for n in 0..25 {
        talk = talk.ask(&format!("Question number {n}?")).await;
        talk = talk.reply(&format!("{n} is the answer, and {} is next.", n + 1)).await.rate(Thumb::Up).await;
    }
    let recipe: StoreRecipe = toml::from_str("targets = [\"liked\"]").unwrap();
    let prepared = prepare(&store, &recipe);
    assert_eq!(prepared.report.targets.liked, 20);
    assert_eq!(left_out(&prepared), [(Reason::ShopperCap, 5)]);
    let all = StoreRecipe { per_shopper: 0, ..recipe };
    assert_eq!(prepare(&store, &all).report.targets.liked, 25);
    store.close().await;
}
