//! The probabilities of a set of labels from one forward pass.
//!
//! mistralrs can return raw logits, but asserts that a whole batch wants them, which would end the engine under mixed
//! load. A logits processor reads them from an ordinary one-token request instead.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Tensor};
use mistralrs::{NormalRequest, Response};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::generation::InFlight;
use super::{Engine, ModelError, drain, request};
use crate::domain::prompt::Prompt;

/// Natural log-probabilities of the labels, normalised over them. See [`super::Model::score`].
pub(super) async fn score(
    engine: &Engine,
    prompt: Prompt,
    labels: &[String],
) -> Result<Vec<f32>, ModelError> {
    let first: Vec<u32> = labels.iter().map(|label| first_token(engine, label)).collect::<Result<_, _>>()?;
    if let Some((n, m)) = twins(&first) {
        let pair = format!("labels `{}` and `{}`", labels[n], labels[m]);
        return Err(ModelError::Invalid(format!(
            "{pair} begin with the same token of this model: use other words"
        )));
    }
    let adapter = prompt.adapter;
    let prompt = Prompt { messages: prompt.messages, max_tokens: 1, ..Prompt::default() };
    let logits = logits(engine, adapter.as_deref(), |sender| request::chat(prompt, sender)).await?;
    let picked: Vec<f32> =
        first.iter().map(|id| logits.get(*id as usize).copied().unwrap_or(f32::NEG_INFINITY)).collect();
    let max = picked.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let log_sum = picked.iter().map(|l| (l - max).exp()).sum::<f32>().ln() + max;
    Ok(picked.into_iter().map(|l| l - log_sum).collect())
}

/// The places of two that are alike.
fn twins(first: &[u32]) -> Option<(usize, usize)> {
    (0..first.len()).find_map(|m| first[..m].iter().position(|id| *id == first[m]).map(|n| (n, m)))
}

fn first_token(engine: &Engine, label: &str) -> Result<u32, ModelError> {
    let encoding = engine
        .0
        .tokenizer
        .encode_fast(label, false)
        .map_err(|fault| ModelError::Invalid(format!("label `{label}`: {fault}")))?;
    encoding
        .get_ids()
        .first()
        .copied()
        .ok_or_else(|| ModelError::Invalid(format!("label `{label}` has no tokens")))
}

impl Engine {
    /// The logits of the token after `ids`, one per vocabulary entry, with the adapter `name@version` or the base.
    pub async fn logits_after(&self, ids: Vec<u32>, adapter: Option<&str>) -> Result<Vec<f32>, ModelError> {
        logits(self, adapter, |sender| Ok(request::tokens(ids, sender))).await
    }
}

async fn logits(
    engine: &Engine,
    adapter: Option<&str>,
    make: impl FnOnce(mpsc::Sender<Response>) -> Result<NormalRequest, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let flight = engine.enter(adapter)?;
    let permit = engine.0.permits.clone().acquire_owned().await.map_err(|_| ModelError::Incomplete)?;
    // One token is kept like a long answer: the engine reserves keys and values by the hundred.
    flight.generations().renew_if_full(&engine.0.permits, engine.0.facts.parallel).await;
    logits_of(engine, flight, permit, make).await
}

/// The logits of one token, from a request that the engine takes for an ordinary one.
pub(super) async fn logits_of(
    engine: &Engine,
    flight: InFlight,
    permit: OwnedSemaphorePermit,
    make: impl FnOnce(mpsc::Sender<Response>) -> Result<NormalRequest, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let seen: Arc<Mutex<Option<Vec<f32>>>> = Arc::default();
    let slot = seen.clone();
    // It must never fail: an error here would cost the other answers of the batch a token.
    let read = move |logits: &Tensor, _: &[u32]| {
        if let (Ok(values), Ok(mut slot)) = (
            logits.flatten_all().and_then(|l| l.to_dtype(DType::F32)).and_then(|l| l.to_vec1::<f32>()),
            slot.lock(),
        ) {
            slot.get_or_insert(values);
        }
        Ok(logits.clone())
    };
    let made = move |sender| {
        let mut request = make(sender)?;
        request.logits_processors = Some(vec![Arc::new(read)]);
        Ok(request)
    };
    drain(engine.send(flight, permit, made).await?.pieces()).await?;
    let logits = seen.lock().ok().and_then(|mut slot| slot.take());
    logits.ok_or(ModelError::Incomplete)
}
