//! kill -9 in the middle of a batch: whatever was written stays, nothing is written twice.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Enough that a kill finds it at work.
const LINES: usize = 30_000;
const KILLS: u64 = 10;

fn batch(data: &Path, input: &Path, output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopclerk"));
    command.arg("--data").arg(data).args(["tool", "sentiment", "--model", "scripted"]);
    command.arg("--input").arg(input).arg("--output").arg(output);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn size(path: &Path) -> u64 {
    fs_err::metadata(path).map_or(0, |known| known.len())
}

#[test]
fn a_batch_that_is_killed_ten_times_ends_complete_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (data, input) = (dir.path().join("data"), dir.path().join("in.jsonl"));
    // Some lines are no items: their errors are answers too.
    let line = |n: usize| match n % 7 {
        0 => "{\"text\": 7}\n".to_owned(),
        1 => "\n".to_owned(),
        _ => format!("{{\"text\": \"Number {n}. It is good. It is not.\", \"explain\": true}}\n"),
    };
    fs_err::write(&input, (0..LINES).map(line).collect::<String>()).unwrap();
    let whole = dir.path().join("whole.jsonl");
    assert!(batch(&data, &input, &whole).status().unwrap().success());
    let expected = fs_err::read_to_string(&whole).unwrap();

    let (output, partial) = (dir.path().join("out.jsonl"), dir.path().join("out.jsonl.partial"));
    for kill in 1..=KILLS {
        let wanted = expected.len() as u64 * kill / (KILLS + 2);
        let mut child = batch(&data, &input, &output).spawn().unwrap();
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
    assert!(batch(&data, &input, &output).status().unwrap().success());
    assert!(fs_err::read_to_string(&output).unwrap() == expected, "the same file as without kills");
    let lines: Vec<u64> = expected
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].as_u64().unwrap())
        .collect();
    assert!(lines.is_sorted_by(|a, b| a < b), "each once, in order");
    println!("{KILLS} kills, {} answers", lines.len());
}
