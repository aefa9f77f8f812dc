//! From conversations in a store to rows of training data: what is learnt, in what prompt, and what never gets in.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use shopclerk::domain::recipe::{StoreRecipe, TargetKind};
use shopclerk::domain::run::{Row, RowBody, RowMessage};
use shopclerk::domain::{
    Cmid, Command, ConvId, Ended, MessageId, Opening, Replied, Said, Seq, Shopper, Speaker, StaffId, Tags,
    Thumb,
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
    async fn rate(self, value: Thumb) -> Self {
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
    rows::prepare(store, recipe, &rows::Settings::default(), &serving).unwrap()
}

fn prepare(store: &Store, recipe: &StoreRecipe) -> Prepared {
    prepare_with(store, recipe, usize::MAX, 4096)
}

fn messages(row: &Row) -> &[RowMessage] {
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

#[derive(Deserialize)]
struct Case {
    text: String,
    secrets: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
}

fn fixture(name: &str) -> String {
    fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// As a reader sees it: invisible characters gone, so that a disguised secret is found as well.
fn visible(text: &str) -> String {
    text.replace('\u{200B}', "")
}

#[tokio::test]
async fn no_personal_data_reaches_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let cases: Vec<Case> =
        fixture("personal_data.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= 150, "{}", cases.len());
    for (n, case) in (1..).zip(&cases) {
        let name = case.names.first().cloned();
        let known = Shopper {
            id: shopper(n),
            name,
            email: None,
            contact: None,
            external: None,
            verified: true,
            created_at: 1,
            page: None,
        };
        store.remember_shopper(known).await.unwrap();
        // From the shopper, from the model, in a correction and from staff.
        let talk = Talk::new(&store, n).await.ask(&case.text).await.reply(&case.text).await;
        let talk = talk.correct(&format!("Number {n} is right: {}", case.text)).await.ask("And more?").await;
        let talk = talk.reply(&format!("Reply {n}: {}", case.text)).await.rate(Thumb::Up).await;
        talk.ask("Is it so?").await.take().await.staff(&format!("It is {n} so. \n{}", case.text)).await;
    }
    let prepared = prepare(&store, &StoreRecipe::default());
    let of = |n: usize| -> String {
        let group = shopper(n as u128 + 1).to_string();
        let rows = prepared.rows.iter().filter(|row| row.group == group);
        rows.flat_map(|row| messages(row)[1..].iter().map(|m| format!("{}\n", m.content))).collect()
    };
    let mut left = Vec::new();
    let mut secrets = 0;
    for (n, case) in cases.iter().enumerate() {
        let text = visible(&of(n));
        assert!(!text.is_empty(), "no row of {}", case.text);
        for secret in case.secrets.iter().map(|secret| visible(secret)) {
            secrets += 1;
            if text.contains(&secret) {
                left.push(format!("{secret:?} in {text:?}"));
            }
        }
    }
    assert!(left.is_empty(), "{} of {secrets} survived:\n{}", left.len(), left.join("\n"));
    println!(
        "{secrets} secrets in {} texts, each said four ways, none in {} rows",
        cases.len(),
        prepared.rows.len()
    );
    store.close().await;
}

#[tokio::test]
async fn what_is_not_personal_stays_as_it_was_written() {
    let redactor = rows::redact::Redactor::new(&[], []).unwrap();
    let text = fixture("no_personal_data.txt");
    for line in text.lines() {
        assert_eq!(redactor.conversation(&[line], &[]).texts, [line]);
    }
    // The shop's own numbers are the shop's own.
    let fault = rows::redact::Redactor::new(&["(".to_owned()], []).err().unwrap().to_string();
    assert!(fault.contains("rows.order_numbers"), "{fault}");
    let own = rows::redact::Redactor::new(&["BX[a-z]{4}".to_owned()], []).unwrap();
    assert_eq!(own.conversation(&["where is BXabcd?"], &[]).texts, ["where is [ORDER]?"]);
}
