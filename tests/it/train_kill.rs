//! kill -9 at any moment, a full disk: the real trainer in a process of its own, on a small random model.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shopclerk::domain::recipe::Recipe;
use shopclerk::domain::run::StepLog;
use shopclerk::train::run::{Folder, journal};

use super::train_made::{losses, model, run_folder};

fn recipe(base: &Path) -> Recipe {
    let mut recipe = Recipe { base: base.display().to_string(), ..Recipe::default() };
    (recipe.data.dev, recipe.data.test, recipe.data.max_tokens) = (0.2, 0.2, 200);
    (recipe.lora.rank, recipe.lora.dropout, recipe.lora.plus) = (4, 0.1, 4.0);
    (recipe.train.epochs, recipe.train.lr, recipe.train.eval_every, recipe.train.threads) = (4.0, 1e-2, 3, 1);
    recipe
}

/// A trainer that saves after every step.
fn trainer(dir: &Path, resume: &[&str]) -> Command {
    saving("0", dir, resume)
}

/// A trainer that saves where a look at the dev part was the best so far, and after so many seconds.
fn saving(seconds: &str, dir: &Path, resume: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopclerk"));
    command.args(["train", "--save-every", seconds]).args(resume).arg(dir).stdin(Stdio::null());
    command
}

fn logs(dir: &Path) -> Vec<StepLog> {
    journal::read(&Folder::new(dir)).unwrap()
}

fn adapter(dir: &Path) -> Vec<u8> {
    fs_err::read(dir.join("adapter/adapter_model.safetensors")).unwrap()
}

/// An unbroken run to compare with.
fn whole(dir: &Path) -> (PathBuf, PathBuf) {
    let base = model(dir);
    let folder = run_folder(&dir.join("whole"), &recipe(&base), 40);
    let output = trainer(&folder, &[]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (base, folder)
}

#[test]
fn killed_at_twenty_random_steps_every_resume_ends_with_the_same_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let (base, whole) = whole(dir.path());
    let expected = logs(&whole);
    let steps = expected.last().unwrap().step;
    assert!(expected.last().unwrap().loss < expected[1].loss, "it learns");
    let mut random = 0x5eed_u64;
    for round in 0..20 {
        let folder = run_folder(&dir.path().join(format!("r{round}")), &recipe(&base), 40);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (random >> 33) as usize % steps;
        // Every other one has lost steps when it goes on, and makes them again.
        let every = ["0", "3600"][round % 2];
        let mut child = saving(every, &folder, &[]).stderr(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(child.stderr.take().unwrap()).lines();
        let wanted = format!("step {at} of ");
        // Killed as soon as it says so: in the middle of writing the checkpoint, or of the next step.
        let seen = told.map_while(Result::ok).any(|line| line.starts_with(&wanted));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(seen && !status.success(), "round {round}: {status} before step {at}");
        let output = saving(every, &folder, &["--resume"]).output().unwrap();
        assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(losses(&logs(&folder)), losses(&expected), "round {round}, killed after step {at}");
        assert_eq!(adapter(&folder), adapter(&whole), "round {round}, killed after step {at}");
        fs_err::remove_dir_all(folder).unwrap();
    }
    println!("20 kills in {steps} steps, 20 equal adapters");
}

#[test]
fn a_cancelled_run_goes_on_with_resume() {
    let dir = tempfile::tempdir().unwrap();
    let (base, whole) = whole(dir.path());
    let folder = run_folder(&dir.path().join("cancelled"), &recipe(&base), 40);
    fs_err::write(folder.join("control"), "cancel\n").unwrap();
    let output = trainer(&folder, &[]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("cancelled; `shopclerk train --resume "), "{told}");
    let output = trainer(&folder, &["--resume"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(adapter(&folder), adapter(&whole));
}

/// The shell's limit on the size of a file stands for a disk that is full.
#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (base, whole) = whole(dir.path());
    let folder = run_folder(&dir.path().join("full"), &recipe(&base), 40);
    let weights = fs_err::metadata(whole.join("adapter/adapter_model.safetensors")).unwrap().len();
    let output = Command::new("bash")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"",
            "bash",
            &(weights / 1024).to_string(),
        ])
        .arg(env!("CARGO_BIN_EXE_shopclerk"))
        .args(["train", "--save-every", "0"])
        .arg(&folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("--resume"), "{told}");
    let left: Vec<_> = fs_err::read_dir(folder.join("checkpoints")).unwrap().collect();
    assert!(left.is_empty(), "no half of a checkpoint: {left:?}");
    let output = trainer(&folder, &["--resume"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(adapter(&folder), adapter(&whole));
    assert_eq!(losses(&logs(&folder)), losses(&logs(&whole)));
}

/// Read by TensorBoard itself; `make test` makes a Python that has it.
#[test]
fn the_real_tensorboard_reads_the_event_files() {
    let Some(python) = super::need::tensorboard() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (base, whole) = whole(dir.path());
    let folder = run_folder(&dir.path().join("broken"), &recipe(&base), 40);
    let mut child = trainer(&folder, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.map_while(Result::ok).any(|line| line.starts_with("step 7 of ")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(trainer(&folder, &["--resume"]).output().unwrap().status.success());
    for run in [&whole, &folder] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tensorboard_reader.py");
        let output = Command::new(&python).arg(script).arg(run).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}
