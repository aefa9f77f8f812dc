//! `shopclerk bench swap`: a promotion and a rollback under a client that chats without a break.
//!
//! The server is a child process with the real model and an adapter of random numbers, small enough that the model still
//! speaks. Versions are changed as `shopclerk adapter` does it; who made a reply is read from the server's own counters.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;

use super::Figure;
use super::child::{self, Child, Model};
use super::client::{Shopper, Wire};
use crate::config::Config;
use crate::domain::run::Manifest;
use crate::model::adapters::{AdapterId, Base, CONFIG, Force, Lora, Promotion, Registry, TARGETS, WEIGHTS};
use crate::model::library;
use crate::telemetry::metric;

/// Tokens of an answer: about what a shop's answers have.
const LONG: usize = 48;
/// Promotions and rollbacks; medians are shown.
const ROUNDS: usize = 3;
/// Longer than any swap should take.
const PATIENCE: Duration = Duration::from_secs(120);
const NAME: &str = "shop";

pub(super) async fn measure(config: Config) -> anyhow::Result<Vec<Figure>> {
    let folder = library::resolve(&config.models_dir(), &config.model.name)
        .context("the figures are those of the real model")?;
    let started = Instant::now();
    let server = Child::start(&Model::Folder(folder.path.clone(), LONG)).await?;
    let restart = started.elapsed().as_secs_f64();
    let registry = Registry::new(server.data().join("adapters"), Vec::new());
    let base = Base::read(&folder.path, &registry.cache())?;
    let id = publish(&registry, &base)?;
    let shop = Shop { server, registry, base, id, model: folder.name };
    let memory = shop.memory().await?;
    let times = shop.times().await?;
    let (promote, back) = (super::chat::median(&times.promoted), super::chat::median(&times.rolled_back));
    let Memory { before, beside, kept, alone } = memory;
    Ok(vec![
        Figure::new("promote, nobody chats", alone, "s", Some(restart), "< 5", alone < 5.0),
        Figure::new(
            "promote to first word of the new version",
            promote,
            "s",
            Some(restart),
            "< 5",
            promote < 5.0,
        ),
        Figure::new("rollback to first word of the old version", back, "s", Some(restart), "< 5", back < 5.0),
        Figure::new("requests failed", times.failed as f64, "", None, "0", times.failed == 0),
        Figure::new(
            "memory of an adapter beside the base",
            beside,
            "MiB",
            Some(before),
            "<= 1.2x",
            beside <= before * 1.2,
        ),
        Figure::new("memory kept after a rollback", kept, "MiB", Some(before), "< 200", kept < 200.0),
    ])
}

/// A server with an adapter that can be promoted.
struct Shop {
    server: Child,
    registry: Registry,
    base: Base,
    id: AdapterId,
    /// Who answers without it.
    model: String,
}

/// MiB before, more with an adapter, more after it has gone; and the seconds a promotion took with nobody chatting.
struct Memory {
    before: f64,
    beside: f64,
    kept: f64,
    alone: f64,
}

/// Seconds of each round, and requests that failed in all.
struct Times {
    promoted: Vec<f64>,
    rolled_back: Vec<f64>,
    failed: usize,
}

impl Shop {
    fn promote(&self) -> anyhow::Result<u64> {
        let (id, by) = (self.id.clone(), "bench".to_owned());
        let wish = Promotion { id, share: None, by, force: Force::Yes, at: now() };
        Ok(self.registry.promote(&wish, Some(&self.base))?.revision)
    }

    fn roll_back(&self) -> anyhow::Result<u64> {
        Ok(self.registry.roll_back(NAME, "bench", now())?.revision)
    }

    async fn until_noticed(&self, revision: u64) -> anyhow::Result<()> {
        let waited = Instant::now();
        while self.registry.noticed(NAME)?.is_none_or(|noticed| noticed < revision) {
            anyhow::ensure!(waited.elapsed() < PATIENCE, "the server does not follow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// With nobody chatting: what finished answers keep must not be taken for what adapters keep.
    async fn memory(&self) -> anyhow::Result<Memory> {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let before = mib(settled(&self.server).await?);
        let asked = Instant::now();
        self.until_noticed(self.promote()?).await?;
        let alone = asked.elapsed().as_secs_f64();
        let beside = mib(settled(&self.server).await?) - before;
        self.until_noticed(self.roll_back()?).await?;
        let kept = mib(settled(&self.server).await?) - before;
        Ok(Memory { before, beside, kept, alone })
    }

    async fn times(&self) -> anyhow::Result<Times> {
        let mut client = Client::start(&self.server);
        client.until(&self.model).await?;
        let mut times = Times { promoted: Vec::new(), rolled_back: Vec::new(), failed: 0 };
        for _ in 0..ROUNDS {
            let asked = Instant::now();
            self.promote()?;
            let first = client.until(&self.id.to_string()).await?;
            times.promoted.push(first.duration_since(asked).as_secs_f64());
            let asked = Instant::now();
            self.roll_back()?;
            let first = client.until(&self.model).await?;
            times.rolled_back.push(first.duration_since(asked).as_secs_f64());
        }
        times.failed = client.stop();
        Ok(times)
    }
}

fn now() -> u64 {
    crate::clock::Clock::System.now()
}

/// Resident memory once the last version has gone, in KiB: the least of five seconds.
async fn settled(server: &Child) -> anyhow::Result<u64> {
    let mut least = u64::MAX;
    for _ in 0..25 {
        least = least.min(server.memory()?.resident);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(least)
}

/// An adapter of rank 8 on all linear layers with small random numbers.
fn publish(registry: &Registry, base: &Base) -> anyhow::Result<AdapterId> {
    let dir = tempfile::tempdir().context("cannot make a folder for the adapter")?;
    let lora = Lora { rank: 8, alpha: 8.0, targets: TARGETS.map(str::to_owned).to_vec() };
    let config = serde_json::json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": lora.rank, "lora_alpha": lora.alpha,
        "target_modules": lora.targets, "bias": "none",
    });
    fs_err::write(dir.path().join(CONFIG), config.to_string())?;
    let mut rng = StdRng::seed_from_u64(7);
    let tensors: BTreeMap<String, ([usize; 2], Vec<u8>)> = base
        .tensors(&lora)
        .into_iter()
        .map(|(name, shape)| {
            let data = (0..shape[0] * shape[1]).flat_map(|_| rng.random_range(-0.01f32..0.01).to_le_bytes());
            let data = data.collect();
            (name, (shape, data))
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, (shape, data))| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data)?;
            Ok((name, view))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    fs_err::write(dir.path().join(WEIGHTS), safetensors::serialize(views, None)?)?;
    let manifest = Manifest {
        name: NAME.to_owned(),
        version: 0,
        base: "the model under measurement".to_owned(),
        base_fingerprint: base.fingerprint().to_owned(),
        weights_hash: String::new(),
        data_hash: String::new(),
        recipe: String::new(),
        scorecard: None,
        run: None,
        created_at: now(),
        forced_by: None,
        tainted: false,
        files: Default::default(),
    };
    Ok(registry.publish(dir.path(), manifest)?)
}

/// A reply: who made it, and when its first word came.
struct Heard {
    by: String,
    first: Instant,
}

/// Shoppers who ask one after the other, without a break.
struct Client {
    heard: mpsc::UnboundedReceiver<anyhow::Result<Heard>>,
    failed: usize,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    fn start(server: &Child) -> Self {
        let address = server.address;
        let (tell, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut before = BTreeMap::new();
            for n in 0.. {
                let outcome = ask(address, n, &mut before).await;
                if tell.send(outcome).is_err() {
                    return;
                }
            }
        });
        Self { heard, failed: 0, task }
    }

    /// When the first word of the next reply by `by` came.
    async fn until(&mut self, by: &str) -> anyhow::Result<Instant> {
        let waited = Instant::now();
        while waited.elapsed() < PATIENCE {
            match tokio::time::timeout(PATIENCE, self.heard.recv()).await?.context("the client has ended")? {
                Ok(heard) if heard.by == by => return Ok(heard.first),
                Ok(_) => {}
                Err(fault) => {
                    tracing::error!(%fault, "a request failed");
                    self.failed += 1;
                }
            }
        }
        bail!("no reply by {by} within {} s", PATIENCE.as_secs())
    }

    /// How many requests failed in all.
    fn stop(mut self) -> usize {
        self.task.abort();
        while let Ok(outcome) = self.heard.try_recv() {
            self.failed += usize::from(outcome.is_err());
        }
        self.failed
    }
}

/// One question by somebody new: with a past, the new version would have to read all of it first.
async fn ask(address: SocketAddr, n: usize, before: &mut BTreeMap<String, f64>) -> anyhow::Result<Heard> {
    let shopper = Shopper::parse(&child::request(address, "POST", "/v1/shopper/session", "").await?)?;
    let mut wire = Wire::open(address, &shopper).await?;
    wire.hello(&shopper).await?;
    let asked = Instant::now();
    let (_, first) = wire.ask(&super::chat::small_talk(n)).await?;
    let page = child::request(address, "GET", "/metrics", "").await?;
    Ok(Heard { by: who_replied(&page, before)?, first: asked + first })
}

/// Whose counter of replies has grown since the last call; only `complete` and `length` are replies.
fn who_replied(page: &str, before: &mut BTreeMap<String, f64>) -> anyhow::Result<String> {
    let mut now: BTreeMap<String, f64> = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix(metric::REPLIES)) {
        let Some((labels, value)) = line.rsplit_once(' ') else { continue };
        let Some(by) = labels.split("by=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
        if !labels.contains("\"complete\"") && !labels.contains("\"length\"") {
            continue;
        }
        *now.entry(by.to_owned()).or_default() += value.parse::<f64>().unwrap_or(0.0);
    }
    let grown = now.iter().find(|(by, n)| before.get(*by).copied().unwrap_or(0.0) < **n);
    let by = grown.map(|(by, _)| by.clone());
    *before = now;
    by.context("the server counted no reply")
}
