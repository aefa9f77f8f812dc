use super::*;

#[derive(Serialize)]
struct Answer {
    line: usize,
}

fn doer(adapter: Option<&str>) -> Doer {
    Doer {
        tool: "test".to_owned(),
        model: "scripted".to_owned(),
        adapter: adapter.map(str::to_owned),
        prompts: "p".to_owned(),
    }
}

fn begun(input: &Path, output: &Path, doer: Doer) -> Batch {
    match Batch::open(input, output, doer).expect("opens") {
        Opened::Begun(batch) => batch,
        Opened::Finished => panic!("it is not finished"),
    }
}

fn why(input: &Path, output: &Path, doer: Doer) -> String {
    match Batch::open(input, output, doer) {
        Err(BatchError::Other { why, .. }) => why,
        Err(fault) => panic!("{fault}"),
        Ok(_) => panic!("it opens"),
    }
}

/// Answers `most` lines and is then dropped, as a killed process would be.
fn some(input: &Path, output: &Path, most: usize) -> bool {
    let mut batch = begun(input, output, doer(None));
    for _ in 0..most {
        let Some((line, _)) = batch.next_line().expect("reads") else {
            batch.finish().expect("finishes");
            return true;
        };
        batch.write(&Answer { line }).expect("writes");
    }
    false
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(dir)
        .expect("reads")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_batch_goes_on_where_it_was_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    let lines: String = (0..100).map(|n| format!("{{\"text\":\"t{n}\"}}\n\n")).collect();
    fs_err::write(&input, lines).expect("writes");
    let mut rounds = 0;
    while !some(&input, &output, 7) {
        rounds += 1;
        // Half a line, as a kill in the middle of a write leaves it.
        let mut partial = OpenOptions::new().append(true).open(beside(&output, PARTIAL)).expect("opens");
        partial.write_all(b"{\"line\":").expect("writes");
    }
    // Every second line is empty, and is counted.
    let expected: String = (0..100).map(|n| format!("{{\"line\":{}}}\n", 2 * n + 1)).collect();
    assert_eq!(fs_err::read_to_string(&output).expect("reads"), expected);
    assert_eq!(rounds, 14);
    assert_eq!(files(dir.path()), ["in.jsonl", "out.jsonl"]);
    assert!(matches!(Batch::open(&input, &output, doer(None)), Err(BatchError::Exists(_))));
}

#[test]
fn a_changed_input_is_not_mixed_in() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    // The change is past the first MiB, and the size stays.
    let long = "{}\n".repeat(500_000);
    fs_err::write(&input, format!("{long}{{\"a\":1}}\n")).expect("writes");
    assert!(!some(&input, &output, 1));
    fs_err::write(&input, format!("{long}{{\"a\":2}}\n")).expect("writes");
    assert_eq!(why(&input, &output, doer(None)), "with another input");
    assert!(matches!(Batch::open(&input, &input, doer(None)), Err(BatchError::Exists(_))));
}

#[test]
fn answers_of_two_versions_are_not_mixed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    fs_err::write(&input, "{}\n{}\n").expect("writes");
    assert!(!some(&input, &output, 1));
    assert_eq!(
        why(&input, &output, doer(Some("test@2"))),
        "with another adapter (the base; now it is test@2)"
    );
    let other = Doer { prompts: "q".to_owned(), ..doer(None) };
    assert_eq!(why(&input, &output, other), "with other prompts, lists of attributes or limits");
    let other = Doer { tool: "other".to_owned(), ..doer(None) };
    assert_eq!(why(&input, &output, other), "with another tool or options (test; now it is other)");
    fs_err::write(beside(&output, LABEL), "{\"tool\":\"an older form\"}").expect("writes");
    assert_eq!(why(&input, &output, doer(None)), "by another version of this program");
}

#[test]
fn a_kill_between_the_name_and_the_tidying_up_leaves_a_finished_batch() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    fs_err::write(&input, "{}\n{}\n").expect("writes");
    assert!(!some(&input, &output, 2));
    // As finishing does, up to the kill.
    fs_err::rename(beside(&output, PARTIAL), &output).expect("renames");
    let other = Batch::open(&input, &output, doer(Some("test@2")));
    assert!(matches!(other, Err(BatchError::Exists(_))), "finished by somebody else");
    let done = Batch::open(&input, &output, doer(None)).expect("opens");
    assert!(matches!(done, Opened::Finished));
    assert_eq!(files(dir.path()), ["in.jsonl", "out.jsonl"]);
    assert_eq!(fs_err::read_to_string(&output).expect("reads").lines().count(), 2);
}

#[test]
fn what_is_made_of_the_answers_is_made_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out"));
    fs_err::write(&input, "{}\n{}\n").expect("writes");
    let make = |from: &Path| {
        let lines = fs_err::read_to_string(from)?.lines().count();
        fs_err::write(&output, lines.to_string())?;
        Ok::<_, BatchError>(())
    };
    assert!(!some(&input, &output, 2));
    // Killed after the output was made, and before the answers were tidied up.
    make(&beside(&output, PARTIAL)).expect("makes");
    assert!(matches!(Batch::open(&input, &output, doer(None)), Ok(Opened::Finished)));
    fs_err::remove_file(&output).expect("removes");
    let mut batch = begun(&input, &output, doer(None));
    while let Some((line, _)) = batch.next_line().expect("reads") {
        batch.write(&Answer { line }).expect("writes");
    }
    batch.finish_as(make).expect("finishes");
    assert_eq!(fs_err::read_to_string(&output).expect("reads"), "2");
    assert_eq!(files(dir.path()), ["in.jsonl", "out"]);
}

#[test]
fn two_do_not_make_the_same_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    fs_err::write(&input, "{}\n{}\n").expect("writes");
    let mut first = begun(&input, &output, doer(None));
    first.next_line().expect("reads");
    first.write(&Answer { line: 1 }).expect("writes");
    let fault = Batch::open(&input, &output, doer(None)).err().expect("refused");
    assert!(matches!(fault, BatchError::Busy(_)), "{fault}");
    assert!(fault.to_string().contains("out.jsonl: is being made by another process"), "{fault}");
    assert!(matches!(Batch::open(&input, &output, doer(Some("test@2"))), Err(BatchError::Busy(_))));
    first.next_line().expect("reads");
    first.write(&Answer { line: 2 }).expect("writes");
    first.finish().expect("finishes");
    let text = fs_err::read_to_string(&output).expect("reads");
    assert_eq!(text, "{\"line\":1}\n{\"line\":2}\n", "nothing of it was lost");
    assert_eq!(files(dir.path()), ["in.jsonl", "out.jsonl"]);
}

#[test]
fn a_line_has_its_number_in_the_file_also_after_a_kill() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    fs_err::write(&input, "\n{}\n \t\n\n{}\n{}\n\n").expect("writes");
    assert!(!some(&input, &output, 1));
    let mut batch = begun(&input, &output, doer(None));
    assert_eq!(batch.progress().lines, 1);
    while let Some((line, _)) = batch.next_line().expect("reads") {
        batch.write(&Answer { line }).expect("writes");
    }
    assert_eq!(batch.finish().expect("finishes").lines, 3);
    let text = fs_err::read_to_string(&output).expect("reads");
    assert_eq!(text, "{\"line\":2}\n{\"line\":5}\n{\"line\":6}\n");
}

#[test]
fn bad_lines_are_counted_not_fatal() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    let mut bytes = vec![b'x'; LINE as usize + 10];
    bytes.extend(b"\n\xff\xfe\nlast");
    fs_err::write(&input, bytes).expect("writes");
    let mut batch = begun(&input, &output, doer(None));
    let mut seen = Vec::new();
    while let Some((_, text)) = batch.next_line().expect("reads") {
        seen.push(text);
    }
    assert_eq!(
        seen,
        [Err("longer than 1048576 bytes".to_owned()), Err("not UTF-8".to_owned()), Ok("last".to_owned())]
    );
}

#[test]
fn what_is_no_file_is_refused_and_what_is_added_or_cut_meanwhile_is_noticed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    for none in [dir.path(), Path::new("/dev/null")] {
        let fault = Batch::check(none, &output).expect_err("refused");
        assert!(fault.to_string().contains("write it to a file first"), "{fault}");
    }
    fs_err::write(&input, "{}\n{}\n").expect("writes");
    let mut batch = begun(&input, &output, doer(None));
    let mut more = OpenOptions::new().append(true).open(&input).expect("opens");
    more.write_all(b"{}\n").expect("writes");
    while let Some((line, _)) = batch.next_line().expect("reads") {
        batch.write(&Answer { line }).expect("writes");
    }
    assert_eq!(batch.finish().expect("finishes").lines, 2, "as it was when it was begun");
    fs_err::remove_file(&output).expect("removes");
    let mut batch = begun(&input, &output, doer(None));
    fs_err::write(&input, "{}\n").expect("writes");
    while let Some((line, _)) = batch.next_line().expect("reads") {
        batch.write(&Answer { line }).expect("writes");
    }
    let fault = batch.finish().expect_err("it is another file");
    assert!(fault.to_string().contains("in.jsonl: became shorter while it was read; delete "), "{fault}");
    assert!(!output.exists());
}
