//! Files through the tools, with the scripted model: what a line says is its answer.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn command(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopclerk"));
    // Far from the adapters that ship: the scripted model would say their names.
    command.current_dir(data).arg("--data").arg(data.join("data")).arg("tool").args(args);
    command.args(["--model", "scripted"]).stdin(Stdio::null());
    command
}

fn tool(data: &Path, args: &[&str]) -> Output {
    command(data, args).output().unwrap()
}

fn ran(data: &Path, args: &[&str]) {
    let output = tool(data, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn json_lines(file: &Path) -> Vec<Value> {
    let text = fs_err::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(file: &Path, lines: &[Value]) {
    fs_err::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn a_line_that_is_too_long_is_a_line_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let lines = [
        json!({"text": "[[raw]]Brand: Crocs[[end]] Crocs", "attributes": ["Brand"]}),
        json!({"text": "x".repeat(8001)}),
        json!({"text": "[[raw]]Brand: Nike[[end]] Nike", "attributes": ["Brand"]}),
    ];
    write(&data.join("in.jsonl"), &lines);
    ran(data, &["extract", "--input", "in.jsonl", "--output", "out.jsonl"]);
    let found = json_lines(&data.join("out.jsonl"));
    assert_eq!(found.len(), 3);
    assert_eq!(found[1]["error"]["code"], "bad_item", "{}", found[1]);
    assert_eq!(
        (&found[0]["attributes"][0]["value"], &found[2]["attributes"][0]["value"]),
        (&json!("Crocs"), &json!("Nike"))
    );
    // A model that fails is no fault of a line: it ends the run, and what is done is kept.
    write(&data.join("fails.jsonl"), &[lines[0].clone(), json!({"text": "[[fail]]"})]);
    let failed = tool(data, &["extract", "--input", "fails.jsonl", "--output", "f.jsonl"]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(json_lines(&data.join("f.jsonl.partial")).len(), 1);
}

#[test]
fn a_file_is_not_begun_with_somebody_else_than_the_adapter_that_was_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    write(&data.join("in.jsonl"), &[json!({"text": "Fine."})]);
    let adapter = data.join("data/adapters/sentiment");
    fs_err::create_dir_all(adapter.join("2")).unwrap();
    fs_err::write(
        adapter.join("current.json"),
        json!({"revision": 1, "current": {"version": 2}}).to_string(),
    )
    .unwrap();
    fs_err::write(adapter.join("2/manifest.json"), "{\"name\": ").unwrap();
    let refused = tool(data, &["sentiment", "--input", "in.jsonl", "--output", "out.jsonl"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for part in ["sentiment@2 does this tool's work", "adapter rollback sentiment", "manifest.json"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!data.join("out.jsonl.partial").exists());
    // The base does the work of the other tools, as before.
    ran(data, &["qa", "--input", "in.jsonl", "--output", "qa.jsonl"]);
}

#[test]
fn an_id_comes_back_and_a_file_of_another_form_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let lines = [
        json!({"id": "r-1", "text": "Fine."}),
        json!({"text": "Fine.", "id": 7, "stars": 5}),
        json!({"text": "Fine."}),
    ];
    write(&data.join("in.jsonl"), &lines);
    ran(data, &["sentiment", "--input", "in.jsonl", "--output", "out.jsonl"]);
    let made = json_lines(&data.join("out.jsonl"));
    let ids: Vec<Option<&Value>> = made.iter().map(|line| line.get("id")).collect();
    assert_eq!(ids, [Some(&json!("r-1")), Some(&json!(7)), None]);
    assert!(made[1]["error"]["message"].as_str().unwrap().contains("unknown field `stars`"), "{}", made[1]);
    write(&data.join("other.jsonl"), &[json!({"review": "Fine."}), json!({"review": "Bad."})]);
    let refused = tool(data, &["sentiment", "--input", "other.jsonl", "--output", "other.out"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("no line could be answered; the first fault: line 1: unknown field `review`"),
        "{said}"
    );
}

/// The scripted model asks what the title tells it to.
fn source(title: &str, text: &str) -> Value {
    json!({"title": format!("[[raw]]Are returns free?[[end]]{title}"), "text": text})
}

#[test]
fn pairs_of_many_sources_come_once_and_become_an_faq_and_rows() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let lines = [
        source("", "Returns are free for 30 days."),
        json!({"text": ""}),
        source("", "All returns of the shop are free."),
        source("boots", "Returns of boots are not free of charge."),
        json!({"turns": [{"by": "shopper", "text": "Can I pay by card?"}, {"by": "staff", "text": "Of course you can pay by card."}]}),
    ];
    write(&data.join("in.jsonl"), &lines);
    ran(data, &["qa", "--input", "in.jsonl", "--output", "pairs.jsonl"]);
    let made: Vec<usize> = json_lines(&data.join("pairs.jsonl"))
        .iter()
        .map(|l| l["pairs"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(made, [1, 0, 0, 1, 1]);
    // A file that was begun knows what it has made, after a kill.
    ran(data, &["qa", "--input", "in.jsonl", "--output", "whole.jsonl"]);
    let whole = fs_err::read_to_string(data.join("whole.jsonl")).unwrap();
    assert!(!tool(data, &["qa", "--input", "in.jsonl", "--output", "whole.jsonl"]).status.success());

    ran(data, &["qa", "--input", "in.jsonl", "--as", "rows", "--output", "rows.jsonl"]);
    let rows = json_lines(&data.join("rows.jsonl"));
    assert_eq!(rows.len(), 3);
    assert_eq!(
        rows[2]["messages"].as_array().unwrap().last().unwrap()["content"],
        "Of course you can pay by card."
    );
    assert_eq!((&rows[2]["source"]["line"], &rows[2]["source"]["turn"]), (&json!(5), &json!(1)));
    ran(data, &["qa", "--input", "in.jsonl", "--as", "faq", "--output", "faq"]);
    assert_eq!(fs_err::read_dir(data.join("faq/policies")).unwrap().count(), 3);
    let canned: Vec<Value> =
        serde_json::from_str(&fs_err::read_to_string(data.join("faq/canned.json")).unwrap()).unwrap();
    assert_eq!(canned[2]["text"], "Of course you can pay by card.");
    let mut left: Vec<String> = fs_err::read_dir(data)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.retain(|name| name != "data");
    left.sort();
    assert_eq!(left, ["faq", "in.jsonl", "pairs.jsonl", "rows.jsonl", "whole.jsonl"]);
    assert_eq!(fs_err::read_to_string(data.join("pairs.jsonl")).unwrap(), whole);
    let refused = tool(data, &["extract", "--input", "in.jsonl", "--as", "faq", "--output", "x"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--as: only `tool qa`"));
}

fn product(id: &str, description: &str, attributes: Value) -> Value {
    json!({
        "id": id, "name": id, "category": "", "price": "1", "description": description,
        "attributes": attributes, "stock": 1,
    })
}

fn catalogue(shop: &Path) -> Vec<Value> {
    serde_json::from_str(&fs_err::read_to_string(shop.join("products.json")).unwrap()).unwrap()
}

#[test]
fn a_catalogue_gets_new_attributes_and_keeps_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let (data, shop) = (dir.path(), dir.path().join("shop"));
    fs_err::create_dir(&shop).unwrap();
    let before = [
        product(
            "boot",
            "[[raw]]Color: red[[br]]Material: leather[[end]] red leather",
            json!({"colour": "Rust"}),
        ),
        product("mug", "[[raw]]Color: blue[[br]]Size: [[end]] blue", json!({})),
        product("long", &"x ".repeat(5000), json!({})),
    ];
    fs_err::write(shop.join("products.json"), serde_json::to_string_pretty(&before).unwrap()).unwrap();
    ran(data, &["extract", "--shop", "shop", "--dry-run"]);
    assert_eq!(catalogue(&shop), before, "a dry run changes nothing");
    let planned = fs_err::read_to_string(shop.join("enrichment.dry-run.jsonl")).unwrap();
    ran(data, &["extract", "--shop", "shop"]);
    let now = catalogue(&shop);
    assert_eq!(now[0]["attributes"], json!({"colour": "Rust", "Material": "leather"}));
    assert_eq!(now[1]["attributes"], json!({"Color": "blue"}), "an empty value is none");
    assert_eq!(now[2], before[2]);
    assert_eq!(
        fs_err::read_to_string(shop.join("enrichment.jsonl")).unwrap(),
        planned,
        "as the dry run said"
    );
    let report = json_lines(&shop.join("enrichment.jsonl"));
    assert_eq!(
        (&report[0]["kept"][0]["name"], &report[0]["kept"][0]["value"]),
        (&json!("colour"), &json!("Rust"))
    );
    assert!(report[2]["fault"].as_str().unwrap().contains("limit"), "{}", report[2]);
    for one in
        report.iter().flat_map(|row| row["added"].as_array().unwrap().iter().map(move |one| (row, one)))
    {
        let (text, at) = (one.0["text"].as_str().unwrap(), |key: &str| one.1[key].as_u64().unwrap() as usize);
        let piece: String = text.chars().skip(at("start")).take(at("end") - at("start")).collect();
        assert_eq!(one.1["value"], piece);
    }
    // Once more: nothing is new, and the report of before is kept beside the new one.
    ran(data, &["extract", "--shop", "shop"]);
    assert_eq!(catalogue(&shop), now);
    let mut left: Vec<String> = fs_err::read_dir(&shop)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["enrichment.dry-run.jsonl", "enrichment.jsonl", "enrichment.jsonl.old", "products.json"]
    );
    let refused = tool(data, &["sentiment", "--shop", "shop"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--shop: only `tool extract`"));
    // With a file, the folder only says which shop it is; and before the command as after it.
    fs_err::write(
        data.join("in.jsonl"),
        "{\"text\": \"[[raw]]Brand: Crocs[[end]] Crocs\", \"attributes\": [\"Brand\"]}\n[\"Crocs\"]\n",
    )
    .unwrap();
    ran(data, &["extract", "--shop", "shop", "--input", "in.jsonl", "--output", "out.jsonl"]);
    let lines = json_lines(&data.join("out.jsonl"));
    assert_eq!(
        (&lines[0]["attributes"][0]["value"], &lines[1]["error"]["code"]),
        (&json!("Crocs"), &json!("bad_line"))
    );
    assert_eq!(catalogue(&shop), now);
    let refused = tool(data, &["extract", "--shop", "shop", "--min-confidence", "2"]);
    assert_eq!(refused.status.code(), Some(2));
}

/// How far a process stands back.
#[cfg(target_os = "linux")]
fn niceness(process: &str) -> i32 {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name may hold spaces; what follows it begins with field 3.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[test]
fn what_the_owner_changes_while_a_run_goes_on_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (data, shop) = (dir.path(), dir.path().join("shop"));
    fs_err::create_dir(&shop).unwrap();
    let save = |products: &[Value]| {
        fs_err::write(shop.join("products.json"), serde_json::to_string_pretty(products).unwrap()).unwrap();
    };
    let boot = product("boot", "[[raw]]Color: red[[end]] red", json!({}));
    // Seconds for the owner to work in.
    let mug = product("mug", "[[slow 1500]][[raw]]Color: blue[[end]] blue", json!({}));
    let cap = product("cap", "[[raw]]Color: green[[end]] green", json!({}));
    save(&[boot.clone(), mug.clone(), cap]);
    let extract = ["extract", "--shop", "shop", "--nice"];
    let mut run = command(data, &extract).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let partial = shop.join("enrichment.jsonl.partial");
    let started = Instant::now();
    while fs_err::metadata(&partial).map_or(0, |known| known.len()) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
    #[cfg(target_os = "linux")]
    assert_eq!(niceness(&run.id().to_string()), (niceness("self") + 10).min(19));
    let (mut text, mut price) = (boot, mug);
    text["description"] = json!("A boot of another kind.");
    price["price"] = json!("2");
    let new = product("new", "Nobody has read it.", json!({}));
    save(&[text.clone(), price.clone(), new.clone()]);
    assert!(run.try_wait().unwrap().is_none(), "the owner came too late");
    let said = String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("2 products were changed or taken out meanwhile"), "{said}");
    price["attributes"] = json!({"Color": "blue"});
    assert_eq!(catalogue(&shop), [text, price, new]);
    let report = json_lines(&shop.join("enrichment.jsonl"));
    let changed: Vec<bool> = report.iter().map(|row| row["changed"] == json!(true)).collect();
    assert_eq!(changed, [true, false, true]);
    assert_eq!(report[0]["added"], json!([]));
}

#[test]
fn a_second_run_of_the_same_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    write(
        &data.join("in.jsonl"),
        &[
            json!({"text": "[[raw]]none[[end]]", "attributes": ["Brand"]}),
            json!({"text": "[[slow 3000]][[raw]]none[[end]]", "attributes": ["Brand"]}),
        ],
    );
    let extract = ["extract", "--input", "in.jsonl", "--output", "out.jsonl"];
    let mut first = command(data, &extract).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while fs_err::metadata(data.join("out.jsonl.partial")).map_or(0, |known| known.len()) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = tool(data, &extract);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("is being made by another process"), "{said}");
    assert!(first.wait().unwrap().success());
    assert_eq!(json_lines(&data.join("out.jsonl")).len(), 2);
}
