//! The child process of the crash tests: this very test binary, started again with one test and a few variables.
//!
//! `write` keeps sending messages and says on its standard output what was acknowledged; it is made to be killed.
//! `read` opens a store, looks at everything and prints what it found as one line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};

use serde::{Deserialize, Serialize};
use shopclerk::clock::Clock;
use shopclerk::domain::{Cmid, Command, ConvId, Ended, Event, MessageId, Opening, Said, Seq, Speaker};
use shopclerk::store::{Settings, Store, StoreError, Whose};
use uuid::Uuid;

use super::store::{conv, settings, shopper};

/// Conversations that write at the same time.
pub(crate) const WRITERS: u128 = 8;

/// True for a long run: more kills, every system call, more places to damage.
pub(crate) fn soak() -> bool {
    std::env::var_os("SHOPCLERK_SOAK").is_some()
}

/// One acknowledged message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ack {
    pub(crate) conv: ConvId,
    pub(crate) cmid: Cmid,
    pub(crate) seq: Seq,
}

/// What `read` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The code of the error of opening, if it failed.
    pub(crate) refused: Option<String>,
    pub(crate) message: String,
    pub(crate) rebuilt: bool,
    pub(crate) torn_bytes: u64,
    pub(crate) damage: Vec<String>,
    pub(crate) faults: Vec<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) acknowledges: bool,
}

/// A child that has not been started yet; `before` is put in front of its command line.
pub(crate) fn child(mode: &str, dir: &Path, before: &[&str]) -> Process {
    let me = std::env::current_exe().unwrap();
    let mut process = match before {
        [] => Process::new(&me),
        [program, args @ ..] => {
            let mut process = Process::new(program);
            process.args(args).arg(&me);
            process
        }
    };
    process
        .args(["--exact", "store_child::process", "--ignored", "--nocapture", "--test-threads=1"])
        .env("STORE_CHILD", mode)
        .env("STORE_CHILD_DIR", dir)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    process
}

/// Text of message `n`: long enough that a few hundred fill a journal file.
pub(crate) fn text(n: u128) -> String {
    format!("message {n} {}", "lorem ".repeat(n as usize * 7 % 500))
}

/// The messages a writer sends, by their ids: the same for everybody who asks.
pub(crate) fn message(round: u128, writer: u128, n: u128) -> Command {
    let cmid = Cmid(Uuid::from_u128(round << 64 | writer << 32 | n));
    let text = Said::parse(&text(n)).unwrap();
    Command::Say { cmid, by: Speaker::Shopper, text }
}

pub(crate) fn conv_of(round: u128, writer: u128) -> ConvId {
    conv(round * 1_000 + writer + 1)
}

/// Reads lines of a child that begin with `word`, without it.
pub(crate) fn lines<'a>(child: &mut Child, word: &'a str) -> impl Iterator<Item = String> + 'a {
    let out = BufReader::new(child.stdout.take().unwrap());
    out.lines().map_while(Result::ok).filter_map(move |line| line.strip_prefix(word).map(str::to_owned))
}

/// Opens the store in a process of its own, which may not take longer than a minute.
pub(crate) fn read(dir: &Path) -> Seen {
    let mut child = child("read", dir, &[]).spawn().unwrap();
    // To the end: a child that cannot write to its pipe ends badly.
    let seen = lines(&mut child, "SEEN ").last();
    let status = child.wait().unwrap();
    let seen =
        seen.unwrap_or_else(|| panic!("{}: the reader said nothing and ended with {status}", dir.display()));
    assert!(status.success(), "the reader ended with {status}");
    serde_json::from_str(&seen).unwrap()
}

fn variable(name: &str, or: u128) -> u128 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or)
}

fn say(line: &str) {
    // One write for a line: a killed child never leaves half of one behind another.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

#[test]
#[ignore = "the crash tests start this as a process of its own"]
fn process() {
    // The test harness has begun a line of its own.
    say("");
    let dir = std::env::var("STORE_CHILD_DIR").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var("STORE_CHILD").unwrap().as_str() {
        "write" => runtime.block_on(write(Path::new(&dir))),
        "read" => {
            // A hang is a failure, said by the missing line.
            std::thread::spawn(|| {
                std::thread::sleep(std::time::Duration::from_secs(60));
                std::process::exit(70);
            });
            let seen = runtime.block_on(look(Path::new(&dir)));
            say(&format!("SEEN {}", serde_json::to_string(&seen).unwrap()));
        }
        "erase" => runtime.block_on(erase(Path::new(&dir))),
        other => panic!("{other}"),
    }
}

async fn write(dir: &Path) {
    let (round, count) = (variable("STORE_CHILD_ROUND", 0), variable("STORE_CHILD_COUNT", u128::MAX));
    let (min_free_mib, ballast_mib) = (0, variable("STORE_CHILD_BALLAST", 0) as u64);
    let settings = Settings { segment_mib: 1, min_free_mib, ballast_mib, ..settings() };
    let store = match Store::open(dir, &settings, Clock::System) {
        Ok(store) => store,
        Err(error) => return say(&format!("ERR {}", error.code())),
    };
    say("OPEN");
    let writers: Vec<_> =
        (0..WRITERS).map(|w| tokio::spawn(writer(store.clone(), round, w, count))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    store.close().await;
    say("CLOSED");
}

/// Erases a shopper, and opens the store once more: then nothing is left.
async fn erase(dir: &Path) {
    let store = Store::open(dir, &settings(), Clock::System).unwrap();
    store.erase(Whose::Shopper(shopper(1))).await.unwrap();
    say("ERASED");
    store.close().await;
    drop(store);
    Store::open(dir, &settings(), Clock::System).unwrap().close().await;
}

/// One conversation: messages, now and then a reply of the model around them.
async fn writer(store: Store, round: u128, writer: u128, count: u128) {
    let conv = conv_of(round, writer);
    let opened = store.commit(conv, Command::Open(Opening { shopper: shopper(writer) })).await;
    if failed(opened.map(|_| ())) {
        return;
    }
    for n in 0..count {
        let outcome = store.commit(conv, message(round, writer, n)).await;
        match outcome {
            Ok(committed) => {
                let Command::Say { cmid, .. } = message(round, writer, n) else { unreachable!() };
                let ack = Ack { conv, cmid, seq: committed.head.seq };
                say(&format!("ACK {}", serde_json::to_string(&ack).unwrap()));
            }
            Err(error) => {
                let stopped = matches!(error, StoreError::Failed(_));
                if failed(Err(error)) {
                    // Once stopped, stopped for good.
                    if stopped && store.commit(conv, message(round, writer, n + 1)).await.is_ok() {
                        say("LATE");
                    }
                    return;
                }
            }
        }
        if n % 4 == 3 {
            let mid = MessageId(Uuid::from_u128(n));
            let begun = store.commit(conv, Command::Begin { mid, epoch: 0 }).await;
            if let Ok(Some(job)) = begun.map(|b| b.job) {
                let text = "An answer.".to_owned();
                let finish = Command::Finish { job, text, ended: Ended::Complete, provenance: None };
                let _ = store.commit(conv, finish).await;
            }
        }
    }
}

/// True if there is no point in going on.
fn failed(outcome: Result<(), StoreError>) -> bool {
    match outcome {
        Ok(()) | Err(StoreError::Busy) => false,
        Err(error) => {
            say(&format!("ERR {}", error.code()));
            true
        }
    }
}

async fn look(dir: &Path) -> Seen {
    let mut seen = Seen {
        refused: None,
        message: String::new(),
        rebuilt: false,
        torn_bytes: 0,
        damage: Vec::new(),
        faults: Vec::new(),
        events: Vec::new(),
        acknowledges: false,
    };
    let outcome = examine(dir, &mut seen).await;
    if let Err(error) = outcome {
        seen.refused = Some(error.code().to_owned());
        seen.message = error.to_string();
    }
    seen
}

async fn examine(dir: &Path, seen: &mut Seen) -> Result<(), StoreError> {
    let store = Store::open(dir, &settings(), Clock::System)?;
    seen.rebuilt = store.recovery().rebuilt.is_some();
    seen.torn_bytes = store.recovery().torn_bytes;
    seen.damage.clone_from(&store.recovery().damage);
    let verified = store.verify(&|_, _, _| {})?;
    seen.faults = verified.faults.iter().map(|f| format!("{}: {}", f.place, f.what)).collect();
    for (conv, _) in store.conversations(None, usize::MAX)? {
        seen.events.extend(store.events(conv, 0, usize::MAX)?);
    }
    let fresh = ConvId(Uuid::new_v4());
    seen.acknowledges = store.commit(fresh, Command::Open(Opening { shopper: shopper(1) })).await.is_ok();
    store.close().await;
    Ok(())
}
