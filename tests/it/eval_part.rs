//! The part of a recipe's data that an adapter was not trained on, found again without its run.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use shopclerk::domain::recipe::{Objective, Recipe, TooLong};
use shopclerk::domain::run::{Labelled, Part, Row};
use shopclerk::eval::labelled;
use shopclerk::eval::part::{Source, of_recipe, write};
use shopclerk::train::data::prepare::{Place, prepare};
use shopclerk::train::data::task::TaskPrompts;
use shopclerk::train::run::{Folder, Net, Order, Start, run};

use super::train_made::{Heard, Point, Script, tokenizer};

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                      {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Reviews of several sentences; some say the same, within a part and over two, and some are too long.
fn reviews() -> String {
    let line = |n: usize| {
        let text = match n % 17 {
            3 => "It is good.".to_owned(),
            5 => format!("Too long {n} {}", "x".repeat(300)),
            _ => format!("Sentence {n} of a review."),
        };
        let label = ["positive", "neutral", "negative"][n % 3];
        format!("{}\n", json!({"id": format!("{}_{}", n / 4, n % 4), "text": text, "label": label}))
    };
    (0..160).map(line).collect()
}

fn recipe() -> Recipe {
    let mut recipe = Recipe { name: "sentiment".to_owned(), objective: Objective::Task, ..Recipe::default() };
    recipe.data.files = vec!["reviews.jsonl".into()];
    (recipe.data.dev, recipe.data.test) = (0.2, 0.2);
    (recipe.data.max_tokens, recipe.data.too_long) = (160, TooLong::Drop);
    (recipe.train.epochs, recipe.train.lr, recipe.lora.rank) = (1.0, 0.05, 3);
    recipe
}

fn facts(row: &Row) -> (String, String, Option<Labelled>) {
    (row.id.clone(), row.group.clone(), row.labelled.clone())
}

#[test]
fn a_part_is_found_again_exactly_as_the_run_had_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["run", "recipes", "downloads"] {
        fs_err::create_dir(at(folder)).unwrap();
    }
    tokenizer(&at("base"), CHATML);
    fs_err::write(at("downloads").join("reviews.jsonl"), reviews()).unwrap();
    let wording =
        TaskPrompts { system: String::new(), user: "{{ text }}".into(), labels: Vec::new(), absent: None };
    let recipe = recipe();

    // A run, as the trainer makes it.
    fs_err::write(at("run").join("recipe.toml"), recipe.to_toml()).unwrap();
    let place = Place {
        folder: &at("run"),
        beside: &at("downloads"),
        now: 1_700_000_000_000,
        wording: Some(&wording),
        clean: None,
    };
    let report = prepare(&recipe, place).unwrap();
    assert!(report.duplicates > 0);
    let folder = Folder::new(at("run"));
    let make = |recipe: &Recipe| Ok(Box::new(Point::new(recipe)) as Box<dyn Net>);
    let order = Order {
        folder: &folder,
        base: &at("base"),
        start: Start::Fresh,
        make: &make,
        now: 1_700_000_000_000,
        save_every: Duration::ZERO,
    };
    run(&order, &mut Script::go(), &mut Heard::default()).unwrap().expect("it ends");
    let parts: HashMap<String, Part> =
        serde_json::from_str(&fs_err::read_to_string(at("run").join("parts.json")).unwrap()).unwrap();
    assert!(parts.len() < report.rows, "some rows are in no part");

    // The same from recipe and files alone.
    let folders = [at("downloads")];
    let source = Source {
        beside: &at("recipes"),
        folders: &folders,
        base: &at("base"),
        wording: &wording,
        now: 1_800_000_000_000,
    };
    for part in [Part::Train, Part::Dev, Part::Test] {
        let held = of_recipe(&recipe, source, part).unwrap();
        let of_run = labelled::of_run(&at("run"), part).unwrap();
        assert!(!held.rows.is_empty());
        assert_eq!(held.rows, of_run);
        assert_eq!(held.rows_sha256, report.rows_sha256);
        // Written to a file and read again, they are scored as the run's are.
        let file = at("part.jsonl");
        write(&held.rows, &mut fs_err::File::create(&file).unwrap()).unwrap();
        let read: Vec<_> = labelled::of_file(&file).unwrap().iter().map(facts).collect();
        assert_eq!(read, of_run.iter().map(facts).collect::<Vec<_>>());
    }
    let fault = of_recipe(&recipe, Source { folders: &[], ..source }, Part::Test).unwrap_err();
    assert_eq!(fault.to_string(), "reviews.jsonl: not beside the recipe; name its folder with --files");
}
