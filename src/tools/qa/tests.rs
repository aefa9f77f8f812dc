use proptest::prelude::*;

use super::*;

fn spans(text: &Text) -> Vec<Candidate<'_>> {
    of_text(text)
}

#[test]
fn a_question_must_lead_back_to_its_answer() {
    let text = Text::new(
        "Returns are free within 30 days. Shipping takes two to four days. Ok. Do you agree with all of it?",
        &[],
    );
    let all = spans(&text);
    assert_eq!(all.len(), 2, "too short, and a question, are no answers");
    assert!(leads_back("Are returns free?", &all[0], &all));
    assert!(!leads_back("How long does shipping take?", &all[0], &all));
    assert!(!leads_back("What is your name?", &all[0], &all));
    assert!(!leads_back("Returns are free", &all[0], &all));
}

#[test]
fn a_question_that_two_answers_fit_leads_back_to_neither() {
    let text =
        Text::new("Returns of boots are free. Returns of coats are free. Repairs cost ten euros.", &[]);
    let all = spans(&text);
    assert_eq!(all.len(), 3);
    for one in &all[..2] {
        assert!(!leads_back("Are returns free?", one, &all), "{}", one.answer());
    }
    assert!(leads_back("Are returns of boots free?", &all[0], &all));
    assert!(!leads_back("Are returns of boots free?", &all[1], &all));
}

#[test]
fn what_is_said_twice_is_no_rival_of_itself() {
    let text =
        Text::new("Returns of boots are free. Repairs cost ten euros. Returns of boots are FREE!", &[]);
    let all = spans(&text);
    assert!(leads_back("Are returns free?", &all[0], &all));
    assert!(leads_back("Are returns free?", &all[2], &all));
    assert!(!leads_back("Are returns free?", &all[1], &all));
}

fn turn(by: Side, text: &str) -> Turn {
    Turn { by, text: text.to_owned() }
}

#[test]
fn of_a_chat_the_shop_answers_and_the_shopper_has_asked() {
    let turns = [
        turn(Side::Shopper, "Hello there! Can I return worn boots?"),
        turn(Side::Shopper, "They are two weeks old."),
        turn(Side::Staff, "Hi! Worn boots can be returned within 30 days."),
        turn(Side::Staff, "Please keep the box for the way back."),
        turn(Side::Shopper, "Thank you all very much indeed."),
        turn(Side::Staff, "You are very welcome here."),
    ];
    let texts: Vec<Text> = turns.iter().map(|turn| Text::new(&turn.text, &[])).collect();
    let all = of_chat(&turns, &texts);
    let found: Vec<(&str, Option<usize>, Vec<&str>)> =
        all.iter().map(|one| (one.answer(), one.turn, one.asked.clone())).collect();
    assert_eq!(
        found,
        [
            ("Worn boots can be returned within 30 days.", Some(2), vec!["Can I return worn boots?"]),
            ("Please keep the box for the way back.", Some(3), vec!["Can I return worn boots?"]),
            ("You are very welcome here.", Some(5), vec![]),
        ]
    );
    assert!(leads_back("Can I return worn boots?", &all[0], &all));
    assert!(!leads_back("Can I return worn boots?", &all[1], &all), "that is not what was answered here");
}

#[test]
fn a_flood_of_questions_or_sentences_is_bounded() {
    let asked: String = (0..500).map(|n| format!("Where is {n}? ")).collect();
    let said: String = (0..700).map(|n| format!("Parcel number {n} is here. ")).collect();
    let turns = [
        turn(Side::Shopper, &asked),
        turn(Side::Shopper, "hi there\nwhere is my parcel?"),
        turn(Side::Staff, &said),
        turn(Side::Staff, &said),
    ];
    let texts: Vec<Text> = turns.iter().map(|turn| Text::new(&turn.text, &[])).collect();
    let all = of_chat(&turns, &texts);
    assert_eq!(all.len(), CANDIDATES);
    assert_eq!((all[0].asked.len(), all[0].asked.last()), (ASKED, Some(&"where is my parcel?")));
    assert_eq!(of_text(&Text::new(&said.repeat(2), &[])).len(), CANDIDATES);
}

proptest! {
    /// What is an answer is exactly a piece of its source, counted in characters, in any script.
    #[test]
    fn every_answer_is_a_piece_of_its_source(
        parts in prop::collection::vec("[a-zA-Zé👩‍👧\u{0301}\u{fffd}\u{2581}汉字退货עבריתكم \n.!?。？؟]{0,40}", 1..8),
    ) {
        let source = parts.concat();
        let text = Text::new(&source, &["<|im_end|>".to_owned()]);
        let chars: Vec<char> = source.chars().collect();
        for one in of_text(&text) {
            let Span { start, end } = one.span;
            prop_assert!(start < end && end <= chars.len());
            let exact: String = chars[start..end].iter().collect();
            prop_assert_eq!(one.answer(), exact);
        }
        for asked in questions(&text) {
            prop_assert!(source.contains(asked) && asks(asked));
        }
    }
}
