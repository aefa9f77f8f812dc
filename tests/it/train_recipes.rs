//! The page on recipes names every field with the default it really has.

use std::collections::BTreeMap;

use serde_json::Value;
use shopclerk::domain::recipe::Recipe;

/// `a.b.c` and its default, of every field that is not a table of fields itself.
fn fields(value: &Value, key: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields_here) if !fields_here.is_empty() => {
            for (name, value) in fields_here {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                fields(value, &key, into);
            }
        }
        other => {
            into.insert(key.to_owned(), other.clone());
        }
    }
}

#[test]
fn docs_recipes_matches_the_program() {
    let mut expected = BTreeMap::new();
    fields(&serde_json::to_value(Recipe::default()).unwrap(), "", &mut expected);
    let page = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recipes.md")).unwrap();
    let table = page.split("## Fields").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut found = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        let [field, default, words] = cells[..] else { panic!("three cells: {line}") };
        assert!(words.len() > 10, "{field}: say what it does");
        let default = default.trim_matches('`');
        let default = if default == "absent" { Value::Null } else { serde_json::from_str(default).unwrap() };
        assert_eq!(found.insert(field.trim_matches('`').to_owned(), default), None, "{field}: twice");
    }
    assert_eq!(found, expected, "mend the table of docs/recipes.md");
}

#[test]
fn the_examples_of_the_page_are_recipes() {
    let page = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recipes.md")).unwrap();
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        Recipe::from_toml(example).unwrap();
    }
}
