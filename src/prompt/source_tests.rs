use super::*;
use crate::domain::ShopWords;
use crate::prompt::Playbook;

const PROFILE: &str = r##"
name = "Laden"
assistant = "Wren"
about = "Wir verkaufen Schuhe."
tone = "freundlich"
language = "de"
hours = "9-17"
email = "a@example.com"
facts = ["Versand am selben Tag."]
[look]
color = "#123456"
greeting.de = "Hallo"
suggestions.de = []
"##;

fn products(price: &str, stock: u32) -> String {
    format!(
        r#"[{{"id":"b","name":"Wanderstiefel","category":"Schuhe","price":"{price}","description":"Warm.",
            "attributes":{{"Farbe":"braun"}},"stock":{stock}}}]"#
    )
}

fn policy(short: &str) -> String {
    format!("---\ntitle: Rückgabe\nshort: {short}\n---\nMehr dazu.\n")
}

fn shop() -> (tempfile::TempDir, Playbook) {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::create_dir(folder.path().join("policies")).expect("made");
    write(&folder, "shop.toml", PROFILE);
    write(&folder, "products.json", &products("129 €", 3));
    write(&folder, "policies/returns.md", &policy("Getragene Schuhe nehmen wir zurück."));
    // Words are worth something only where most pages do not have them.
    for n in 0..16 {
        let page = format!("---\ntitle: Seite{n}\nshort: Thema{n} betrifft Bereich{n}.\n---\nAbschnitt{n}\n");
        write(&folder, &format!("policies/page{n}.md"), &page);
    }
    let settings = Settings { folder: folder.path().to_owned(), ..Settings::default() };
    let playbook = Playbook::load(&settings, &|text| text.to_owned()).expect("loads");
    (folder, playbook)
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    fs_err::write(folder.path().join(name), text).expect("written");
}

fn facts(playbook: &Playbook, question: &str) -> String {
    use crate::domain::{Cmid, ConvId, Event, EventKind, Speaker};
    let (cmid, by) = (Cmid(uuid::Uuid::nil()), Speaker::Shopper);
    let kind = EventKind::Said { cmid, by, text: question.to_owned() };
    let event = Event { conv: ConvId(uuid::Uuid::nil()), seq: 1, at: 0, kind };
    playbook.grounded_in_facts(&[event]).unwrap_or_default().replace('\\', "")
}

fn again(playbook: &Playbook) -> Result<Playbook, PromptError> {
    playbook.restocked(&|text| text.to_owned())
}

#[test]
fn what_changed_is_read_again_and_what_prompts_begin_with_stays() {
    let (folder, old) = shop();
    assert_eq!(old.changed(), None, "nothing has changed");
    let found = facts(&old, "Was kostet der Wanderstiefel?");
    assert!(found.contains("kostet 129 € und ist auf Lager."), "{found}");
    write(&folder, "products.json", &products("99,50 €", 0));
    write(&folder, "policies/shipping.md", "---\ntitle: Versand\nshort: Versand dauert zwei Tage.\n---\nx\n");
    assert!(old.changed().is_some());
    let new = again(&old).expect("reads");
    assert_eq!(new.changed(), None);
    assert!(facts(&new, "Was kostet der Wanderstiefel?").contains("kostet 99,50 € und ist ausverkauft."));
    assert_eq!(new.shop().policies.len(), 18);
    assert_eq!(new.system(), old.system());
    assert_ne!(new.fingerprint(), old.fingerprint(), "a reply tells what it was made with");
    fs_err::remove_file(folder.path().join("policies/shipping.md")).expect("removed");
    assert!(new.changed().is_some(), "a page that is gone");
}

#[test]
fn the_owners_words_stay_over_what_is_read_again() {
    let (folder, old) = shop();
    let words = ShopWords { assistant: "Mia".to_owned(), ..ShopWords::default() };
    let worded = old.worded(&words, &|text| text.to_owned()).expect("words");
    write(&folder, "products.json", "[]");
    let new = again(&worded).expect("reads");
    assert_eq!((new.shop().profile.assistant.as_str(), new.shop().products.len()), ("Mia", 0));
}

#[test]
fn a_file_that_became_wrong_is_a_fault_with_its_place() {
    let (folder, old) = shop();
    for (name, text, fault) in [
        ("products.json", "[{", "products.json: "),
        ("policies/returns.md", "Nur Text", "returns.md: it must begin with front matter"),
    ] {
        let before = fs_err::read_to_string(folder.path().join(name)).expect("read");
        write(&folder, name, text);
        let wrong = again(&old).err().expect("a fault").to_string();
        assert!(wrong.contains(fault), "{wrong}");
        write(&folder, name, &before);
    }
    assert!(again(&old).is_ok());
}

#[test]
fn the_demo_shop_never_changes() {
    let playbook = Playbook::load(&Settings::default(), &|text| text.to_owned()).expect("loads");
    assert!(!playbook.may_change() && playbook.changed().is_none());
}

#[test]
fn a_german_shop_is_searched_and_answers_in_german() {
    let (folder, playbook) = shop();
    // Other endings than the text has.
    let found = facts(&playbook, "Gibt es Rückgaben?");
    assert!(found.contains("Getragene Schuhe"), "{found}");
    assert!(playbook.at_a_loss().starts_with("Da bin ich mir nicht sicher."));
    assert!(playbook.not_understood().starts_with("Das konnte ich nicht lesen."));
    let english = ShopWords { language: "en".to_owned(), ..ShopWords::default() };
    let english = playbook.worded(&english, &|text| text.to_owned()).expect("words");
    assert_eq!(facts(&english, "Gibt es Rückgaben?"), "", "English endings are others");
    assert!(english.at_a_loss().starts_with("I am not sure"), "the language the owner sets");
    assert!(facts(&english, "Was kostet der Wanderstiefel?").contains("costs 129 €"));
    // A shop's own text wins, whatever its language.
    let prompts = folder.path().join("prompts");
    fs_err::create_dir(&prompts).expect("made");
    fs_err::write(prompts.join("unknown.md"), "---\npurpose: x\n---\nKeine Ahnung.\n").expect("written");
    let settings = Settings { folder: folder.path().to_owned(), prompts };
    let own = Playbook::load(&settings, &|text| text.to_owned()).expect("loads");
    assert_eq!(own.at_a_loss(), "Keine Ahnung.");
}
