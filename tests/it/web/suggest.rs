//! Drafts for the staff: who gets them, when, and what is kept of them.

use serde_json::{Value, json};
use shopclerk::chat;
use shopclerk::model::Scripted;
use shopclerk::staff::Role;

use super::site::{Session, Site, Socket, roomy, site, site_with};

const TALK: &str = "[[slow 10]] [[long 12]]";

/// A conversation that waits for a person, whose newest message is `text`: the model owes nothing.
async fn waiting(site: &Site, text: &str) -> (Session, Socket) {
    let session = site.session().await;
    let mut shopper = site.greeted(&session).await;
    shopper.until("welcome").await;
    shopper.send(&json!({"t": "person", "conv": session.conv})).await;
    shopper.event("owner").await;
    shopper.say(&session.conv, text).await;
    shopper.event("said").await;
    (session, shopper)
}

/// What the pieces of a draft add up to, how it ended, and how often it began again.
async fn drafted(socket: &mut Socket, conv: &str) -> (String, String, usize) {
    let (mut text, mut again) = (String::new(), 0);
    loop {
        let piece = socket.until("suggestion").await;
        assert_eq!(piece["conv"], conv);
        let off = piece["off"].as_u64().unwrap() as usize;
        assert!(off <= text.chars().count(), "a hole before {piece}");
        again += usize::from(off == 0 && !text.is_empty());
        text = text.chars().take(off).collect::<String>() + piece["text"].as_str().unwrap();
        if let Some(ended) = piece["ended"].as_str() {
            return (text, ended.to_owned(), again);
        }
    }
}

/// Whatever came before the answer to this.
async fn all_before_a_mark(socket: &mut Socket) -> Vec<Value> {
    socket.send(&json!({"t": "nonsense"})).await;
    let mut heard = Vec::new();
    loop {
        let frame = socket.next().await.unwrap();
        if frame["code"] == "bad_frame" {
            return heard;
        }
        heard.push(frame);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_reaches_only_who_asked_and_is_kept_only_when_sent() {
    let site = site(roomy()).await;
    let (session, mut shopper) = waiting(&site, TALK).await;
    let conv = session.conv.as_str();
    let mut anna = site.agent(&site.enter("anna", Role::Agent)).await;
    let mut bob = site.agent(&site.enter("bob", Role::Agent)).await;
    for socket in [&mut anna, &mut bob] {
        socket.send(&json!({"t": "open", "conv": conv, "seq": 0})).await;
        socket.event("said").await;
    }
    let before = site.desk.head(conv.parse().unwrap()).unwrap().unwrap().seq;
    anna.send(&json!({"t": "suggest", "conv": conv})).await;
    let words: Vec<String> = (1..=12).map(|n| format!("word{n}")).collect();
    assert_eq!(drafted(&mut anna, conv).await, (words.join(" "), "complete".to_owned(), 0));
    // The model is asked about the shopper's newest message, also when a person has written since.
    anna.send(&json!({"t": "take", "conv": conv})).await;
    anna.say(conv, "One moment.").await;
    anna.event("said").await;
    anna.send(&json!({"t": "suggest", "conv": conv})).await;
    let (draft, ended, _) = drafted(&mut anna, conv).await;
    assert_eq!((draft.as_str(), ended.as_str()), (words.join(" ").as_str(), "complete"));
    let after = site.desk.head(conv.parse().unwrap()).unwrap().unwrap().seq;
    assert_eq!(after, before + 2, "the owner and the message; nothing of a draft");
    for (who, socket) in [("shopper", &mut shopper), ("bob", &mut bob)] {
        let heard = all_before_a_mark(socket).await;
        assert!(heard.iter().all(|frame| frame["t"] != "suggestion"), "{who} was told {heard:?}");
        assert!(!format!("{heard:?}").contains("word2"), "{who} was told {heard:?}");
    }
    // Sent, it is kept beside the message.
    let cmid = uuid::Uuid::now_v7();
    anna.send(&json!({"t": "say", "conv": conv, "cmid": cmid, "text": "Two words.", "draft": draft})).await;
    let kept = anna.event("draft").await;
    assert_eq!((kept["of"].as_u64(), kept["text"].as_str()), (Some(after + 1), Some(draft.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_can_be_stopped_and_asked_for_again() {
    let site = site(roomy()).await;
    let (session, _shopper) = waiting(&site, "[[slow 5]] [[long 5000]]").await;
    let conv = session.conv.as_str();
    let mut anna = site.agent(&site.enter("anna", Role::Agent)).await;
    anna.send(&json!({"t": "suggest", "conv": conv})).await;
    assert_eq!(anna.until("suggestion").await["text"], "word1 ");
    // Asking again ends the one before without a word.
    anna.send(&json!({"t": "suggest", "conv": conv})).await;
    let first = loop {
        let piece = anna.until("suggestion").await;
        if piece["off"] == 0 {
            break piece;
        }
    };
    assert_eq!((first["text"].as_str(), first.get("ended")), (Some("word1 "), None));
    anna.send(&json!({"t": "unsuggest", "conv": conv})).await;
    let mut text = first["text"].as_str().unwrap().to_owned();
    let ended = loop {
        let piece = anna.until("suggestion").await;
        assert_eq!(piece["off"], text.chars().count());
        text.push_str(piece["text"].as_str().unwrap());
        if let Some(ended) = piece["ended"].as_str() {
            break ended.to_owned();
        }
    };
    assert_eq!(ended, "stopped");
    assert!(!text.contains("word4999"));
    // To stop what does not run is no fault.
    anna.send(&json!({"t": "unsuggest", "conv": conv})).await;
    assert!(all_before_a_mark(&mut anna).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopper_who_waits_comes_first_and_the_draft_begins_again() {
    let site = site(roomy()).await;
    let (session, _shopper) = waiting(&site, "[[slow 20]] [[long 50]]").await;
    let conv = session.conv.as_str();
    let mut anna = site.agent(&site.enter("anna", Role::Agent)).await;
    // Three of the model's four places.
    let mut busy = Vec::new();
    for _ in 0..3 {
        let session = site.session().await;
        let mut socket = site.greeted(&session).await;
        socket.say(&session.conv, "[[slow 5]] [[long 100000]]").await;
        socket.until("delta").await;
        busy.push((session, socket));
    }
    anna.send(&json!({"t": "suggest", "conv": conv})).await;
    let first = anna.until("suggestion").await;
    assert_eq!((first["off"].as_u64(), first["text"].as_str()), (Some(0), Some("word1 ")));
    let session = site.session().await;
    let mut late = site.greeted(&session).await;
    late.say(&session.conv, "[[raw]]At once.").await;
    assert_eq!(late.event("reply").await["text"], "At once.");
    let begun_again = loop {
        let piece = anna.until("suggestion").await;
        if piece["off"] == 0 {
            break piece;
        }
    };
    assert_eq!((begun_again["text"].as_str(), begun_again.get("ended")), (Some(""), None));
    let (text, ended, _) = drafted(&mut anna, conv).await;
    assert!(text.starts_with("word1 word2 ") && text.ends_with(" word50"), "{text}");
    assert_eq!(ended, "complete");
    for (session, socket) in &mut busy {
        socket.send(&json!({"t": "stop", "conv": session.conv})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_to_suggest_it_says_so() {
    let small = Scripted::default().small();
    let site = site_with(roomy(), small, chat::Settings::default()).await;
    let mut anna = site.agent(&site.enter("anna", Role::Agent)).await;
    let mut ended = Vec::new();
    for text in [
        // The shop's sentences: the scripted model echoes what a real one chooses from.
        "How long does shipping take?",
        // Nothing in the facts, as a question and as small talk.
        "Do you know zxcvb?",
        "Hello there",
        &"ha".repeat(200),
    ] {
        let (session, _shopper) = waiting(&site, text).await;
        anna.send(&json!({"t": "suggest", "conv": session.conv})).await;
        let (draft, how, _) = drafted(&mut anna, &session.conv).await;
        ended.push((how, draft.is_empty()));
    }
    let nothing = || ("nothing".to_owned(), true);
    assert_eq!(ended, [("complete".to_owned(), false), nothing(), nothing(), nothing()]);
    // Nobody has asked anything; and there is no such conversation.
    let session = site.session().await;
    anna.send(&json!({"t": "suggest", "conv": session.conv})).await;
    assert_eq!(drafted(&mut anna, &session.conv).await.1, "nothing");
    anna.send(&json!({"t": "suggest", "conv": uuid::Uuid::now_v7()})).await;
    assert_eq!(anna.until("error").await["code"], "unknown_conversation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_is_said() {
    let site = site(roomy()).await;
    let (session, _shopper) = waiting(&site, "[[fail]]").await;
    let mut anna = site.agent(&site.enter("anna", Role::Agent)).await;
    anna.send(&json!({"t": "suggest", "conv": session.conv})).await;
    assert_eq!(drafted(&mut anna, &session.conv).await.1, "failed");
}
