//! A person takes over while the model answers.

use super::*;

#[test]
fn after_take_the_model_is_silent_and_what_was_shown_comes_before() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    let cut = Some(Cut { job, text: "It le".into(), provenance: None });
    chat.run(Command::Take { by: staff("ana"), cut }).expect("takes");
    assert!(matches!(chat.log[2], EventKind::Reply { ended: Ended::Interrupted, .. }));
    assert!(matches!(chat.log[3], EventKind::Owner { owner: Owner::Staff, epoch: 1, .. }));
    assert!(chat.finish(job, Ended::Complete).is_err());
    assert_eq!(chat.begin(101), Err(Refusal::NotOwner));
}

#[test]
fn taking_is_decided_once_and_only_the_holder_writes() {
    let mut chat = Driver::opened();
    chat.run(asked()).expect("queued");
    chat.run(Command::Take { by: staff("ana"), cut: None }).expect("takes");
    assert_eq!(chat.run(Command::Take { by: staff("bo"), cut: None }), Err(Refusal::NotOwner));
    let text = Said::parse("Hello").expect("text");
    let say =
        |by: &str| Command::Say { cmid: Cmid(id(5)), by: Speaker::Staff(staff(by)), text: text.clone() };
    assert_eq!(chat.run(say("bo")), Err(Refusal::NotOwner));
    assert_eq!(chat.run(say("ana")), Ok(()));
    assert_eq!(chat.run(Command::Release(staff("bo"))), Err(Refusal::NotOwner));
    chat.run(Command::Release(staff("ana"))).expect("hands back");
    assert_eq!(chat.head.owner, Owner::Ai);
}

#[test]
fn what_was_shown_is_kept_when_the_conversation_is_resolved_and_may_be_asked_for_again() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let job = chat.begin(100).expect("begins");
    let cut = Some(Cut { job, text: "It le".into(), provenance: None });
    chat.run(Command::Resolve { cut }).expect("resolved");
    assert!(
        matches!(&chat.log[2], EventKind::Reply { text, ended: Ended::Interrupted, .. } if text == "It le")
    );
    assert!(matches!(chat.log[3], EventKind::Status { status: Status::Resolved, .. }));
    assert_eq!(chat.log.len(), 4);
    assert_eq!(chat.finish(job, Ended::Complete), Err(Refusal::NothingToDo));
    chat.run(Command::Retry).expect("again");
    assert!(!chat.head.resolved && chat.head.awaits_model());

    // Nothing was shown, so nothing is kept.
    let job = chat.begin(101).expect("begins");
    let cut = Some(Cut { job, text: String::new(), provenance: None });
    let before = chat.log.len();
    chat.run(Command::Resolve { cut }).expect("resolved");
    assert_eq!(chat.log.len(), before + 1);
}

/// Between the silence and the commit of the take-over something else may be written, and the model begins once more.
#[test]
fn what_was_shown_is_kept_although_the_model_has_begun_again() {
    let mut chat = Driver::opened();
    chat.ask(10);
    let shown = chat.begin(100).expect("begins");
    chat.begin(101).expect("begins again");
    let cut = |text: &str| Some(Cut { job: shown, text: text.into(), provenance: None });
    let mut other = Driver { head: chat.head.clone(), job: chat.job, log: chat.log.clone() };
    chat.run(Command::Take { by: staff("ana"), cut: cut("It le") }).expect("takes");
    assert!(
        matches!(&chat.log[2], EventKind::Reply { mid, text, .. } if *mid == shown.mid && text == "It le")
    );

    // Not if the reply came to its end meanwhile, also where it was asked for once more.
    let whole = other.job.expect("a job");
    other.finish(whole, Ended::Failed).expect("finishes");
    other.run(Command::Retry).expect("asked again");
    other.begin(102).expect("begins");
    other.run(Command::Take { by: staff("ana"), cut: cut("It le") }).expect("takes");
    assert_eq!(other.log.iter().filter(|kind| matches!(kind, EventKind::Reply { .. })).count(), 1);
}
