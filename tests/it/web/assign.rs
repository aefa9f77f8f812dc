//! A conversation is given to a colleague: decided once, written down, and told to whom it concerns.

use serde_json::{Value, json};
use shopclerk::staff::Role;

use super::site::{Session, Site, Socket, roomy, site};
use super::staff_list::listed;

fn assign(session: &Session, staff: &str, from: Option<&str>) -> Value {
    let mut frame = json!({"t": "assign", "conv": session.conv, "staff": staff});
    if let Some(from) = from {
        frame["from"] = json!(from);
    }
    frame
}

/// A colleague's socket that follows the conversation and the list.
async fn colleague(site: &Site, name: &str, session: &Session) -> Socket {
    let cookie = site.enter(name, Role::Agent);
    let mut socket = site.agent(&cookie).await;
    socket.send(&json!({"t": "list", "tab": "mine"})).await;
    socket.until("list").await;
    socket.send(&json!({"t": "open", "conv": session.conv, "seq": 0})).await;
    socket.until("opened").await;
    socket
}

/// The next event of an owner, or the code of a refusal.
async fn outcome(socket: &mut Socket) -> Value {
    loop {
        let frame = socket.until_any(&["event", "error"]).await;
        if frame["t"] == "error" {
            return frame["code"].clone();
        }
        if frame["kind"] == "owner" {
            return frame;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_gets_it_and_knows_from_whom() {
    let site = site(roomy()).await;
    let admin = site.enter("mara", Role::Admin);
    let session = site.session().await;
    let mut shopper = site.greeted(&session).await;
    shopper.until("welcome").await;
    let mut anna = colleague(&site, "anna", &session).await;
    let mut bob = colleague(&site, "bob", &session).await;
    shopper.say(&session.conv, "[[slow 20]] [[long 150]]").await;
    shopper.until("delta").await;
    anna.send(&assign(&session, "bob", None)).await;
    let given = outcome(&mut bob).await;
    assert_eq!(
        (&given["owner"], &given["staff"], &given["by"]),
        (&json!("staff"), &json!("bob"), &json!("anna"))
    );
    // The model is silent from there on, and the shopper is told that a person is there, not who and by whom.
    let owner = outcome(&mut shopper).await;
    assert_eq!((&owner["owner"], owner.get("staff"), owner.get("by")), (&json!("staff"), None, None));
    shopper.send(&json!({"t": "nonsense"})).await;
    loop {
        let frame = shopper.next().await.unwrap();
        assert_ne!(frame["t"], "delta", "{frame}");
        if frame["code"] == "bad_frame" {
            break;
        }
    }
    // It is among Bob's now, with who gave it to him. The list may have said so before the conversation did, so it is asked.
    let rows = listed(&mut bob, "mine", &[session.conv.as_str()]).await;
    assert_eq!((&rows["rows"][0]["staff"], &rows["rows"][0]["given_by"]), (&json!("bob"), &json!("anna")));
    // Only the holder writes; Bob takes it back into the team's hands.
    anna.say(&session.conv, "Too late").await;
    assert_eq!(anna.until("error").await["code"], "not_owner");
    bob.send(&assign(&session, "anna", Some("bob"))).await;
    assert_eq!(outcome(&mut anna).await["staff"], "anna");
    anna.say(&session.conv, "Here I am").await;
    anna.until("ack").await;
    // Whoever takes it from a colleague says from whom; then nobody gave it to them.
    bob.send(&assign(&session, "bob", Some("anna"))).await;
    let taken = loop {
        let owner = outcome(&mut bob).await;
        if owner["staff"] == "bob" && owner.get("by").is_none() {
            break owner;
        }
    };
    assert_eq!(taken["owner"], "staff");
    let log = site.page("GET", "/v1/staff/audit", &admin, &Value::Null).await.json();
    let who: Vec<String> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["what"] == "conversation_assigned" && entry["on"] == session.conv.as_str())
        .map(|entry| format!("{} to {}", entry["who"].as_str().unwrap(), entry["detail"].as_str().unwrap()))
        .collect();
    assert_eq!(who, ["bob to bob", "bob to anna", "anna to bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_costs_the_shopper_no_answer() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let mut shopper = site.greeted(&session).await;
    shopper.until("welcome").await;
    let mut anna = colleague(&site, "anna", &session).await;
    site.staff.accounts.invite("nina", "Nina", Role::Agent).unwrap();
    shopper.say(&session.conv, "[[slow 5]] [[long 100]]").await;
    shopper.until("delta").await;
    for (staff, from, code) in [
        ("nobody", None, "no_such_colleague"),
        // Invited, but cannot log in yet.
        ("nina", None, "no_such_colleague"),
        // Nobody holds it.
        ("anna", Some("bob"), "not_owner"),
    ] {
        anna.send(&assign(&session, staff, from)).await;
        assert_eq!(anna.until("error").await["code"], code, "{staff}");
    }
    let reply = shopper.event("reply").await;
    assert_eq!(reply["ended"], "complete", "the answer in the making went on");
    anna.send(&json!({"t": "take", "conv": session.conv})).await;
    assert_eq!(outcome(&mut anna).await["staff"], "anna");
    anna.send(&assign(&session, "anna", Some("anna"))).await;
    assert_eq!(outcome(&mut anna).await, "nothing_to_do");
    // A conversation that was done with is open again for whoever gets it.
    let mut bob = colleague(&site, "bob", &session).await;
    anna.send(&json!({"t": "resolve", "conv": session.conv})).await;
    assert_eq!(outcome(&mut anna).await["owner"], "ai");
    anna.send(&assign(&session, "bob", None)).await;
    bob.event("status").await;
    assert_eq!(bob.event("status").await["status"], "resolved");
    assert_eq!(bob.event("status").await["status"], "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_give_it_away_at_once_one_does() {
    let site = site(roomy()).await;
    let session = site.session().await;
    let (mut anna, mut bob) =
        (colleague(&site, "anna", &session).await, colleague(&site, "bob", &session).await);
    for name in ["carl", "dora"] {
        site.enter(name, Role::Agent);
    }
    let conv = session.conv.parse().unwrap();
    let mut both = [0, 0];
    for round in 0..40 {
        let before = site.store.head(conv).unwrap().unwrap();
        let from = before.staff.as_ref().map(|staff| staff.0.clone());
        let (to_one, to_other) = if round % 2 == 0 { ("anna", "bob") } else { ("carl", "dora") };
        let (one, other) =
            (assign(&session, to_one, from.as_deref()), assign(&session, to_other, from.as_deref()));
        tokio::join!(anna.send(&one), bob.send(&other));
        let mark = json!({"t": "nonsense"});
        tokio::join!(anna.send(&mark), bob.send(&mark));
        let mut codes = Vec::new();
        for socket in [&mut anna, &mut bob] {
            loop {
                let code = socket.until("error").await["code"].clone();
                if code == "bad_frame" {
                    break;
                }
                codes.push(code);
            }
        }
        assert_eq!(codes, ["not_owner"], "round {round}");
        let after = site.store.head(conv).unwrap().unwrap();
        assert_eq!(after.epoch, before.epoch + 1, "one change of owner, no more");
        both[usize::from(after.staff.unwrap().0 == to_other)] += 1;
    }
    println!("the first won {} times, the second {} times", both[0], both[1]);
}
