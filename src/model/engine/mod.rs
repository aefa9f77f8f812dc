//! The real model: mistralrs in the process. The only place that names it.
//!
//! A prompt takes one of a few permits, is sent to the engine thread as a streaming request, and its chunks are turned
//! into pieces. Always streaming, always drained or dropped: a dropped one-shot request makes mistralrs 0.8.1 panic.
//!
//! An adapter is the whole model once more with the adapter merged into its weights, beside the base; all share the permits.

mod crew;
mod generation;
mod likelihood;
mod load;
mod memory;
mod merge;
mod request;
mod sampler;
mod score;
mod tools;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use mistralrs::{NormalRequest, Response};
use tokenizers::Tokenizer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::generation::{Generations, InFlight};
use super::adapters::Bundle;
use super::stop::stop_at;
use super::{Answer, Facts, Health, Model, ModelError, Opening, Passage, Settings};
use crate::domain::prompt::{Message, Piece, Prompt, Role};

/// A loaded model.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    facts: Facts,
    tokenizer: Arc<Tokenizer>,
    base: Arc<Generations>,
    /// By `name@version`.
    variants: Mutex<BTreeMap<String, Arc<Generations>>>,
    source: load::Source,
    /// Shared by all variants: what runs at once is bounded by the machine.
    permits: Arc<Semaphore>,
    /// What new variants run before they answer.
    prefix: Mutex<Option<Prompt>>,
}

impl Engine {
    /// Loads the model in `folder` and runs one forward pass, so that a broken one is refused here and not by a shopper.
    ///
    /// # Errors
    /// [`ModelError::Engine`] with the engine's own words if the folder is no model it can run.
    pub async fn load(folder: &Path, name: &str, settings: &Settings) -> Result<Self, ModelError> {
        let loaded = load::load(folder, name, settings).await?;
        let permits = Arc::new(Semaphore::new(loaded.facts.parallel));
        let engine = Self(Arc::new(Inner {
            facts: loaded.facts,
            tokenizer: loaded.tokenizer,
            base: loaded.base,
            variants: Mutex::default(),
            source: loaded.source,
            permits,
            prefix: Mutex::default(),
        }));
        engine.prove_generations(&engine.0.base).await?;
        memory::give_back().await;
        Ok(engine)
    }

    /// One token: a tensor that is missing from the weights, or numbers that overflow, show only now. Of the prefix that all
    /// prompts share, once it is known, so that it is in the cache as well.
    async fn prove_generations(&self, variant: &Arc<Generations>) -> Result<(), ModelError> {
        let hello = || Prompt { messages: vec![Message::new(Role::User, "Hello")], ..Prompt::default() };
        let prefix = lock(&self.0.prefix).clone();
        if let Some(prefix) = &prefix {
            variant.remember_prefix(prefix.clone());
        }
        let prompt = Prompt { max_tokens: 1, ..prefix.unwrap_or_else(hello) };
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| ModelError::Incomplete)?;
        variant.enlist().await;
        let logits = score::logits_of(self, variant.enter(), permit, |sender| request::chat(prompt, sender));
        if logits.await?.iter().all(|logit| logit.is_finite()) {
            return Ok(());
        }
        Err(ModelError::Engine("its answers are not numbers".to_owned()))
    }

    /// The variant that answers `prompt`, held until the guard is dropped.
    fn enter(&self, adapter: Option<&str>) -> Result<InFlight, ModelError> {
        let Some(adapter) = adapter else { return Ok(self.0.base.enter()) };
        let variants = lock(&self.0.variants);
        variants.get(adapter).map(Generations::enter).ok_or_else(|| ModelError::NoAdapter(adapter.to_owned()))
    }

    async fn start(self, prompt: Prompt) -> Result<Running, ModelError> {
        let flight = self.enter(prompt.adapter.as_deref())?;
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| ModelError::Incomplete)?;
        flight.generations().renew_if_full(&self.0.permits, self.0.facts.parallel).await;
        self.send(flight, permit, |sender| request::chat(prompt, sender)).await
    }

    async fn send(
        &self,
        flight: InFlight,
        permit: OwnedSemaphorePermit,
        make: impl FnOnce(mpsc::Sender<Response>) -> Result<NormalRequest, ModelError>,
    ) -> Result<Running, ModelError> {
        let (sender, receiver) = mpsc::channel(1);
        let (model, request) = flight.generations().address(make(sender)?);
        flight.generations().send(&model, request).await?;
        let permits = self.0.permits.clone();
        Ok(Running {
            line: Some((receiver, permit, flight)),
            permits,
            at_once: self.0.facts.parallel,
            ended: false,
        })
    }

    async fn build(&self, adapter: Bundle) -> Result<(), ModelError> {
        let name = adapter.id.to_string();
        if lock(&self.0.variants).contains_key(&name) {
            return Ok(());
        }
        let variant = self.0.source.variant(adapter).await?;
        lock(&self.0.variants).insert(name, variant);
        memory::give_back().await;
        Ok(())
    }

    async fn prove_variant(&self, adapter: &str) -> Result<(), ModelError> {
        let variant = lock(&self.0.variants).get(adapter).cloned();
        let variant = variant.ok_or_else(|| ModelError::NoAdapter(adapter.to_owned()))?;
        let outcome = self.prove_generations(&variant).await;
        drop(variant);
        if outcome.is_err() {
            self.retire(adapter).await;
        }
        outcome
    }

    async fn warm_all(&self, prefix: Prompt) -> Result<(), ModelError> {
        *lock(&self.0.prefix) = Some(prefix);
        let variants: Vec<Arc<Generations>> = lock(&self.0.variants).values().cloned().collect();
        for variant in variants.iter().chain([&self.0.base]) {
            self.prove_generations(variant).await?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds this. This is a bug.")
}

/// One answer in the making; dropping it stops the engine at its next token.
struct Running {
    /// What the engine says, the right to have it say so, and the variant that does. All are there until the drop.
    line: Option<(mpsc::Receiver<Response>, OwnedSemaphorePermit, InFlight)>,
    /// Of all answers, and how many there are.
    permits: Arc<Semaphore>,
    at_once: usize,
    ended: bool,
}

impl Drop for Running {
    /// The permit is given back only when the engine has let go of the sequence: a fresh engine over the same weights must
    /// never run beside a last step of the old one.
    fn drop(&mut self) {
        let Some((mut receiver, permit, flight)) = self.line.take() else { return };
        receiver.close();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (permits, at_once) = (self.permits.clone(), self.at_once);
            runtime.spawn(async move {
                while receiver.recv().await.is_some() {}
                let generations = flight.generations().clone();
                drop((permit, flight));
                generations.renew_at_rest(permits, at_once).await;
            });
        }
    }
}

impl Running {
    async fn next(mut self) -> Option<(Result<Vec<Piece>, ModelError>, Self)> {
        if self.ended {
            return None;
        }
        let (receiver, _, flight) = self.line.as_mut()?;
        let pieces = receiver.recv().await.map_or(Err(ModelError::Incomplete), request::pieces);
        match &pieces {
            Err(_) => self.ended = true,
            Ok(pieces) => {
                if let Some(Piece::End(usage)) = pieces.last() {
                    self.ended = true;
                    flight.generations().count(usage.prompt_tokens + usage.completion_tokens);
                }
            }
        }
        Some((pieces, self))
    }

    /// The answer, piece by piece.
    fn pieces(self) -> Answer {
        stream::unfold(self, Self::next)
            .map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }
}

/// Runs an answer to its end and throws it away.
async fn drain(mut answer: Answer) -> Result<(), ModelError> {
    while let Some(piece) = answer.next().await {
        piece?;
    }
    Ok(())
}

impl Model for Engine {
    fn stream(&self, mut prompt: Prompt) -> Answer {
        let stop = std::mem::take(&mut prompt.stop);
        let asked = prompt.messages.iter().map(|m| self.count_tokens(&m.content) + FRAME).sum::<usize>();
        let calls = !prompt.tools.is_empty();
        let answer = stream::once(self.clone().start(prompt)).map_ok(Running::pieces).try_flatten();
        let answer = if calls { answer.map_ok(tools::unread).boxed() } else { answer.boxed() };
        if stop.is_empty() { answer } else { stop_at(answer, stop, asked as u32) }
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.tokenizer.encode_fast(text, false).map_or_else(|_| text.len(), |encoding| encoding.len())
    }

    fn score<'a>(
        &'a self,
        prompt: Prompt,
        labels: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<f32>, ModelError>> {
        Box::pin(score::score(self, prompt, labels))
    }

    fn warm(&self, prompt: Prompt) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(self.warm_all(Prompt { max_tokens: 1, adapter: None, stop: Vec::new(), ..prompt }))
    }

    fn install(&self, adapter: Bundle) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(self.build(adapter))
    }

    fn prove<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, Result<(), ModelError>> {
        Box::pin(self.prove_variant(adapter))
    }

    fn retire<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let variant = lock(&self.0.variants).remove(adapter);
            if let Some(variant) = variant {
                variant.remove().await;
            }
        })
    }

    fn variants(&self) -> Vec<String> {
        lock(&self.0.variants).keys().cloned().collect()
    }

    fn log_likelihood(&self, passage: Passage) -> BoxFuture<'_, Result<Vec<f32>, ModelError>> {
        Box::pin(likelihood::log_likelihood(self, passage))
    }

    fn go_on(&self, opening: Opening) -> BoxFuture<'_, Result<String, ModelError>> {
        Box::pin(likelihood::go_on(self, opening))
    }

    fn health(&self) -> Health {
        if self.0.base.alive() && lock(&self.0.variants).values().all(|variant| variant.alive()) {
            Health::Ready
        } else {
            Health::Failed
        }
    }

    fn facts(&self) -> &Facts {
        &self.0.facts
    }
}

/// Tokens that a model's template puts around a message, about.
const FRAME: usize = 5;

/// How long the engine may take to accept a request before it counts as hung.
const ACCEPT: Duration = Duration::from_secs(30);
