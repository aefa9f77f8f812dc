//! A conversation is given to a colleague.

use super::*;

#[test]
fn of_two_who_give_it_away_the_second_is_told() {
    let mut chat = Driver::opened();
    let give = |to, from: Option<&str>, by| Command::Assign {
        to: staff(to),
        from: from.map(staff),
        by: staff(by),
        cut: None,
    };
    chat.run(give("ana", None, "cy")).expect("given");
    assert_eq!(
        (chat.head.owner, chat.head.staff.clone(), chat.head.epoch),
        (Owner::Staff, Some(staff("ana")), 1)
    );
    let given = EventKind::Owner {
        owner: Owner::Staff,
        epoch: 1,
        staff: Some(staff("ana")),
        why: None,
        by: Some(staff("cy")),
    };
    assert_eq!(chat.log.last(), Some(&given));
    assert_eq!(chat.run(give("bo", None, "dee")), Err(Refusal::NotOwner), "decided when nobody held it");
    assert_eq!(chat.run(give("ana", Some("ana"), "dee")), Err(Refusal::NothingToDo));
    chat.run(give("bo", Some("ana"), "bo")).expect("taken from a colleague");
    assert!(
        matches!(chat.log.last(), Some(EventKind::Owner { epoch: 2, by: None, .. })),
        "nobody gave it to him"
    );
    chat.run(Command::Resolve { cut: None }).expect("resolved");
    chat.run(give("ana", None, "bo")).expect("given");
    assert!(!chat.head.resolved, "what is given to somebody is not done with");
    assert!(!chat.head.awaits_model());
}
