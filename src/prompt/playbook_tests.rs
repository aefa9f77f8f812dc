use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{Cmid, ConvId, Ended, EventKind, MessageId, Speaker};

fn playbook() -> Playbook {
    Playbook::load(&Settings::default(), &|text| text.to_owned()).expect("the demo shop loads")
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn said(seq: u64, text: &str) -> Event {
    let kind = EventKind::Said { cmid: Cmid(Uuid::nil()), by: Speaker::Shopper, text: text.to_owned() };
    Event { conv: ConvId(Uuid::nil()), seq, at: 0, kind }
}

fn reply(seq: u64, text: &str) -> Event {
    let kind = EventKind::Reply {
        mid: MessageId(Uuid::nil()),
        upto: seq - 1,
        text: text.to_owned(),
        ended: Ended::Complete,
        provenance: None,
    };
    Event { conv: ConvId(Uuid::nil()), seq, at: 0, kind }
}

fn chat(turns: usize) -> Vec<Event> {
    (0..turns)
        .flat_map(|n| {
            let seq = 2 * n as u64 + 1;
            [said(seq, &format!("zzz{n} zzz zzz zzz zzz")), reply(seq + 1, &format!("yyy{n} yyy yyy"))]
        })
        .chain([said(2 * turns as u64 + 1, "the newest question")])
        .collect()
}

#[test]
fn the_right_facts_come_with_the_question() {
    let playbook = playbook();
    let messages = playbook.render(
        &[said(1, "Can I return shoes I have worn?")],
        Budget { tokens: 1500, exchanges: usize::MAX },
        &words,
    );
    assert_eq!(messages.len(), 2);
    assert!(messages[1].content.contains("Returns:"), "{}", messages[1].content);
    assert!(
        messages[1].content.ends_with("Question: Can I return shoes I have worn?"),
        "{}",
        messages[1].content
    );
}

#[test]
fn what_the_shop_says_nothing_about_is_known_to_be_unknown() {
    let playbook = playbook();
    assert!(playbook.unknown(&[said(1, "Do you know zxcvb?")]).is_some());
    assert!(playbook.unknown(&[said(1, "How long does shipping take?")]).is_none());
    assert!(playbook.unknown(&[said(1, "Thank you")]).is_none(), "no question");
    let follow_up = [said(1, "Can I return shoes I have worn?"), reply(2, "Yes."), said(3, "And those?")];
    assert!(playbook.unknown(&follow_up).is_none(), "read together with the question before");
}

#[test]
fn a_grounded_answer_is_one_or_two_of_the_shops_sentences() {
    let playbook = playbook();
    let regex = playbook.grounded(&[said(1, "Can I return shoes I have worn?")]).expect("facts");
    let plain = regex.replace('\\', "");
    assert!(
        plain.contains("Shoes you have worn can be returned too, if they are clean and not damaged."),
        "{plain}"
    );
    assert!(!plain.contains("Returns:"), "{plain}");
    let thanks = playbook.grounded(&[said(1, "Thank you")]).expect("small talk").replace('\\', "");
    assert!(thanks.contains("You are welcome!") && !thanks.contains("refund"), "{thanks}");
}

#[test]
fn sentences_are_taken_apart_at_full_stops_and_escaped() {
    assert_eq!(
        facts::sentences("Shipping: It costs €4.90. Free over €60."),
        ["It costs €4.90.", "Free over €60."]
    );
    assert_eq!(escape("a.b (c)"), r"a\.b \(c\)");
}

#[test]
fn a_foreign_question_asks_for_an_answer_in_its_language() {
    let messages = playbook().render(
        &[said(1, "穿过的鞋子可以退货吗？")],
        Budget { tokens: 1500, exchanges: usize::MAX },
        &words,
    );
    assert!(messages[1].content.ends_with("(Answer in Mandarin.)"), "{}", messages[1].content);
}

#[test]
fn a_prompt_is_the_beginning_of_the_next_one() {
    let playbook = playbook();
    let budget = Budget { tokens: 100_000, exchanges: usize::MAX };
    let long = chat(8);
    for turns in 0..8 {
        let shorter = playbook.render(&long[..2 * turns + 1], budget, &words);
        let longer = playbook.render(&long[..2 * turns + 3], budget, &words);
        assert_eq!(shorter, longer[..shorter.len()]);
    }
}

#[test]
fn a_small_model_is_reminded_of_as_much_as_was_set() {
    let playbook = playbook();
    let lengths = [0, 1, 3]
        .map(|exchanges| playbook.render(&chat(5), Budget { tokens: 100_000, exchanges }, &words).len());
    assert_eq!(lengths, [2, 4, 8]);
}

#[test]
fn the_window_stands_still_for_several_turns() {
    let playbook = playbook();
    let budget = Budget { tokens: words(&playbook.system) + 8 + 240, exchanges: usize::MAX };
    let firsts: Vec<String> =
        (8..32).map(|n| playbook.render(&chat(n), budget, &words)[1].content.clone()).collect();
    let moves = firsts.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(moves > 0 && moves <= 24 / (STEP / 2), "moved {moves} times: {firsts:?}");
}

proptest! {
    /// Whatever was said, the prompt begins with the shop's words, ends with the newest question, alternates, and keeps to
    /// its budget.
    #[test]
    fn any_conversation_fits(lengths in prop::collection::vec(1usize..80, 0..40), last in 1usize..4000, tokens in 260usize..900) {
        let playbook = playbook();
        let mut events = Vec::new();
        for (n, length) in lengths.iter().enumerate() {
            let seq = n as u64 + 1;
            let text = "zzz ".repeat(*length);
            events.push(if n % 2 == 0 { said(seq, &text) } else { reply(seq, &text) });
        }
        events.push(said(events.len() as u64 + 1, &"qqq ".repeat(last)));
        let messages = playbook.render(&events, Budget { tokens, exchanges: usize::MAX }, &words);
        prop_assert_eq!(messages[0].role, Role::System);
        let newest = messages.last().expect("a message");
        prop_assert!(newest.role == Role::User && newest.content.contains("qqq"));
        for pair in messages[1..].windows(2) {
            prop_assert!(pair[0].role != pair[1].role);
        }
        let total: usize = messages.iter().map(|m| words(&m.content) + 8).sum();
        prop_assert!(total <= tokens, "{} > {}", total, tokens);
    }
}
