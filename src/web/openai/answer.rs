//! The model's pieces as one `chat.completion`, or as a stream of chunks (server-sent events).

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::error::OpenAiError;
use super::request::Shape;
use super::tools;
use crate::chat::{Completion, DeskError};
use crate::domain::prompt::{Finish, Piece, TokenLogprob, ToolCall, Usage};
use crate::model::ModelError;
use crate::web::error::ApiError;

/// What all parts of one reply share.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub id: String,
    /// Seconds since the Unix epoch.
    pub created: u64,
    pub model: String,
    pub shape: Shape,
}

impl Reply {
    /// Everything in one object. An answer that breaks off is an error, not a short answer.
    pub(super) async fn whole(self, mut completion: Completion) -> Result<HttpResponse, OpenAiError> {
        let (mut text, mut tokens, mut calls) = (String::new(), Vec::new(), Vec::new());
        let usage = loop {
            match completion.answer.next().await {
                Some(Ok(Piece::Text { text: piece, logprob })) => {
                    text.push_str(&piece);
                    tokens.extend(logprob.as_ref().map(token));
                }
                // One that the engine could not read is text to the caller, as it came.
                Some(Ok(Piece::ToolCall(call))) if call.name.is_empty() => text.push_str(&call.arguments),
                Some(Ok(Piece::ToolCall(call))) => calls.push(call),
                Some(Ok(Piece::End(usage))) => break usage,
                Some(Err(fault)) => return Err(broken(fault)),
                None => return Err(broken(ModelError::Incomplete)),
            }
        };
        let mut message = json!({"role": "assistant", "content": text, "refusal": null});
        if !calls.is_empty() {
            message["tool_calls"] = calls.iter().map(tools::made).collect();
            if text.is_empty() {
                message["content"] = Value::Null;
            }
        }
        let finish = if calls.is_empty() { reason(usage.finish) } else { "tool_calls" };
        let logprobs = self.shape.logprobs.then(|| json!({"content": tokens, "refusal": null}));
        Ok(HttpResponse::Ok().json(json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": message,
                "logprobs": logprobs,
                "finish_reason": finish,
            }],
            "usage": count(&usage),
        })))
    }

    /// One event a piece. When the client goes away the stream is dropped, and the model stops.
    pub(super) fn stream(self, completion: Completion) -> HttpResponse {
        let first = event(&self.chunk(json!({"role": "assistant", "content": ""}), Value::Null, Value::Null));
        let body =
            stream::once(async { first }).chain(self.events(completion)).map(Ok::<_, actix_web::Error>);
        HttpResponse::Ok()
            .content_type("text/event-stream; charset=utf-8")
            .insert_header(("Cache-Control", "no-store"))
            // Neither we nor a proxy may hold pieces back.
            .insert_header(("Content-Encoding", "identity"))
            .insert_header(("X-Accel-Buffering", "no"))
            .streaming(body)
    }

    fn events(self, completion: Completion) -> impl Stream<Item = Bytes> {
        stream::unfold(Some((self, completion, 0)), |state| async {
            let (reply, mut completion, mut called) = state?;
            let (bytes, over) = match completion.answer.next().await {
                Some(Ok(Piece::Text { text, logprob })) => {
                    (event(&reply.piece(&text, logprob.as_ref())), false)
                }
                Some(Ok(Piece::ToolCall(call))) if call.name.is_empty() => {
                    (event(&reply.piece(&call.arguments, None)), false)
                }
                Some(Ok(Piece::ToolCall(call))) => {
                    called += 1;
                    (event(&reply.call(called - 1, &call)), false)
                }
                Some(Ok(Piece::End(usage))) => (reply.end(&usage, called > 0), true),
                Some(Err(fault)) => (event(&broken(fault).body()), true),
                None => (event(&broken(ModelError::Incomplete).body()), true),
            };
            Some((bytes, (!over).then_some((reply, completion, called))))
        })
    }

    fn piece(&self, text: &str, logprob: Option<&TokenLogprob>) -> Value {
        let logprobs = match logprob {
            Some(found) if self.shape.logprobs => json!({"content": [token(found)], "refusal": null}),
            _ => Value::Null,
        };
        self.chunk(json!({"content": text}), logprobs, Value::Null)
    }

    fn call(&self, index: usize, call: &ToolCall) -> Value {
        let mut made = tools::made(call);
        made["index"] = index.into();
        self.chunk(json!({"tool_calls": [made]}), Value::Null, Value::Null)
    }

    fn end(&self, usage: &Usage, called: bool) -> Bytes {
        let why = if called { "tool_calls" } else { reason(usage.finish) };
        let last = self.chunk(json!({}), Value::Null, json!(why));
        let mut bytes = event(&last).to_vec();
        if self.shape.include_usage {
            let mut chunk = self.frame(json!([]));
            chunk["usage"] = count(usage);
            bytes.extend(event(&chunk));
        }
        bytes.extend(b"data: [DONE]\n\n");
        bytes.into()
    }

    fn chunk(&self, delta: Value, logprobs: Value, finish: Value) -> Value {
        self.frame(json!([{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]))
    }

    fn frame(&self, choices: Value) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.shape.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}

fn event(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
    }
}

fn count(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    })
}

fn token(found: &TokenLogprob) -> Value {
    let entry =
        |text: &str, logprob: f32| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
    let mut value = entry(&found.token, found.logprob);
    value["top_logprobs"] = found.top.iter().map(|(text, logprob)| entry(text, *logprob)).collect();
    value
}

fn broken(fault: ModelError) -> OpenAiError {
    OpenAiError(ApiError::from(DeskError::Model(fault)))
}
