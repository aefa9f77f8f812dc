//! The line in front of the model: who gets in, what a place is worth, and what costs nothing.

use std::time::Duration;

use futures_util::future::join_all;
use shopclerk::chat::{Notice, Settings};
use shopclerk::domain::{Ended, EventKind, Seq, StaffId};

use super::chat::{Shop, Visit, shop};

/// The scripted model answers so many at once.
const AT_ONCE: usize = 4;

fn place(notice: &Notice) -> Option<usize> {
    if let Notice::Queued { position, .. } = notice { Some(*position) } else { None }
}

/// Shoppers who keep the model busy until they are stopped.
async fn busy(shop: &Shop) -> Vec<Visit<'_>> {
    let mut running = Vec::new();
    for _ in 0..AT_ONCE {
        let mut visit = shop.visit().await;
        visit.say("[[long 4000]] [[slow 5]]").await;
        visit.first_delta().await;
        running.push(visit);
    }
    running
}

fn line_of(queue: usize) -> Shop {
    Shop::new(Settings {
        queue,
        messages_per_minute: 100_000,
        address_messages_per_minute: 100_000,
        ..Settings::default()
    })
}

fn answered(visit: &Visit<'_>) -> Vec<Seq> {
    let upto = |kind: &EventKind| if let EventKind::Reply { upto, .. } = kind { Some(*upto) } else { None };
    visit.events().iter().filter_map(|event| upto(&event.kind)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_before_the_first_word_is_one_turn() {
    let shop = shop();
    let mut visit = shop.visit().await;
    visit.say("[[slow 300]] One").await;
    let second = visit.say("[[slow 300]] Two").await;
    visit.until(|n| matches!(n, Notice::Event(e) if e.seq == second).then_some(())).await;
    let (text, _) = visit.reply().await;
    assert!(text.contains("One") && text.contains("Two"), "{text}");
    let replies: Vec<Seq> = visit
        .events()
        .iter()
        .filter_map(|e| if let EventKind::Reply { upto, .. } = e.kind { Some(upto) } else { None })
        .collect();
    assert_eq!(replies, [second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_tells_places_and_refuses_honestly() {
    let shop = Shop::new(Settings { queue: 2, ..Settings::default() });
    let running = busy(&shop).await;
    let mut first = shop.visit().await;
    let mut second = shop.visit().await;
    first.say("[[raw]]hi").await;
    assert_eq!(first.until(place).await, 1);
    second.say("[[raw]]hi").await;
    assert_eq!(second.until(place).await, 2);
    let third = shop.visit().await;
    let refused = third.try_say("hello").await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after().is_some()), ("busy", true));
    assert_eq!(third.events().len(), 1, "what was refused was not stored");
    shop.desk.stop(running[0].conv);
    assert_eq!(second.until(place).await, 1);
    assert_eq!(first.reply().await.0, "hi");
    // A newcomer to a waiting conversation is told its place, too.
    for visit in &running {
        shop.desk.stop(visit.conv);
    }
    assert_eq!(second.reply().await.0, "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_said_with_the_time_to_wait() {
    let shop = Shop::new(Settings { messages_per_minute: 2, ..Settings::default() });
    let visit = shop.visit().await;
    visit.say("one").await;
    visit.say("two").await;
    let refused = visit.try_say("three").await.unwrap_err();
    assert_eq!(refused.code(), "rate_limited");
    assert!(refused.retry_after().unwrap() <= Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_a_full_line_may_go_on_writing() {
    let shop = line_of(1);
    let running = busy(&shop).await;
    let mut waiting = shop.visit().await;
    waiting.say("[[slow 1]] One").await;
    assert_eq!(waiting.until(place).await, 1);
    assert_eq!(shop.visit().await.try_say("a newcomer").await.unwrap_err().code(), "busy");
    let last = waiting.say("[[slow 1]] Two").await;
    let next = running[0].say("[[raw]]And one more thing").await;
    shop.desk.stop(running[0].conv);
    let (text, _) = waiting.reply().await;
    assert!(text.contains("One") && text.contains("Two"), "{text}");
    assert_eq!(answered(&waiting), [last], "a burst is one turn, in a full line as well");
    for visit in &running[1..] {
        shop.desk.stop(visit.conv);
    }
    let [first, ..] = &mut { running }[..] else { unreachable!("four of them") };
    assert_eq!(first.reply().await.1, Ended::Stopped);
    assert_eq!(first.reply().await, ("And one more thing".to_owned(), Ended::Complete));
    assert_eq!(answered(first).last(), Some(&next));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_in_the_same_moment_finds_as_many_places_as_there_are() {
    let shop = line_of(3);
    let running = busy(&shop).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(shop.visit().await);
    }
    let told = join_all(crowd.iter().map(|visit| visit.try_say("[[raw]]hi"))).await;
    let refused: Vec<&str> =
        told.iter().filter_map(|one| one.as_ref().err()).map(shopclerk::chat::DeskError::code).collect();
    assert_eq!(refused, ["busy"; 37]);
    for visit in &running {
        shop.desk.stop(visit.conv);
    }
    for (visit, told) in crowd.iter_mut().zip(&told).filter(|(_, told)| told.is_ok()) {
        assert_eq!(visit.reply().await.0, "hi", "{told:?}");
    }
    // Every place is given back.
    for _ in 0..100 {
        if shop.visit().await.try_say("[[raw]]hi").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the line is still full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_stored_is_acknowledged_again_whatever_is_refused_now() {
    let shop = Shop::new(Settings { queue: 0, messages_per_minute: 2, ..Settings::default() });
    let mut visit = shop.visit().await;
    let message = visit.message("[[raw]]Once");
    let first = shop.desk.say(message.clone()).await.unwrap();
    assert_eq!(visit.reply().await.0, "Once");
    let _running = busy(&shop).await;
    for n in 0..10 {
        let again = shop.desk.say(message.clone()).await.unwrap_or_else(|fault| panic!("{n}: {fault}"));
        assert_eq!((again.seq, again.duplicate), (first.seq, true));
    }
    assert_eq!(visit.try_say("something new").await.unwrap_err().code(), "busy");
    // It was said three times at the most, however often it was sent: the busy one counts.
    assert_eq!(visit.try_say("something new").await.unwrap_err().code(), "rate_limited");
    shop.desk.drain(Duration::ZERO).await;
    assert!(shop.desk.say(message).await.unwrap().duplicate, "while the server stops as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_cuts_short_is_kept_and_what_it_found_in_the_line_is_answered_later() {
    let settings = Settings { queue: 8, ..Settings::default() };
    let shop = Shop::new(settings.clone());
    let running: Vec<_> = busy(&shop).await.iter().map(|visit| visit.conv).collect();
    let mut waiting = shop.visit().await;
    let asked = waiting.say("[[raw]]hi").await;
    assert_eq!(waiting.until(place).await, 1);
    let waiting = waiting.conv;
    shop.desk.drain(Duration::from_millis(50)).await;
    let shop = shop.reopen(settings).await;
    let reply = |conv| {
        let events = shop.desk.history(conv, 0, 100).unwrap();
        events.into_iter().find_map(|event| match event.kind {
            EventKind::Reply { text, ended, upto, .. } => Some((text, ended, upto)),
            _ => None,
        })
    };
    for conv in running {
        let (text, ended, _) = reply(conv).expect("a reply that was begun has an end");
        assert_eq!(ended, Ended::Interrupted);
        assert!(text.starts_with("word1 "), "{text}");
        assert!(!shop.desk.head(conv).unwrap().unwrap().awaits_model());
    }
    for _ in 0..500 {
        if let Some(found) = reply(waiting) {
            assert_eq!(found, ("hi".to_owned(), Ended::Complete, asked));
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("who was in the line was not answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_takes_over_frees_the_place_in_the_line() {
    let shop = line_of(1);
    let running = busy(&shop).await;
    let mut waiting = shop.visit().await;
    waiting.say("[[raw]]hi").await;
    assert_eq!(waiting.until(place).await, 1);
    shop.desk.take(waiting.conv, StaffId("ana".to_owned())).await.unwrap();
    let mut next = shop.visit().await;
    for _ in 0..100 {
        if next.try_say("[[raw]]hello").await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(next.until(place).await, 1);
    shop.desk.stop(running[0].conv);
    assert_eq!(next.reply().await.0, "hello");
    assert_eq!(answered(&waiting), [0; 0]);
}
