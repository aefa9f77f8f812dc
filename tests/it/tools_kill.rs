//! kill -9 in the middle of a batch: whatever was written stays, nothing is written twice.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Enough that a kill finds it at work.
const LINES: usize = 30_000;
/// As many where the model is told to take its time.
const SLOW_LINES: usize = 700;
const KILLS: u64 = 10;

fn batch(tool: &str, input: &Path, output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopclerk"));
    // Far from the adapters that ship: the scripted model would say their names.
    let folder = input.parent().unwrap();
    command.current_dir(folder).arg("--data").arg(folder.join("data"));
    command.args(["tool", tool, "--model", "scripted"]);
    command.arg("--input").arg(input).arg("--output").arg(output);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn size(path: &Path) -> u64 {
    fs_err::metadata(path).map_or(0, |known| known.len())
}

#[test]
fn a_batch_that_is_killed_ten_times_ends_complete_and_in_order() {
    let item = |n: usize| json!({"text": format!("Number {n}. It is good. It is not."), "explain": true});
    killed("sentiment", LINES, &item);
}

#[test]
fn a_batch_of_attributes_ends_complete_too() {
    let item =
        |n: usize| json!({"text": format!("[[slow 1]][[raw]]Number: {n}[[br]]Color: red[[end]] {n} red")});
    killed("extract", SLOW_LINES, &item);
}

/// What was made before a kill is known after it: every other source says what the one before it said.
#[test]
fn a_batch_of_pairs_ends_complete_and_no_pair_comes_twice() {
    let item = |n: usize| {
        let asked = format!("[[slow 1]][[raw]]Is article{} free of charge?[[end]]", n / 2);
        json!({"title": asked, "text": format!("Sending article{} back is free of charge.", n / 2)})
    };
    let made = killed("qa", SLOW_LINES, &item);
    let questions: Vec<&str> =
        made.iter().filter_map(|line| line["pairs"].get(0)?["question"].as_str()).collect();
    assert!(questions.len() > SLOW_LINES / 3, "{}", questions.len());
    assert_eq!(questions.iter().collect::<HashSet<_>>().len(), questions.len());
}

/// The answers of a run that was killed, which are those of one that was not.
fn killed(tool: &str, lines: usize, item: &dyn Fn(usize) -> Value) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.jsonl");
    // Some lines are no items: their errors are answers too.
    let line = |n: usize| match n % 7 {
        0 => "{\"text\": 7}\n".to_owned(),
        1 => "\n".to_owned(),
        _ => format!("{}\n", item(n)),
    };
    fs_err::write(&input, (0..lines).map(line).collect::<String>()).unwrap();
    let whole = dir.path().join("whole.jsonl");
    assert!(batch(tool, &input, &whole).status().unwrap().success());
    let expected = fs_err::read_to_string(&whole).unwrap();

    let (output, partial) = (dir.path().join("out.jsonl"), dir.path().join("out.jsonl.partial"));
    for kill in 1..=KILLS {
        let wanted = expected.len() as u64 * kill / (KILLS + 2);
        let mut child = batch(tool, &input, &output).spawn().unwrap();
        let started = Instant::now();
        while size(&partial) < wanted {
            assert!(child.try_wait().unwrap().is_none(), "it ended before kill {kill}");
            assert!(started.elapsed() < Duration::from_secs(120), "kill {kill}: nothing is written");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "kill {kill} came too late");
        assert!(!output.exists(), "what is not finished does not look finished");
    }
    assert!(batch(tool, &input, &output).status().unwrap().success());
    assert!(fs_err::read_to_string(&output).unwrap() == expected, "the same file as without kills");
    let answers: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "each once, in order");
    println!("{tool}: {KILLS} kills, {} answers", numbers.len());
    answers
}
