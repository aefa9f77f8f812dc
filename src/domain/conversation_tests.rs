use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::event::{Event, Summary};
use crate::domain::handoff::Reason;

#[path = "assign_tests.rs"]
mod assign;
#[path = "take_tests.rs"]
mod take;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn handed(reason: Reason) -> Command {
    Command::Person { why: HandOff { reason, away: false }, cut: None }
}

fn asked() -> Command {
    handed(Reason::Asked)
}

fn staff(name: &str) -> StaffId {
    StaffId(name.to_owned())
}

/// A conversation with its job mark, driven as the store drives it.
#[derive(Default)]
struct Driver {
    head: Head,
    job: Option<Job>,
    log: Vec<EventKind>,
}

impl Driver {
    fn opened() -> Self {
        let mut driver = Self::default();
        driver.run(Command::Open(Opening { shopper: ShopperId(id(1)) })).expect("opens");
        driver
    }

    fn run(&mut self, command: Command) -> Result<(), Refusal> {
        let decision = self.head.decide(&command, self.job.as_ref())?;
        for kind in decision.events {
            self.head.evolve(self.head.seq + 1, 0, &kind);
            self.log.push(kind);
        }
        match decision.job {
            JobChange::Keep => {}
            JobChange::Set(job) => self.job = Some(job),
            JobChange::Clear => self.job = None,
        }
        Ok(())
    }

    fn ask(&mut self, n: u128) {
        self.run(Command::Say {
            cmid: Cmid(id(n)),
            by: Speaker::Shopper,
            text: Said::parse("Where is my parcel?").expect("text"),
        })
        .expect("said");
    }

    fn begin(&mut self, n: u128) -> Result<Job, Refusal> {
        self.run(Command::Begin { mid: MessageId(id(n)), epoch: self.head.epoch })?;
        Ok(self.job.expect("a job"))
    }

    fn finish(&mut self, job: Job, ended: Ended) -> Result<(), Refusal> {
        self.run(Command::Finish { job, text: "Soon.".into(), ended, provenance: None })
    }
}

#[test]
fn a_question_is_answered_once() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    chat.finish(job, Ended::Complete).expect("finishes");
    assert_eq!(chat.finish(job, Ended::Complete), Err(Refusal::NothingToDo));
    assert_eq!(chat.begin(101), Err(Refusal::NothingToDo));
}

#[test]
fn a_message_during_a_reply_stays_open() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    chat.ask(11);
    chat.finish(job, Ended::Complete).expect("finishes");
    assert!(chat.head.awaits_model());
    assert_eq!(chat.begin(101).expect("begins").upto, 3);
}

#[test]
fn a_restart_counts_the_attempts() {
    let mut chat = Driver::opened();
    chat.ask(10);
    assert_eq!(chat.begin(100).expect("first").attempt, 1);
    assert_eq!(chat.begin(101).expect("after a crash").attempt, 2);
}

#[test]
fn a_question_asked_in_the_queue_is_answered_when_the_shopper_goes_back() {
    let mut chat = Driver::opened();
    chat.run(asked()).expect("queued");
    chat.ask(10);
    assert!(!chat.head.awaits_model());
    chat.run(Command::Assistant).expect("back");
    assert!(chat.head.awaits_model());
}

#[test]
fn a_cut_answer_can_be_made_again_and_a_whole_one_cannot() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    chat.finish(job, Ended::Stopped).expect("stopped");
    chat.run(Command::Retry).expect("again");
    let job = chat.begin(101).expect("begins");
    chat.finish(job, Ended::Complete).expect("finishes");
    assert_eq!(chat.run(Command::Retry), Err(Refusal::NothingToDo));
}

#[test]
fn a_resolved_conversation_opens_again_when_the_shopper_writes() {
    let mut chat = Driver::opened();
    chat.run(Command::Resolve { cut: None }).expect("resolved");
    assert!(chat.head.resolved);
    chat.ask(10);
    assert!(!chat.head.resolved && chat.head.awaits_model());
}

#[test]
fn a_draft_is_kept_beside_the_message_it_became() {
    let mut chat = Driver::opened();
    let say = |n: u128| Command::SayDrafted {
        cmid: Cmid(id(n)),
        by: staff("ana"),
        text: Said::parse("It left this morning.").expect("text"),
        draft: Said::parse("It has left.").expect("text"),
    };
    assert_eq!(chat.run(say(5)), Err(Refusal::NotOwner));
    chat.run(Command::Take { by: staff("ana"), cut: None }).expect("takes");
    chat.run(say(5)).expect("said");
    chat.run(Command::Resolve { cut: None }).expect("resolved");
    chat.run(Command::Take { by: staff("ana"), cut: None }).expect("takes");
    // This one opens the conversation again first: the draft still names the message.
    chat.run(say(6)).expect("said");
    let said = chat.log.iter().zip(1..).filter(|(kind, _)| matches!(kind, EventKind::Said { .. }));
    let said: Vec<Seq> = said.map(|(_, seq)| seq).collect();
    let drafts: Vec<Seq> = chat
        .log
        .iter()
        .filter_map(|kind| if let EventKind::Draft { of, .. } = kind { Some(*of) } else { None })
        .collect();
    assert_eq!((said.len(), said), (2, drafts));
}

#[test]
fn only_a_reply_that_exists_can_be_corrected() {
    let conv = crate::domain::ConvId(id(1));
    let text = Said::parse("You have 30 days.").expect("text");
    let event = |seq, kind| Event { conv, seq, at: 0, kind };
    assert_eq!(Replied::of(&event(1, EventKind::Summary(Summary::default()))), None);
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    chat.finish(job, Ended::Complete).expect("finishes");
    let reply = event(3, chat.log[2].clone());
    let of = Replied::of(&reply).expect("a reply");
    let correct = |of| Command::Correct { of, by: staff("ana"), text: text.clone() };
    let before = chat.head.clone();
    chat.run(correct(of)).expect("corrected");
    chat.run(correct(of)).expect("corrected again: the newest counts");
    assert_eq!(chat.head, Head { seq: 5, ..before }, "a correction changes nothing for the shopper");
    let later = Replied::of(&event(6, chat.log[2].clone())).expect("a reply");
    assert_eq!(chat.run(correct(later)), Err(Refusal::NoSuchMessage));
}

#[test]
fn tags_are_replaced_as_a_whole() {
    let mut chat = Driver::opened();
    let tag = |tags: &[&str]| Command::Tag { by: staff("ana"), tags: Tags::parse(tags).expect("tags") };
    assert_eq!(chat.run(tag(&[])), Err(Refusal::NothingToDo));
    chat.run(tag(&["refund", "late"])).expect("tagged");
    assert_eq!(chat.run(tag(&["Late", "refund"])), Err(Refusal::NothingToDo));
    chat.run(tag(&["vip"])).expect("tagged");
    assert_eq!(chat.head.tags.as_slice(), ["vip"]);
}

/// Written by the program before there were tags.
#[test]
fn a_head_of_an_old_journal_still_reads() {
    let old = r#"{"seq":3,"shopper":null,"owner":"ai","staff":null,"epoch":0,"resolved":false,"asked":2,"answered":2,
        "last_reply":[3,"complete"],"created_at":5,"updated_at":9}"#;
    let head: Head = serde_json::from_str(old).expect("reads");
    assert!(head.tags.is_empty());
    let again = serde_json::to_string(&head).expect("JSON");
    assert!(!again.contains("tags"), "an untagged head looks as it always did: {again}");
}

fn by_a_word(n: u128) -> Command {
    Command::SayAndHandOff {
        cmid: Cmid(id(n)),
        text: Said::parse("I want a refund").expect("text"),
        why: HandOff { reason: Reason::Word, away: true },
        cut: None,
    }
}

fn mood(label: &str, of: Seq) -> Command {
    Command::Tool { name: SENTIMENT.to_owned(), outcome: serde_json::json!({ "of": of, "label": label }) }
}

#[test]
fn a_message_that_brings_a_person_does_so_in_one_step_and_says_why() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    let before = chat.log.len();
    chat.run(by_a_word(11)).expect("handed off");
    let why = Some(HandOff { reason: Reason::Word, away: true });
    assert!(matches!(chat.log[before], EventKind::Said { .. }));
    assert_eq!(
        chat.log[before + 1],
        EventKind::Owner { owner: Owner::Queue, epoch: 1, staff: None, why, by: None }
    );
    assert!(!chat.head.awaits_model(), "the model owes nothing");
    assert_eq!(chat.finish(job, Ended::Complete), Err(Refusal::NothingToDo));
    // With a person at it, the same words are only a message.
    chat.run(Command::Take { by: staff("ana"), cut: None }).expect("takes");
    let before = chat.log.len();
    chat.run(by_a_word(12)).expect("said");
    assert_eq!(chat.log.len(), before + 1);
}

#[test]
fn a_reopened_conversation_is_not_handed_off_for_what_was_said_before() {
    let mut chat = Driver::opened();
    assert_eq!(chat.run(Command::Reopen), Err(Refusal::NothingToDo));
    for n in 0..3 {
        chat.ask(10 + n);
        chat.run(mood("negative", chat.head.asked)).expect("kept");
    }
    let old = chat.head.asked;
    assert_eq!(chat.head.unhappy, 3);
    chat.run(handed(Reason::Mood)).expect("handed off");
    chat.run(Command::Take { by: staff("ana"), cut: None }).expect("takes");
    chat.run(Command::Resolve { cut: None }).expect("resolved");
    chat.run(Command::Reopen).expect("reopened");
    assert!(!chat.head.resolved && chat.head.owner == Owner::Ai);
    assert!(!chat.head.awaits_model(), "what was said before needs no answer");
    assert_eq!((chat.head.unhappy, chat.head.since), (0, chat.head.seq));
    // A mood that was read late, and one that a colleague asked for, count for nothing.
    chat.run(mood("negative", old)).expect("kept");
    assert_eq!(chat.head.unhappy, 0);
    chat.ask(20);
    let asked = serde_json::json!({ "of": chat.head.asked, "label": "negative", "by": "ana" });
    chat.run(Command::Tool { name: SENTIMENT.to_owned(), outcome: asked }).expect("kept");
    assert_eq!(chat.head.unhappy, 0);
    chat.run(mood("negative", chat.head.asked)).expect("kept");
    assert_eq!(chat.head.unhappy, 1);
    let late = serde_json::json!({ "of": chat.head.asked, "label": "positive", "late": true });
    chat.run(Command::Tool { name: SENTIMENT.to_owned(), outcome: late }).expect("kept");
    assert_eq!(chat.head.unhappy, 1, "one that was read out of order changes no run");
}

#[test]
fn who_asks_for_a_person_opens_a_resolved_conversation_again() {
    let mut chat = Driver::opened();
    chat.ask(10);
    chat.run(Command::Resolve { cut: None }).expect("resolved");
    chat.run(asked()).expect("queued");
    assert!(!chat.head.resolved && chat.head.owner == Owner::Queue);
}

#[derive(Clone, Debug)]
enum Step {
    Ask,
    Begin,
    Finish,
    Take(bool),
    Assign(bool, bool),
    Release,
    Person,
    Assistant,
    Retry,
    Resolve,
    Reopen,
    HandOff,
    Mood(bool),
    Tag(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Ask),
        3 => Just(Step::Begin),
        3 => Just(Step::Finish),
        1 => any::<bool>().prop_map(Step::Take),
        1 => any::<(bool, bool)>().prop_map(|(to, fresh)| Step::Assign(to, fresh)),
        1 => Just(Step::Release),
        1 => Just(Step::Person),
        1 => Just(Step::Assistant),
        1 => Just(Step::Retry),
        1 => Just(Step::Resolve),
        1 => Just(Step::Reopen),
        1 => Just(Step::HandOff),
        1 => any::<bool>().prop_map(Step::Mood),
        1 => any::<bool>().prop_map(Step::Tag),
    ];
    prop::collection::vec(step, 0..60)
}

#[test]
fn a_call_belongs_to_its_reply_and_ends_with_it() {
    let mut chat = Driver::opened();
    chat.ask(2);
    let job = chat.begin(3).expect("begins");
    let call = || Command::Call { job, name: "product".into(), outcome: serde_json::json!({}) };
    assert_eq!(chat.run(call()), Ok(()));
    chat.run(Command::Take { by: staff("ana"), cut: None }).expect("taken");
    assert_eq!(chat.run(call()), Err(Refusal::NothingToDo));
}

proptest! {
    /// Whatever happens in whatever order: the epoch never falls, the model never speaks out of turn, no message gets
    /// two whole answers, and the log folded again gives the same head.
    #[test]
    fn any_order_of_commands_keeps_the_promises(steps in steps()) {
        let mut chat = Driver::opened();
        let mut next = 1000u128;
        let mut stale: Vec<Job> = Vec::new();
        for step in steps {
            next += 1;
            let before = chat.head.epoch;
            let _ = match step {
                Step::Ask => { chat.ask(next); Ok(()) }
                Step::Begin => chat.begin(next).map(|job| stale.push(job)),
                Step::Finish => match stale.first().copied() {
                    Some(job) => { stale.rotate_left(1); chat.finish(job, Ended::Complete) }
                    None => Ok(()),
                },
                Step::Take(first) => chat.run(Command::Take { by: staff(if first { "ana" } else { "bo" }), cut: None }),
                Step::Assign(first, fresh) => {
                    let to = staff(if first { "ana" } else { "bo" });
                    let from = if fresh { chat.head.staff.clone() } else { Some(staff("somebody")) };
                    chat.run(Command::Assign { to, from, by: staff("cy"), cut: None })
                }
                Step::Release => chat.run(Command::Release(staff("ana"))),
                Step::Person => chat.run(asked()),
                Step::Assistant => chat.run(Command::Assistant),
                Step::Retry => chat.run(Command::Retry),
                Step::Resolve => {
                    let cut = chat.job.map(|job| Cut { job, text: "It le".into(), provenance: None });
                    chat.run(Command::Resolve { cut })
                }
                Step::Reopen => chat.run(Command::Reopen),
                Step::HandOff => chat.run(by_a_word(next)),
                Step::Mood(bad) => chat.run(mood(if bad { "negative" } else { "positive" }, chat.head.asked)),
                Step::Tag(one) => {
                    let tags = Tags::parse(&[if one { "one" } else { "two" }]).expect("tags");
                    chat.run(Command::Tag { by: staff("ana"), tags })
                }
            };
            prop_assert!(chat.head.epoch >= before);
        }
        let mut owner = Owner::Ai;
        let mut whole = std::collections::HashSet::new();
        let mut folded = Head::default();
        for (n, kind) in chat.log.iter().enumerate() {
            folded.evolve(n as u64 + 1, 0, kind);
            match kind {
                EventKind::Owner { owner: new, .. } => owner = *new,
                EventKind::Reply { upto, ended, .. } => {
                    prop_assert_eq!(owner, Owner::Ai);
                    prop_assert!(*ended != Ended::Complete || whole.insert(*upto), "two answers");
                }
                _ => {}
            }
        }
        prop_assert_eq!(folded, chat.head);
    }
}
