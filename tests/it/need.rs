//! What a test needs beside this repository, and what is said where that is missing.
//!
//! `make test` sets most of it up and runs with `SHOPCLERK_REQUIRE=1`: there a missing model, a missing right or tool is a
//! failure. In the inner loop such a test is skipped, in one line that cargo does not swallow.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shopclerk::model::DEFAULT_MODEL;

fn is_required() -> bool {
    std::env::var_os("SHOPCLERK_REQUIRE").is_some_and(|value| value == "1")
}

/// One line for a test that cannot run; past the capture of cargo, which shows nothing of a test that passed.
pub(crate) fn skip(why: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "skipped: {}: {why}", thread.name().unwrap_or("a test"));
}

/// Something that `make test` is there for.
fn missing(what: &str) {
    assert!(!is_required(), "{what} (SHOPCLERK_REQUIRE=1; `SHOPCLERK_REQUIRE=0 make test` does without)");
    skip(what);
}

/// The folder of the default model.
pub(crate) fn model() -> Option<PathBuf> {
    let models = std::env::var_os("SHOPCLERK_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models"), PathBuf::from);
    let folder = Some(models.join(DEFAULT_MODEL)).filter(|folder| folder.is_dir());
    if folder.is_none() {
        missing("no model; run `shopclerk model pull` and set SHOPCLERK_MODELS");
    }
    folder
}

/// A file of golden numbers that lies in this repository.
pub(crate) fn golden(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    fs_err::read_to_string(folder.join(file)).unwrap()
}

/// A golden file too large for the repository; a plain clone has none.
#[cfg(any(feature = "llm", feature = "train"))]
pub(crate) fn shared_golden(file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SHOPCLERK_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = Some(shared.join("golden").join(file)).filter(|path| path.is_file());
    if path.is_none() {
        skip(&format!("no {file}, which is not in the repository; set SHOPCLERK_SHARED"));
    }
    path
}

/// True if strace can do its work here.
pub(crate) fn strace() -> bool {
    let output = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let works = output.is_ok_and(|output| output.status.success());
    // There is no strace elsewhere, and so nothing that could be required.
    if !works && !cfg!(target_os = "linux") {
        skip("strace is a tool of Linux");
    } else if !works {
        missing("strace is missing or may not attach here");
    }
    works
}

/// Mounts a small file system at `folder`: true if that may be done. The caller unmounts it.
pub(crate) fn tmpfs(folder: &Path, options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).stderr(Stdio::null());
    let mounted = mount.status().is_ok_and(|status| status.success());
    if !mounted {
        missing("mounting a small disk needs root");
    }
    mounted
}

/// A Python (`SHOPCLERK_PYTHON`) that has the package `tensorboard`, which `make test` installs.
#[cfg(feature = "train")]
pub(crate) fn tensorboard() -> Option<PathBuf> {
    let python = python_with(&["tensorboard"]);
    if python.is_none() {
        missing("set SHOPCLERK_PYTHON to a Python with the package tensorboard");
    }
    python
}

/// A Python with PyTorch and PEFT. These are gigabytes, so that even `make test` does without; the golden numbers stay.
#[cfg(feature = "train")]
pub(crate) fn peft() -> Option<PathBuf> {
    let python = std::env::var_os("SHOPCLERK_PEFT_PYTHON").map(PathBuf::from);
    if python.is_none() {
        skip("no Python with torch, transformers and peft; `make peft` makes one");
    }
    python
}

#[cfg(feature = "train")]
fn python_with(packages: &[&str]) -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("SHOPCLERK_PYTHON")?);
    let script = format!(
        "import importlib.util as u, sys; sys.exit(not all(u.find_spec(p) for p in {:?}.split()))",
        packages.join(" ")
    );
    let found = Command::new(&python).args(["-c", &script]).status();
    found.is_ok_and(|status| status.success()).then_some(python)
}
