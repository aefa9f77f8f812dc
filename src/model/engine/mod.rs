//! The real model: mistralrs in the process. The only place that names it.
//!
//! A prompt takes one of a few permits, is sent to the engine thread as a streaming request, and its chunks are turned
//! into pieces. Always streaming, always drained or dropped: a dropped one-shot request makes mistralrs 0.8.1 panic.

mod generation;
mod load;
mod request;
mod sampler;
mod score;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use mistralrs::Response;
use tokenizers::Tokenizer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::generation::Generations;
use super::stop::stop_at;
use super::{Answer, Facts, Health, Model, ModelError, Settings};
use crate::domain::prompt::{Message, Piece, Prompt};

/// A loaded model.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    facts: Facts,
    tokenizer: Arc<Tokenizer>,
    generations: Generations,
    permits: Arc<Semaphore>,
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
            generations: loaded.generations,
            permits,
        }));
        engine.prove().await?;
        Ok(engine)
    }

    /// One token from a short prompt: a tensor that is missing from the weights shows only now.
    async fn prove(&self) -> Result<(), ModelError> {
        let prompt = Prompt {
            messages: vec![Message::new(crate::domain::prompt::Role::User, "Hello")],
            max_tokens: 1,
            ..Prompt::default()
        };
        drain(self.stream(prompt)).await
    }

    async fn start(self, prompt: Prompt) -> Result<Running, ModelError> {
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| ModelError::Incomplete)?;
        self.0.generations.renew_if_full(&self.0.permits, self.0.facts.parallel).await;
        let (sender, receiver) = mpsc::channel(1);
        let (model, request) = self.0.generations.address(request::chat(prompt, sender)?);
        self.0.generations.send(&model, request).await?;
        Ok(Running { engine: self, line: Some((receiver, permit)), ended: false })
    }
}

/// One answer in the making; dropping it stops the engine at its next token.
struct Running {
    engine: Engine,
    /// What the engine says, and the right to have it say so. Both are there until the drop.
    line: Option<(mpsc::Receiver<Response>, OwnedSemaphorePermit)>,
    ended: bool,
}

impl Drop for Running {
    /// The permit is given back only when the engine has let go of the sequence: a fresh engine over the same weights must
    /// never run beside a last step of the old one.
    fn drop(&mut self) {
        let Some((mut receiver, permit)) = self.line.take() else { return };
        receiver.close();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while receiver.recv().await.is_some() {}
                drop(permit);
            });
        }
    }
}

impl Running {
    async fn next(mut self) -> Option<(Result<Vec<Piece>, ModelError>, Self)> {
        if self.ended {
            return None;
        }
        let said = match &mut self.line {
            Some((receiver, _)) => receiver.recv().await,
            None => None,
        };
        let pieces = said.map_or(Err(ModelError::Incomplete), request::pieces);
        match &pieces {
            Err(_) => self.ended = true,
            Ok(pieces) => {
                if let Some(Piece::End(usage)) = pieces.last() {
                    self.ended = true;
                    self.engine.0.generations.count(usage.prompt_tokens + usage.completion_tokens);
                }
            }
        }
        Some((pieces, self))
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
        let answer = stream::once(self.clone().start(prompt))
            .map_ok(|running| stream::unfold(running, Running::next))
            .try_flatten()
            .map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok)))
            .try_flatten()
            .boxed();
        if stop.is_empty() { answer } else { stop_at(answer, stop, asked as u32) }
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.tokenizer.encode_fast(text, false).map_or_else(|_| text.len(), |encoding| encoding.len())
    }

    fn score<'a>(
        &'a self,
        messages: Vec<Message>,
        labels: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<f32>, ModelError>> {
        Box::pin(score::score(self, messages, labels))
    }

    fn warm(&self, prompt: Prompt) -> BoxFuture<'_, Result<(), ModelError>> {
        let prompt = Prompt { max_tokens: 1, ..prompt };
        self.0.generations.remember_prefix(prompt.clone());
        Box::pin(drain(self.stream(prompt)))
    }

    fn health(&self) -> Health {
        if self.0.generations.alive() { Health::Ready } else { Health::Failed }
    }

    fn facts(&self) -> &Facts {
        &self.0.facts
    }
}

/// Tokens that a model's template puts around a message, about.
const FRAME: usize = 5;

/// How long the engine may take to accept a request before it counts as hung.
const ACCEPT: Duration = Duration::from_secs(30);
