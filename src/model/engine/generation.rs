//! Bounded memory for the prefix cache.
//!
//! On a CPU, mistralrs 0.8.1 keeps the keys and values of every finished answer for ever: its eviction counts only
//! device caches. So the engine thread is replaced by a fresh one over the same weights when the kept ones
//! outgrow their budget, at a moment when nothing runs. After a quiet one the shared prefix is run again.
//!
//! The base model and each adapter have generations of their own, all in one runner and never addressed by default.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mistralrs::core::{AddModelConfig, MistralRs, Pipeline, SchedulerConfig};
use mistralrs::{NormalRequest, Request, Response};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::super::ModelError;
use super::{crew, request};
use crate::domain::prompt::Prompt;

/// The cache of a sequence grows in steps of this many tokens (mistralrs-core `NormalCache::CACHE_GROW_SIZE`).
const STEP: u64 = 512;

/// How long a shopper reads, at least, before the next question.
const REST: Duration = Duration::from_secs(2);

/// A busy pipeline is waited for so often, and so long after each time.
const TRIES: usize = 20;
const MOMENT: Duration = Duration::from_millis(2);

/// Tells engines of one process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A name that no engine has had before.
pub(super) fn fresh_name(variant: &str) -> String {
    format!("{variant}#{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub(super) struct Plan {
    pub(super) runner: Arc<MistralRs>,
    /// The adapter's name, or that of the base model.
    pub(super) variant: String,
    /// Its first engine.
    pub(super) first: String,
    pub(super) pipeline: Arc<tokio::sync::Mutex<dyn Pipeline>>,
    pub(super) scheduler: SchedulerConfig,
    pub(super) config: AddModelConfig,
    pub(super) bytes_per_token: u64,
    /// Bytes the kept keys and values may take.
    pub(super) budget: u64,
    pub(super) on_gpu: bool,
}

pub(super) struct Generations {
    plan: Plan,
    /// The engine that new requests go to.
    current: Mutex<String>,
    kept: AtomicU64,
    prefix: Mutex<Option<Prompt>>,
    failed: AtomicBool,
    /// Requests that were sent, or are about to be, and have not ended.
    running: AtomicUsize,
    ended: Notify,
    /// Somebody waits for a quiet moment to renew it.
    resting: AtomicBool,
    /// Nothing may be added any more.
    retired: AtomicBool,
}

/// A request to a variant; the variant is not removed while it lives.
pub(super) struct InFlight(Arc<Generations>);

impl InFlight {
    pub(super) fn generations(&self) -> &Arc<Generations> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

impl Generations {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            current: Mutex::new(plan.first.clone()),
            plan,
            kept: AtomicU64::new(0),
            prefix: Mutex::new(None),
            failed: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            ended: Notify::new(),
            resting: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        }
    }

    /// Counts one more request, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        self.running.fetch_add(1, Ordering::AcqRel);
        InFlight(self.clone())
    }

    /// Waits for the last request, ends the engine, and waits until its weights are gone. Nobody else may hold `self` to send
    /// new requests.
    pub(super) async fn remove(self: Arc<Self>) {
        self.retired.store(true, Ordering::SeqCst);
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                break;
            }
            ended.await;
        }
        let weights = self.plan.pipeline.clone();
        let (runner, name) = (self.plan.runner.clone(), lock(&self.current).clone());
        // It blocks, and holds the lock of the engines while it does.
        let removed = tokio::task::spawn_blocking(move || runner.remove_model(&name)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(?removed, "an engine could not be removed");
        }
        drop(self);
        // The engine's thread ends by itself a moment later. Whoever lets go last frees the weights: it has to be this task, or
        // they would still be on their way when the freed memory is given back.
        for _ in 0..500 {
            if Arc::strong_count(&weights) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if Arc::strong_count(&weights) > 1 {
            tracing::warn!("an engine was removed, but something still holds its weights");
        }
        let _ = tokio::task::spawn_blocking(move || drop(weights)).await;
        super::memory::give_back().await;
    }

    /// Names the engine that must take `request`.
    pub(super) fn address(&self, request: NormalRequest) -> (String, Request) {
        let mut request = if self.plan.on_gpu { request } else { crew::enlisting(request) };
        let model = lock(&self.current).clone();
        request.model_id = Some(model.clone());
        (model, Request::Normal(Box::new(request)))
    }

    pub(super) async fn send(&self, model: &str, request: Request) -> Result<(), ModelError> {
        let outcome = async {
            let sender =
                self.plan.runner.get_sender(Some(model)).map_err(|f| ModelError::Engine(f.to_string()))?;
            tokio::time::timeout(super::ACCEPT, sender.send(request))
                .await
                .map_err(|_| ModelError::Engine("the engine does not take requests".to_owned()))?
                .map_err(|_| ModelError::Engine("the engine has stopped".to_owned()))
        }
        .await;
        self.failed.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }

    pub(super) fn alive(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// An answer of `tokens` tokens, prompt included, was finished and is kept by the engine.
    pub(super) fn count(&self, tokens: u32) {
        let bytes = u64::from(tokens).div_ceil(STEP) * STEP * self.plan.bytes_per_token;
        self.kept.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The prefix to run again on a fresh engine.
    pub(super) fn remember_prefix(&self, prompt: Prompt) {
        *lock(&self.prefix) = Some(prompt);
    }

    /// Starts afresh if the kept keys and values are over budget and the caller is the only one running. The caller's own prompt
    /// brings back the prefix that it shares with others: a tool's is not that of chats.
    pub(super) async fn renew_if_full(&self, permits: &Semaphore, parallel: usize) {
        if self.kept.load(Ordering::Relaxed) <= self.plan.budget {
            return;
        }
        // The caller holds one permit; with all the others in hand nobody else runs.
        let others = u32::try_from(parallel.saturating_sub(1)).unwrap_or(u32::MAX);
        let Ok(_alone) = permits.try_acquire_many(others) else { return };
        self.renew().await;
    }

    /// Starts afresh in a quiet moment, long before it has to be, so that no shopper waits for it.
    pub(super) async fn renew_at_rest(self: Arc<Self>, permits: Arc<Semaphore>, parallel: usize) {
        if !self.is_half_full() || self.resting.swap(true, Ordering::AcqRel) {
            return;
        }
        let all = u32::try_from(parallel).unwrap_or(u32::MAX);
        let weak = Arc::downgrade(&self);
        drop(self);
        loop {
            // Not held meanwhile: its weights go when it is retired.
            tokio::time::sleep(REST).await;
            let Some(this) = weak.upgrade() else { return };
            // Counted first: whoever retires this waits for it, or is seen here.
            let _flight = this.enter();
            if !this.is_half_full() || this.retired.load(Ordering::SeqCst) {
                return this.resting.store(false, Ordering::Release);
            }
            if let Ok(_alone) = permits.try_acquire_many(all) {
                this.renew().await;
                this.run_prefix().await;
            }
        }
    }

    fn is_half_full(&self) -> bool {
        self.kept.load(Ordering::Relaxed) > self.plan.budget / 2
    }

    /// Nobody else may be running.
    async fn renew(&self) {
        let plan = &self.plan;
        let fresh = fresh_name(&plan.variant);
        if !self.add(&fresh).await {
            tracing::warn!("the engine could not be renewed; its cache stays");
            return;
        }
        let old = std::mem::replace(&mut *lock(&self.current), fresh.clone());
        self.kept.store(0, Ordering::Relaxed);
        let runner = plan.runner.clone();
        // It blocks, and holds the lock of the engines while it does.
        let removed = tokio::task::spawn_blocking(move || runner.remove_model(&old)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(?removed, "the old engine could not be removed");
        }
        super::memory::give_back().await;
        tracing::debug!(generation = fresh, "the prefix cache was emptied");
        self.enlist().await;
    }

    /// Adds an engine over the same weights. The old engine's thread holds the pipeline for moments after its last answer, and
    /// adding a model does not wait for it but panics, on a task of its own here.
    async fn add(&self, name: &str) -> bool {
        let plan = &self.plan;
        for _ in 0..TRIES {
            drop(plan.pipeline.lock().await);
            tokio::time::sleep(MOMENT).await;
            if plan.pipeline.try_lock().is_err() {
                continue;
            }
            let (runner, name) = (plan.runner.clone(), name.to_owned());
            let (pipeline, scheduler, config) =
                (plan.pipeline.clone(), plan.scheduler.clone(), plan.config.clone());
            let added =
                tokio::spawn(async move { runner.add_model(name, pipeline, scheduler, config).await }).await;
            if matches!(added, Ok(Ok(()))) {
                return true;
            }
            tracing::debug!(?added, "an engine could not be added");
        }
        false
    }

    /// Has the prefix that chats share ready for the next one.
    async fn run_prefix(&self) {
        let prefix = lock(&self.prefix).clone();
        if let Some(prefix) = prefix {
            self.run(|sender| request::chat(prefix, sender)).await;
        }
    }

    /// Has a fresh engine's thread join the others over one token, so that it is fast from its first prompt on. The caller
    /// holds the permit.
    pub(super) async fn enlist(&self) {
        if !self.plan.on_gpu {
            self.run(|sender| Ok(request::tokens(vec![0], sender))).await;
        }
    }

    /// The caller already holds the permit, so this goes straight to the engine.
    async fn run(&self, make: impl FnOnce(mpsc::Sender<Response>) -> Result<NormalRequest, ModelError>) {
        let (sender, mut receiver) = mpsc::channel(1);
        let Ok(request) = make(sender) else { return };
        let (model, request) = self.address(request);
        if self.send(&model, request).await.is_ok() {
            while receiver.recv().await.is_some() {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds this. This is a bug.")
}
