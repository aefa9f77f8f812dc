//! What a shopper may choose besides writing: what it costs, and what becomes of it.

use futures_util::future::join_all;
use shopclerk::chat::{DeskError, Judgement, Notice, Settings};
use shopclerk::domain::{Email, Ended, EventKind, Said, Seq, Status, Thumb};

use super::chat::{Shop, Visit, shop};

fn thumb(of: Seq, value: Thumb) -> Judgement {
    Judgement { of, value, comment: None }
}

/// Does it until it is refused: a busy machine may earn a new message meanwhile, but not fifty.
async fn refusal<F: Future<Output = Result<(), DeskError>>>(mut again: impl FnMut() -> F) -> &'static str {
    for _ in 0..50 {
        if let Err(refused) = again().await
            && refused.code() != "nothing_to_do"
        {
            return refused.code();
        }
    }
    "never refused"
}

/// A reply that was stopped in the middle; its number.
async fn stopped(shop: &Shop, visit: &mut Visit<'_>) -> Seq {
    visit.say("[[long 5000]] [[slow 5]]").await;
    visit.first_delta().await;
    shop.desk.stop(visit.conv);
    assert_eq!(visit.reply().await.1, Ended::Stopped);
    visit.events().last().unwrap().seq
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shopper_chooses_counts_as_a_message_does() {
    let shop = Shop::new(Settings { messages_per_minute: 2, ..Settings::default() });
    let desk = &shop.desk;
    for wish in ["rate", "person", "assistant", "retry"] {
        let mut visit = shop.visit().await;
        let of = stopped(&shop, &mut visit).await;
        let conv = visit.conv;
        let code = match wish {
            "rate" => {
                let mut up = false;
                refusal(|| {
                    up = !up;
                    desk.rate(conv, thumb(of, if up { Thumb::Up } else { Thumb::Down }), None)
                })
                .await
            }
            "person" => refusal(|| desk.person(conv, None)).await,
            "assistant" => refusal(|| desk.assistant(conv, None)).await,
            _ => refusal(|| desk.retry(conv, None)).await,
        };
        assert_eq!(code, "rate_limited", "{wish}");
        assert!(visit.events().len() < 50, "{wish}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_shoppers_of_one_address_count_together() {
    let shop = Shop::new(Settings { address_messages_per_minute: 12, ..Settings::default() });
    let address = "192.0.2.9".parse().ok();
    let desk = &shop.desk;
    let mut visits = Vec::new();
    for _ in 0..6 {
        let mut visit = shop.visit().await;
        visit.say("[[raw]]hi").await;
        visit.reply().await;
        visits.push(visit);
    }
    for wish in ["rate", "person", "assistant", "retry"] {
        let mut n = 0;
        let code = refusal(|| {
            let conv = visits[n % visits.len()].conv;
            n += 1;
            async move {
                match wish {
                    "rate" => desk.rate(conv, thumb(3, Thumb::Up), address).await,
                    "person" => desk.person(conv, address).await,
                    "assistant" => desk.assistant(conv, address).await,
                    _ => desk.retry(conv, address).await,
                }
            }
        })
        .await;
        assert_eq!(code, "rate_limited", "{wish}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_there_is_no_other_answer_but_a_person_a_thumb_and_an_address() {
    let shop = Shop::new(Settings { tokens_per_hour: 1, ..Settings::default() });
    let mut visit = shop.visit().await;
    let of = stopped(&shop, &mut visit).await;
    let (desk, conv) = (&shop.desk, visit.conv);
    assert_eq!(desk.retry(conv, None).await.unwrap_err().code(), "allowance_used");
    desk.rate(conv, thumb(of, Thumb::Down), None).await.unwrap();
    desk.person(conv, None).await.unwrap();
    desk.contact(conv, Email::parse("noor@example.com").unwrap(), None).await.unwrap();
    assert_eq!(desk.assistant(conv, None).await.unwrap_err().code(), "allowance_used");

    // An answer is counted for the address it was asked from, also where it is asked for again.
    let shop = Shop::new(Settings { address_tokens_per_hour: 1, ..Settings::default() });
    let mut visit = shop.visit().await;
    stopped(&shop, &mut visit).await;
    let from = |address: &str| address.parse().ok();
    let (desk, conv) = (&shop.desk, visit.conv);
    assert_eq!(desk.retry(conv, from("192.0.2.1")).await.unwrap_err().code(), "allowance_used");
    desk.retry(conv, from("192.0.2.2")).await.unwrap();
    visit.first_delta().await;
    desk.stop(conv);
    visit.reply().await;
    assert_eq!(desk.retry(conv, from("192.0.2.2")).await.unwrap_err().code(), "allowance_used");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_reply_is_judged_and_the_same_judgement_again_is_none() {
    let shop = shop();
    let mut visit = shop.visit().await;
    let asked = visit.say("[[raw]]Soon").await;
    visit.reply().await;
    let (desk, conv, reply) = (&shop.desk, visit.conv, asked + 1);
    for not_a_reply in [0, 1, asked, reply + 1, 999] {
        let refused = desk.rate(conv, thumb(not_a_reply, Thumb::Up), None).await.unwrap_err();
        assert_eq!(refused.code(), "no_such_message", "{not_a_reply}");
    }
    let down = || desk.rate(conv, thumb(reply, Thumb::Down), None);
    join_all((0..8).map(|_| down())).await.into_iter().for_each(Result::unwrap);
    assert_eq!(visit.events().len() as Seq, reply + 1);
    let comment = Some(Said::parse("Not what I asked").unwrap());
    let explained = Judgement { comment, ..thumb(reply, Thumb::Down) };
    desk.rate(conv, explained.clone(), None).await.unwrap();
    desk.rate(conv, explained, None).await.unwrap();
    assert_eq!(visit.events().len() as Seq, reply + 2, "a comment is new, once");
    down().await.unwrap();
    assert_eq!(visit.events().len() as Seq, reply + 3, "the newest judgement is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn resolving_keeps_what_the_shopper_saw_and_shows_no_more() {
    let shop = shop();
    let mut visit = shop.visit().await;
    visit.say("[[long 5000]] [[slow 5]]").await;
    let mut shown = visit.first_delta().await.text.to_string();
    shop.desk.resolve(visit.conv).await.unwrap();
    let (mut kept, mut resolved) = (None, false);
    while !resolved {
        match visit.next().await {
            Notice::Delta(delta) => {
                assert!(kept.is_none(), "a piece after the end");
                shown.push_str(&delta.text);
            }
            Notice::Event(event) => match &event.kind {
                EventKind::Reply { text, ended, .. } => kept = Some((text.clone(), *ended)),
                EventKind::Status { status, .. } => resolved = *status == Status::Resolved,
                _ => {}
            },
            _ => {}
        }
    }
    assert_eq!(kept, Some((shown, Ended::Interrupted)));
    shop.desk.retry(visit.conv, None).await.unwrap();
    visit.first_delta().await;
    assert!(!shop.desk.head(visit.conv).unwrap().unwrap().resolved, "asked for again, it is open again");
    shop.desk.stop(visit.conv);
    visit.reply().await;
}
