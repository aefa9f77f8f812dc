//! `shopclerk bench sockets`: what idle shoppers cost, and what hostile ones can make the server hold.
//!
//! The server is a child process with the scripted model, the clients are in this process. Linux only: memory is read from
//! `/proc`.

mod abuse;

use std::time::Duration;

use anyhow::Context;

use super::Figure;
use super::child::{Child, Model};
use super::client::{Shopper, Wire};
use crate::config::Config;

/// Idle sockets.
const IDLE: usize = 5_000;
/// Messages timed with and without them.
const MESSAGES: usize = 60;
/// How many clients are opened at once.
const AT_ONCE: usize = 64;
/// Well past the first heartbeat of every socket, and well before the second.
const SETTLE: Duration = Duration::from_secs(32);

pub(super) async fn measure(_config: Config) -> anyhow::Result<Vec<Figure>> {
    raise_file_limit()?;
    let mut figures = idle().await?;
    figures.extend(abuse::measure().await?);
    Ok(figures)
}

async fn idle() -> anyhow::Result<Vec<Figure>> {
    let server = Child::start(&Model::Scripted).await?;
    let shoppers = in_turns(IDLE, |_| server.shopper()).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = server.memory()?.resident;
    let sockets = in_turns(IDLE, |n| server.greeted(&shoppers[n])).await?;
    tokio::time::sleep(SETTLE).await;
    let after = server.memory()?.resident;
    let (busy, quiet) = talk(&server).await?;
    let open = server.connections().await?;
    drop(sockets);
    anyhow::ensure!(
        open >= IDLE as u64,
        "only {open} of {IDLE} sockets were still open when the memory was read"
    );
    let each = (after.saturating_sub(before)) as f64 / IDLE as f64;
    let mib = |kib: u64| kib as f64 / 1024.0;
    Ok(vec![
        figure("memory of one idle socket (5,000 open)", each, "KiB", None, "< 20", each < 20.0),
        versus("resident memory with 5,000 idle sockets", mib(after), "MiB", mib(before), "-", true),
        versus(
            "message to ack, median, 5,000 idle against none",
            median(&busy.acks),
            "ms",
            median(&quiet.acks),
            "<= 2x",
            median(&busy.acks) <= 2.0 * median(&quiet.acks).max(1.0),
        ),
        versus(
            "message to first piece, median, 5,000 idle against none",
            median(&busy.firsts),
            "ms",
            median(&quiet.firsts),
            "<= 2x",
            median(&busy.firsts) <= 2.0 * median(&quiet.firsts).max(1.0),
        ),
    ])
}

/// Milliseconds from a message to its acknowledgement, and to the first piece of its answer.
#[derive(Default)]
struct Talk {
    acks: Vec<f64>,
    firsts: Vec<f64>,
}

/// Asks `server` and a fresh one without idle sockets in turns, so that whatever else the machine does meets both.
async fn talk(server: &Child) -> anyhow::Result<(Talk, Talk)> {
    let empty = Child::start(&Model::Scripted).await?;
    let mut busy = server.greeted(&server.shopper().await?).await?;
    let mut quiet = empty.greeted(&empty.shopper().await?).await?;
    let (mut with, mut without) = (Talk::default(), Talk::default());
    for n in 0..MESSAGES {
        with.ask(&mut busy, n).await?;
        without.ask(&mut quiet, n).await?;
    }
    Ok((with, without))
}

impl Talk {
    async fn ask(&mut self, wire: &mut Wire, n: usize) -> anyhow::Result<()> {
        let (ack, first) = wire.ask(&format!("question {n}")).await?;
        self.acks.push(ack.as_secs_f64() * 1e3);
        self.firsts.push(first.as_secs_f64() * 1e3);
        Ok(())
    }
}

/// The median.
fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs `make` for 0..n, [`AT_ONCE`] at a time, in order.
async fn in_turns<T, F: Future<Output = anyhow::Result<T>>>(
    n: usize,
    make: impl Fn(usize) -> F,
) -> anyhow::Result<Vec<T>> {
    use futures_util::{StreamExt, TryStreamExt};
    futures_util::stream::iter((0..n).map(make)).buffered(AT_ONCE).try_collect().await
}

pub(super) fn figure(
    name: &str,
    value: f64,
    unit: &'static str,
    reference: Option<f64>,
    target: &'static str,
    met: bool,
) -> Figure {
    Figure::new(name, value, unit, reference, target, met)
}

fn versus(
    name: &str,
    value: f64,
    unit: &'static str,
    reference: f64,
    target: &'static str,
    met: bool,
) -> Figure {
    figure(name, value, unit, Some(reference), target, met)
}

/// As many open files as the system lets this process have; the child inherits it.
fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let enough = IDLE as u64 + 500;
    if limit.maximum.is_some_and(|most| most < enough) {
        anyhow::bail!(
            "this needs {enough} open files, the limit is {}; raise it with `ulimit -n`",
            limit.maximum.unwrap_or(0)
        );
    }
    limit.current = limit.maximum.map(|most| most.min(enough.max(65_536))).or(Some(65_536));
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}
