//! A tool on one message of a conversation, for the staff: what it finds is kept beside the message. And a summary of all of
//! them.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::conversations::readable;
use super::{Asker, Body, json, ok};
use crate::chat::{DeskError, Finding};
use crate::domain::Seq;
use crate::tools::{ExtractItem, QaItem, SentimentItem, Tool, ToolError, Toolbox};
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;
use crate::web::tools::refuse;

/// How long a tool may take, with its wait for shoppers, who come first.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pairs made of one message, at most.
const PAIRS: usize = 5;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Call {
    /// `sentiment`, `extract` or `qa`.
    #[schema(value_type = String)]
    tool: Tool,
    /// The number of the message.
    seq: Seq,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Called {
    /// The number of the event that holds what was found.
    seq: Seq,
    /// What was found; offsets count Unicode characters of the message.
    #[schema(value_type = Object)]
    outcome: Value,
}

/// Runs a tool on a message; what it finds becomes a `tool` event that only staff see.
#[utoipa::path(
    post, path = "/v1/staff/conversations/{conv}/tools", tag = "staff", request_body = Call,
    params(("conv" = String, Path)),
    responses(
        (status = 200, body = Called),
        (status = 400, body = ErrorBody, description = "The message cannot be read by this tool"),
        (status = 404, body = ErrorBody, description = "No such conversation, or no such message in it"),
        (status = 502, body = ErrorBody, description = "The model failed"),
        (status = 503, body = ErrorBody, description = "Shoppers kept the model busy"),
    ),
)]
pub(in crate::web) async fn call(
    request: HttpRequest,
    state: web::Data<State>,
    conv: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Arrange)?;
    asker.caller.may(Action::Staff, Resource::OtherConversation)?;
    let conv = readable(&asker, &state, &conv)?;
    if state.is_draining() {
        return Err(ApiError::draining());
    }
    let Call { tool, seq } = json(body)?;
    let text = state.desk.message(conv, seq)?;
    let found = tokio::time::timeout(PATIENCE, find(&state.tools, tool, text)).await;
    let found = found.map_err(|_| DeskError::Busy { retry_after: Duration::from_secs(30) })?;
    let found = found.map_err(|fault| refuse(None, &fault))?;
    let finding = Finding { tool, of: seq, by: asker.name(), found };
    let (seq, outcome) = state.desk.keep_finding(conv, finding).await?;
    Ok(ok().json(Called { seq, outcome }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct SummedUp {
    /// The number of the event that holds the summary.
    seq: Seq,
}

/// Sums the conversation up for colleagues; the summary becomes a `summary` event that only staff see.
#[utoipa::path(
    post, path = "/v1/staff/conversations/{conv}/summary", tag = "staff", params(("conv" = String, Path)),
    responses(
        (status = 200, body = SummedUp),
        (status = 404, body = ErrorBody, description = "No such conversation"),
        (status = 409, body = ErrorBody, description = "The shopper has said nothing yet"),
        (status = 503, body = ErrorBody, description = "Shoppers kept the model busy"),
    ),
)]
pub(in crate::web) async fn summarize(
    request: HttpRequest,
    state: web::Data<State>,
    conv: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Arrange)?;
    asker.caller.may(Action::Staff, Resource::OtherConversation)?;
    let conv = readable(&asker, &state, &conv)?;
    if state.is_draining() {
        return Err(ApiError::draining());
    }
    let made = tokio::time::timeout(PATIENCE, state.desk.summarize(conv, &state.tools)).await;
    let seq = made.map_err(|_| DeskError::Busy { retry_after: Duration::from_secs(30) })??;
    Ok(ok().json(SummedUp { seq }))
}

/// What `tool` says of `text`, as JSON.
async fn find(tools: &Toolbox, tool: Tool, text: String) -> Result<Value, ToolError> {
    let found = match tool {
        Tool::Sentiment => serde_json::to_value(
            tools.sentiment(&SentimentItem { text, explain: true, aspects: false }).await?,
        ),
        Tool::Extract => {
            serde_json::to_value(tools.extract(&ExtractItem { text, ..ExtractItem::default() }).await?)
        }
        Tool::Qa => serde_json::to_value(tools.qa(&QaItem { text, count: PAIRS, title: None }).await?),
    };
    Ok(found.unwrap_or(Value::Null))
}
