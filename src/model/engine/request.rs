//! From our prompt to the engine's request, and from its responses to our pieces.

use std::f32::consts::LN_10;
use std::sync::Arc;

use candle_core::Tensor;
use either::Either;
use indexmap::IndexMap;
use mistralrs::core::CompletionChunkResponse;
use mistralrs::{
    ChatCompletionChunkResponse, Constraint, CustomLogitsProcessor, MessageContent, NormalRequest,
    RequestMessage, Response, SamplingParams,
};
use tokio::sync::mpsc::Sender;

use super::super::ModelError;
use super::sampler::{Greedy, Seeded};
use super::tools;
use crate::domain::prompt::{Finish, Grammar, Message, Piece, Prompt, Sampling, TokenLogprob, Usage};

/// A streaming chat request whose responses go to `response`.
pub(super) fn chat(prompt: Prompt, response: Sender<Response>) -> Result<NormalRequest, ModelError> {
    if prompt.messages.is_empty() {
        return Err(ModelError::Invalid("a prompt needs at least one message".to_owned()));
    }
    let draw = draw(&prompt);
    let mut sampling = sampling(&prompt.sampling, draw.is_some());
    sampling.max_len = (prompt.max_tokens > 0).then_some(prompt.max_tokens);
    sampling.top_n_logprobs = prompt.logprobs;
    let messages = RequestMessage::Chat {
        messages: messages(prompt.messages),
        enable_thinking: Some(false),
        reasoning_effort: None,
    };
    let mut request =
        NormalRequest::new_simple(messages, sampling, response, 0, tools::offered(prompt.tools), None);
    request.is_streaming = true;
    request.return_logprobs = prompt.logprobs > 0;
    request.constraint = constraint(prompt.grammar);
    request.logits_processors = draw.map(|draw| vec![draw]);
    Ok(request)
}

type Draw = Arc<dyn CustomLogitsProcessor>;

/// Whoever decides the next token; `None` is the engine. Where the probabilities of rivals are wanted it does, for ours hides them.
fn draw(prompt: &Prompt) -> Option<Draw> {
    match Seeded::new(&prompt.sampling, prompt.seed) {
        Some(seeded) if prompt.logprobs == 0 => {
            Some(Arc::new(move |logits: &Tensor, context: &[u32]| seeded.apply(logits, context)))
        }
        None if prompt.logprobs <= 1 => {
            let greedy = Greedy::new(prompt.logprobs == 1);
            Some(Arc::new(move |logits: &Tensor, context: &[u32]| greedy.apply(logits, context)))
        }
        _ => None,
    }
}

/// A streaming request for the one token after `ids`.
pub(super) fn tokens(ids: Vec<u32>, response: Sender<Response>) -> NormalRequest {
    let sampling = SamplingParams { max_len: Some(1), ..SamplingParams::deterministic() };
    let messages = RequestMessage::CompletionTokens(ids);
    let mut request = NormalRequest::new_simple(messages, sampling, response, 0, None, None);
    request.is_streaming = true;
    request
}

fn messages(messages: Vec<Message>) -> Vec<IndexMap<String, MessageContent>> {
    messages
        .into_iter()
        .map(|message| {
            let mut entries = IndexMap::from([
                ("role".to_owned(), Either::Left(message.role.name().to_owned())),
                ("content".to_owned(), Either::Left(message.content)),
            ]);
            if !message.calls.is_empty() {
                let calls = message.calls.into_iter().map(tools::called).collect();
                entries.insert("tool_calls".to_owned(), Either::Right(calls));
            }
            if let Some((id, name)) = message.answers {
                entries.insert("tool_call_id".to_owned(), Either::Left(id));
                entries.insert("name".to_owned(), Either::Left(name));
            }
            entries
        })
        .collect()
}

fn sampling(wanted: &Sampling, drawn_by_us: bool) -> SamplingParams {
    let greedy = drawn_by_us || wanted.temperature.is_none_or(|t| t <= 0.0);
    let mut params = if greedy { SamplingParams::deterministic() } else { SamplingParams::neutral() };
    if !greedy {
        params.temperature = wanted.temperature;
        params.top_p = wanted.top_p;
        params.top_k = wanted.top_k;
        params.min_p = wanted.min_p;
    }
    params.repetition_penalty = wanted.repetition_penalty;
    params.frequency_penalty = wanted.frequency_penalty;
    params.presence_penalty = wanted.presence_penalty;
    params
}

fn constraint(grammar: Grammar) -> Constraint {
    match grammar {
        Grammar::Free => Constraint::None,
        Grammar::Regex(regex) => Constraint::Regex(regex),
        Grammar::JsonSchema(schema) => Constraint::JsonSchema(schema),
        Grammar::Lark(lark) => Constraint::Lark(lark),
    }
}

/// Why the engine does not take a request. Its advice on a long prompt is for its own callers.
fn refused(fault: &str) -> ModelError {
    let limit =
        fault.split_once("sequence length is greater than ").and_then(|(_, rest)| rest.split(',').next());
    ModelError::Invalid(match limit {
        Some(limit) => format!("the prompt is longer than the {limit} tokens that the model takes"),
        None => fault.to_owned(),
    })
}

/// The pieces in one response; the last response holds `Piece::End`.
pub(super) fn pieces(response: Response) -> Result<Vec<Piece>, ModelError> {
    match response {
        Response::Chunk(chunk) => Ok(of_chunk(chunk)),
        // Of a request by tokens, whose text nobody reads.
        Response::CompletionChunk(chunk) => Ok(of_completion(&chunk)),
        Response::ValidationError(fault) => Err(refused(&fault.to_string())),
        Response::InternalError(fault) => Err(ModelError::Engine(fault.to_string())),
        Response::ModelError(fault, _) => Err(ModelError::Engine(fault)),
        _ => Err(ModelError::Engine("an answer of an unexpected kind".to_owned())),
    }
}

fn of_completion(chunk: &CompletionChunkResponse) -> Vec<Piece> {
    let ended = chunk.choices.iter().any(|choice| choice.finish_reason.is_some());
    let usage = Usage { prompt_tokens: 0, completion_tokens: 1, finish: Finish::Length };
    if ended { vec![Piece::End(usage)] } else { Vec::new() }
}

/// The engine's logarithms are to the base of ten.
fn of_chunk(chunk: ChatCompletionChunkResponse) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut finish = None;
    for choice in chunk.choices {
        let logprob = choice.logprobs.map(|l| TokenLogprob {
            token: l.token,
            logprob: l.logprob * LN_10,
            top: l
                .top_logprobs
                .into_iter()
                // Greedy sampling leaves nothing of the others.
                .filter(|t| t.logprob.is_finite())
                .map(|t| (t.bytes.unwrap_or_default(), t.logprob * LN_10))
                .collect(),
        });
        let calls = choice.delta.tool_calls.unwrap_or_default();
        let mut text = choice.delta.content.unwrap_or_default();
        if !calls.is_empty() {
            // Of a model that reasons, the engine also passes the call on as text.
            text.clear();
            pieces.extend(calls.into_iter().map(tools::call));
        }
        if !text.is_empty() || logprob.is_some() {
            pieces.push(Piece::Text { text, logprob });
        }
        finish = finish.or(choice.finish_reason);
    }
    if let (Some(finish), Some(usage)) = (finish, chunk.usage) {
        let finish = match finish.as_str() {
            "length" => Finish::Length,
            "tool_calls" => Finish::ToolCalls,
            _ => Finish::Stop,
        };
        pieces.push(Piece::End(Usage {
            prompt_tokens: usage.prompt_tokens as u32,
            completion_tokens: usage.completion_tokens as u32,
            finish,
        }));
    }
    pieces
}
