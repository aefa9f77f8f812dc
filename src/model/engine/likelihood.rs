//! How likely given tokens are, and what follows given tokens: for judging a model on text it did not choose.
//!
//! mistralrs returns the logits of every position on request, but ends the engine if a batch has both kinds of requests
//! (engine/mod.rs, "All sequences must either return raw logits, or not"), and leaves out positions it has in its prefix cache. So
//! this takes every permit, and asks for the few missing positions one by one.

use candle_core::{DType, Tensor};
use mistralrs::{NormalRequest, RequestMessage, Response, SamplingParams};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Engine, InFlight, ModelError, Opening, Passage, Running};

/// See [`super::Model::log_likelihood`].
pub(super) async fn log_likelihood(engine: &Engine, passage: Passage) -> Result<Vec<f32>, ModelError> {
    let Passage { ids, targets, adapter } = passage;
    check(engine, ids.len())?;
    if !targets.is_sorted() || targets.first() == Some(&0) || targets.last().is_some_and(|t| *t >= ids.len())
    {
        return Err(ModelError::Invalid("the targets are not positions of the passage".to_owned()));
    }
    let Some(last) = targets.last().copied() else { return Ok(Vec::new()) };
    // What stands behind the token before the last target decides nothing.
    let shown = ids[..last].to_vec();
    let logits = all_logits(engine, adapter.as_deref(), shown).await?;
    let cached = last.checked_sub(logits.dims().first().copied().unwrap_or(0)).ok_or_else(unexpected)?;
    let mut found = Vec::with_capacity(targets.len());
    for target in targets {
        let row = if target > cached {
            logits
                .narrow(0, target - 1 - cached, 1)
                .and_then(|row| row.flatten_all()?.to_vec1())
                .map_err(engine_fault)?
        } else {
            engine.logits_after(ids[..target].to_vec(), adapter.as_deref()).await?
        };
        found.push(log_softmax_at(&row, ids[target])?);
    }
    Ok(found)
}

/// See [`super::Model::go_on`].
pub(super) async fn go_on(engine: &Engine, opening: Opening) -> Result<String, ModelError> {
    let Opening { ids, max_tokens, adapter } = opening;
    check(engine, ids.len() + max_tokens)?;
    let flight = engine.enter(adapter.as_deref())?;
    let permit = permits(engine, 1).await?;
    flight.generations().renew_if_full(&engine.0.permits, engine.0.facts.parallel).await;
    let asked = ids.len();
    let mut running =
        engine.clone().send(flight, permit, |sender| Ok(request(ids, max_tokens, sender))).await?;
    let (mut text, mut tokens) = (String::new(), 0);
    loop {
        match next(&mut running).await? {
            Response::CompletionChunk(chunk) => {
                tokens += 1;
                chunk.choices.iter().for_each(|choice| text.push_str(&choice.text));
                if chunk.choices.iter().any(|choice| choice.finish_reason.is_some()) {
                    break;
                }
            }
            other => return Err(fault(other)),
        }
    }
    if let Some((_, _, flight)) = &running.line {
        flight.generations().count((asked + tokens) as u32);
    }
    Ok(text)
}

fn check(engine: &Engine, tokens: usize) -> Result<(), ModelError> {
    let limit = engine.0.facts.context;
    if tokens > limit {
        return Err(ModelError::TooLong { tokens, limit });
    }
    Ok(())
}

async fn permits(engine: &Engine, many: usize) -> Result<OwnedSemaphorePermit, ModelError> {
    let many = u32::try_from(many).unwrap_or(u32::MAX);
    engine.0.permits.clone().acquire_many_owned(many).await.map_err(|_| ModelError::Incomplete)
}

fn request(ids: Vec<u32>, max_tokens: usize, response: Sender<Response>) -> NormalRequest {
    let sampling = SamplingParams { max_len: Some(max_tokens), ..SamplingParams::deterministic() };
    let messages = RequestMessage::CompletionTokens(ids);
    let mut request = NormalRequest::new_simple(messages, sampling, response, 0, None, None);
    request.is_streaming = true;
    request
}

/// The logits behind the last tokens of `ids`, one row a token; those of a cached beginning are missing.
async fn all_logits(engine: &Engine, adapter: Option<&str>, ids: Vec<u32>) -> Result<Tensor, ModelError> {
    let flight: InFlight = engine.enter(adapter)?;
    let alone = permits(engine, engine.0.facts.parallel).await?;
    // All permits are in hand already.
    flight.generations().renew_if_full(&engine.0.permits, 1).await;
    let tokens = ids.len() as u32;
    let made = |sender: mpsc::Sender<Response>| {
        let mut request = request(ids, 1, sender);
        request.return_raw_logits = true;
        Ok(request)
    };
    let mut running = engine.clone().send(flight, alone, made).await?;
    let answer = next(&mut running).await?;
    if let Some((_, _, flight)) = &running.line {
        flight.generations().count(tokens);
    }
    match answer {
        Response::Raw { logits_chunks, .. } => Tensor::cat(&logits_chunks, 0)
            .and_then(|logits| logits.to_dtype(DType::F32))
            .map_err(engine_fault),
        other => Err(fault(other)),
    }
}

async fn next(running: &mut Running) -> Result<Response, ModelError> {
    let Some((receiver, ..)) = &mut running.line else { return Err(ModelError::Incomplete) };
    receiver.recv().await.ok_or(ModelError::Incomplete)
}

fn fault(response: Response) -> ModelError {
    match response {
        Response::ValidationError(fault) => ModelError::Invalid(fault.to_string()),
        Response::InternalError(fault) => ModelError::Engine(fault.to_string()),
        Response::ModelError(fault, _) | Response::CompletionModelError(fault, _) => {
            ModelError::Engine(fault)
        }
        _ => unexpected(),
    }
}

fn unexpected() -> ModelError {
    ModelError::Engine("an answer of an unexpected kind".to_owned())
}

fn engine_fault(fault: candle_core::Error) -> ModelError {
    ModelError::Engine(fault.to_string())
}

/// The natural logarithm of the probability that `logits` give to `id`.
fn log_softmax_at(logits: &[f32], id: u32) -> Result<f32, ModelError> {
    let outside = || ModelError::Invalid(format!("token {id} is not in the vocabulary"));
    let wanted = f64::from(*logits.get(id as usize).ok_or_else(outside)?);
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - max).exp()).sum();
    Ok((wanted - max - sum.ln()) as f32)
}
