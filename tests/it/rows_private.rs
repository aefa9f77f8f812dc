//! What never gets into a row: personal data, whoever wrote it, however it is spelt.

use std::path::Path;

use serde::Deserialize;
use shopclerk::domain::recipe::StoreRecipe;
use shopclerk::domain::{Shopper, Thumb};
use shopclerk::prompt::Playbook;
use shopclerk::runs::rows;

use super::rows::{Talk, messages, prepare};
use super::store::{open, shopper};

#[derive(Deserialize)]
struct Case {
    text: String,
    secrets: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    email: Option<String>,
    contact: Option<String>,
    external: Option<String>,
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
            email: case.email.clone(),
            contact: case.contact.clone(),
            external: case.external.clone(),
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

#[test]
fn the_redactor_knows_the_staff_and_everybodys_orders_and_leaves_the_shop_its_name() {
    let playbook = Playbook::load(&shopclerk::prompt::Settings::default(), &|t| t.to_owned()).unwrap();
    let staff = ["Okonkwo of Brackenfold".to_owned(), "Ana from Support".to_owned()];
    let redactor = rows::redactor(&playbook, &rows::Settings::default().with_staff(staff)).unwrap();
    let say = |text: &str| redactor.conversation(&[text], &[]).texts.remove(0);
    assert_eq!(
        say("Brackenfold ships from Bremen; Okonkwo or Ana in support knows where B-10412 is."),
        "Brackenfold ships from Bremen; [NAME_1] or [NAME_2] in support knows where [ORDER] is."
    );
    assert_eq!(say("B-1041 and 10412 are no orders"), "B-1041 and 10412 are no orders");
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
