//! `shopclerk bench store`: messages offered at a steady rate by many conversations, each acknowledged when it is on the
//! disk. The reference is a plain file that the same bytes are appended to and synced, grouped in the same way.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Figure;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Cmid, Command, ConvId, EventKind, Opening, Said, ShopperId, Speaker};
use crate::store::{Settings, Store, StoreError};

/// Conversations that the messages are spread over.
const CONVERSATIONS: u64 = 500;
/// 1,050 messages a second, a little more than the target, so that reaching it is possible.
const EVERY: Duration = Duration::from_nanos(1_000_000_000 / 1_050);
const LASTS: Duration = Duration::from_secs(60);
const REFERENCE_LASTS: Duration = Duration::from_secs(20);
/// Messages of the run without a fixed rate, and how many wait at once.
const RUSH: u64 = 100_000;
const RUSH_WAITING: usize = 512;
/// The store's own grouping.
const GROUP: usize = 256;

pub(super) async fn measure(config: Config) -> anyhow::Result<Vec<Figure>> {
    fs_err::create_dir_all(&config.data)?;
    // On the disk the shop's store is on: another one may be faster or slower.
    let dir = tempfile::Builder::new().prefix("bench-store-").tempdir_in(&config.data)?;
    let settings = Settings { min_free_mib: 256, ballast_mib: 0, ..config.store };
    let place = dir.path().join("store");
    let store = Store::open(&place, &settings, Clock::System)?;
    let convs = open_conversations(&store).await?;

    let steady = {
        let (store, convs) = (store.clone(), Arc::clone(&convs));
        at_a_rate(LASTS, move |n| say(store.clone(), Arc::clone(&convs), n)).await?
    };
    let before_rush = bytes_in(&place.join("journal"))?;
    let bytes = usize::try_from(before_rush / steady.sent)?;
    let rush = rush(&store, &convs, steady.sent).await?;
    store.close().await;

    let opening = Instant::now();
    let store = Store::open(&place, &settings, Clock::System)?;
    let opening = opening.elapsed();
    let stored = count_messages(&store, &convs)?;
    store.close().await;

    let raw = Raw::start(&dir.path().join("raw"), bytes)?;
    let reference = {
        let raw = raw.clone();
        at_a_rate(REFERENCE_LASTS, move |_| {
            let raw = raw.clone();
            async move { raw.append().await }
        })
        .await?
    };
    let raw_rush = raw.rush().await?;
    let sent = (steady.sent + RUSH) as f64;
    Ok(vec![
        figure("acknowledged messages, 1,050 offered a second for 60 s", steady.rate, "1/s", ">= 1000")
            .beside(reference.rate)
            .met(steady.rate >= 1000.0),
        figure("message to acknowledgement, p50", steady.quantile(0.5), "ms", "")
            .beside(reference.quantile(0.5))
            .met(true),
        figure("message to acknowledgement, p99", steady.quantile(0.99), "ms", "< 20")
            .beside(reference.quantile(0.99))
            .met(steady.quantile(0.99) < 20.0),
        figure("message to acknowledgement, slowest", steady.quantile(1.0), "ms", "")
            .beside(reference.quantile(1.0))
            .met(true),
        figure("acknowledged messages, 512 waiting at any time", rush, "1/s", "").beside(raw_rush).met(true),
        figure("acknowledged messages found after reopening", stored as f64, "messages", "all")
            .beside(sent)
            .met(stored == steady.sent + RUSH),
        figure("opening the store with these messages", opening.as_secs_f64(), "s", "< 10")
            .met(opening < Duration::from_secs(10)),
    ])
}

fn figure(name: &str, value: f64, unit: &'static str, target: &'static str) -> Figure {
    Figure { figure: name.to_owned(), value, unit, reference: None, ratio: None, target, met: false }
}

impl Figure {
    fn beside(mut self, reference: f64) -> Self {
        self.reference = Some(reference);
        self.ratio = (reference > 0.0).then(|| self.value / reference);
        self
    }

    fn met(mut self, met: bool) -> Self {
        self.met = met;
        self
    }
}

/// What a run at a fixed rate showed.
struct Steady {
    sent: u64,
    /// Acknowledgements a second, from the first offer to the last acknowledgement.
    rate: f64,
    /// Milliseconds from when a message was due to its acknowledgement, sorted.
    waits: Vec<f64>,
}

impl Steady {
    fn quantile(&self, q: f64) -> f64 {
        let at = ((self.waits.len() as f64 * q).ceil() as usize).clamp(1, self.waits.len());
        self.waits[at - 1]
    }
}

/// Offers message `n` when it is due, whether or not earlier ones are done, and waits for all.
async fn at_a_rate<F, W>(lasts: Duration, work: F) -> anyhow::Result<Steady>
where
    F: Fn(u64) -> W,
    W: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < lasts {
        // The moment it was due: being late ourselves counts as waiting.
        let due = ticks.tick().await.into_std();
        let message = work(sent);
        tasks.spawn(async move { message.await.map(|()| due.elapsed()) });
        sent += 1;
    }
    let mut waits = Vec::new();
    while let Some(done) = tasks.join_next().await {
        waits.push(done??.as_secs_f64() * 1000.0);
    }
    let rate = sent as f64 / started.elapsed().as_secs_f64();
    waits.sort_by(f64::total_cmp);
    Ok(Steady { sent, rate, waits })
}

async fn open_conversations(store: &Store) -> anyhow::Result<Arc<[ConvId]>> {
    let mut convs = Vec::new();
    for _ in 0..CONVERSATIONS {
        let conv = ConvId(Clock::System.fresh_id());
        store.commit(conv, Command::Open(Opening { shopper: ShopperId(Uuid::new_v4()) })).await?;
        convs.push(conv);
    }
    Ok(convs.into())
}

/// Message `n`: about 200 bytes, as shoppers write.
async fn say(store: Store, convs: Arc<[ConvId]>, n: u64) -> anyhow::Result<()> {
    let text = format!(
        "Hello, I ordered the blue rain jacket in size M last week (order {n:07}) and it is a little too tight. \
         Can I change it for an L, and how long does that take? I leave for a holiday on the 14th."
    );
    let command = Command::Say {
        cmid: Cmid(Clock::System.fresh_id()),
        by: Speaker::Shopper,
        text: Said::parse(&text).context("a plain text")?,
    };
    // As a client does: refused because too many wait, it sends again; the wait counts.
    loop {
        match store.commit(convs[(n % CONVERSATIONS) as usize], command.clone()).await {
            Err(StoreError::Busy) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => return other.map(|_| ()).context("a message was not stored"),
        }
    }
}

/// Messages a second when there are always some waiting.
async fn rush(store: &Store, convs: &Arc<[ConvId]>, from: u64) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..RUSH {
        if tasks.len() >= RUSH_WAITING
            && let Some(done) = tasks.join_next().await
        {
            done??;
        }
        tasks.spawn(say(store.clone(), Arc::clone(convs), from + n));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(RUSH as f64 / started.elapsed().as_secs_f64())
}

/// Distinct messages on the disk.
fn count_messages(store: &Store, convs: &[ConvId]) -> anyhow::Result<u64> {
    let mut found = HashSet::new();
    for conv in convs {
        for event in store.events(*conv, 0, usize::MAX)? {
            if let EventKind::Said { cmid, .. } = event.kind {
                ensure!(found.insert(cmid), "a message is stored twice. This is a bug.");
            }
        }
    }
    Ok(found.len() as u64)
}

fn bytes_in(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs_err::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// The reference: a thread that appends the bytes of what is waiting to one file, syncs, and answers.
#[derive(Clone)]
struct Raw(mpsc::Sender<oneshot::Sender<()>>);

impl Raw {
    /// `bytes` is what one message takes in the store's journal.
    fn start(path: &Path, bytes: usize) -> anyhow::Result<Self> {
        let mut file = fs_err::File::create(path)?;
        let (sender, mut waiting) = mpsc::channel::<oneshot::Sender<()>>(4096);
        std::thread::Builder::new().name("bench-raw".into()).spawn(move || -> std::io::Result<()> {
            while let Some(first) = waiting.blocking_recv() {
                let mut group = vec![first];
                while group.len() < GROUP
                    && let Ok(next) = waiting.try_recv()
                {
                    group.push(next);
                }
                file.write_all(&vec![b'x'; bytes * group.len()])?;
                file.sync_data()?;
                for answer in group {
                    let _ = answer.send(());
                }
            }
            Ok(())
        })?;
        Ok(Self(sender))
    }

    async fn append(&self) -> anyhow::Result<()> {
        let (answer, done) = oneshot::channel();
        self.0.send(answer).await.ok().context("the reference file could not be written")?;
        done.await.context("the reference file could not be synced")
    }

    async fn rush(&self) -> anyhow::Result<f64> {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..RUSH {
            if tasks.len() >= RUSH_WAITING
                && let Some(done) = tasks.join_next().await
            {
                done??;
            }
            let raw = self.clone();
            tasks.spawn(async move { raw.append().await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(RUSH as f64 / started.elapsed().as_secs_f64())
    }
}
