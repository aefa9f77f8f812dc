//! A tool on one message of a conversation, or on all of it, for the staff: what it finds is kept in the conversation. And a
//! summary of all of it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};
use utoipa::ToSchema;

use super::conversations::readable;
use super::{Asker, Body, json, ok};
use crate::chat::{DeskError, Finding};
use crate::domain::{ConvId, Refusal, Seq};
use crate::runs::rows::redact::{Known, Redactor};
use crate::runs::rows::{Settings, known_of, redactor};
use crate::tools::{ExtractItem, Pair, QaItem, SentimentItem, Tool, ToolError, Toolbox, Turn};
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;
use crate::web::tools::refuse;

/// How long a tool may take, with its wait for shoppers, who come first.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pairs made of one message, and of a whole conversation, at most.
const PAIRS: usize = 5;
const PAIRS_OF_ALL: usize = 10;
/// Messages of a conversation that are read, the newest.
const TURNS: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Call {
    /// `sentiment`, `extract` or `qa`.
    #[schema(value_type = String)]
    tool: Tool,
    /// The number of the message. Without it `qa` reads the whole conversation: the shop's words answer, the shopper's ask.
    #[serde(default)]
    seq: Option<Seq>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Called {
    /// The number of the event that holds what was found.
    seq: Seq,
    /// What was found; offsets count Unicode characters of the message `of`, or, in a pair with a `seq`, of that one.
    #[schema(value_type = Object)]
    outcome: Value,
}

/// Runs a tool on a message, or `qa` on a whole conversation; what it finds becomes a `tool` event that only staff see.
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
    let found = tokio::time::timeout(PATIENCE, async {
        match (tool, seq) {
            (_, Some(seq)) => {
                let text = state.desk.message(conv, seq)?;
                Ok((seq, find(&state.tools, tool, text).await.map_err(|fault| refuse(None, &fault))?))
            }
            (Tool::Qa, None) => whole(&state, conv).await,
            (_, None) => Err(ApiError::bad_request("bad_body", "seq: only qa reads a whole conversation")),
        }
    });
    let found = found.await.map_err(|_| DeskError::Busy { retry_after: Duration::from_secs(30) })?;
    let (of, found) = found?;
    let finding = Finding { tool, of, by: asker.name(), found };
    let (seq, outcome) = state.desk.keep_finding(conv, finding).await?;
    Ok(ok().json(Called { seq, outcome }))
}

/// Pairs of a whole conversation, each with the number of its message. One that tells of the shopper (a name, a number, an
/// address) is left out and counted: it is no answer for others.
async fn whole(state: &State, conv: ConvId) -> Result<(Seq, Value), ApiError> {
    let said = state.desk.transcript(conv, TURNS)?;
    let last = said.last().map(|(seq, _)| *seq).ok_or(DeskError::Refused(Refusal::NoSuchMessage))?;
    let turns: Vec<Turn> = said.iter().map(|(_, turn)| turn.clone()).collect();
    let count = PAIRS_OF_ALL.min(state.tools.settings().max_pairs);
    let item = QaItem { turns, count, ..QaItem::default() };
    let made = state.tools.qa(&item).await.map_err(|fault| refuse(None, &fault))?.pairs;
    let known = known(state, conv)?;
    let settings = Settings::default().with_staff(state.staff.accounts.displays());
    let redactor = redactor(&state.desk.playbook(), &settings)
        .map_err(|fault| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", fault.to_string()))?;
    let all = made.len();
    let pairs: Vec<Value> = public(&redactor, &item.turns, &known, made)
        .into_iter()
        .map(|pair| {
            let seq = pair.turn.and_then(|turn| said.get(turn)).map(|(seq, _)| *seq);
            object!({
                "question": pair.question, "answer": pair.answer,
                "start": pair.span.start, "end": pair.span.end, "seq": seq,
            })
        })
        .collect();
    Ok((last, object!({ "left_out": all - pairs.len(), "pairs": pairs })))
}

/// What is known of the shopper.
fn known(state: &State, conv: ConvId) -> Result<Vec<Known>, ApiError> {
    let shopper = state.desk.head(conv)?.and_then(|head| head.shopper);
    let shopper = shopper.map(|id| state.desk.shopper(id)).transpose()?.flatten();
    Ok(shopper.map(|shopper| known_of(&shopper, state.desk.playbook().orders())).unwrap_or_default())
}

/// The pairs without personal data. What is personal is told from the whole conversation.
fn public(redactor: &Redactor, turns: &[Turn], known: &[Known], pairs: Vec<Pair>) -> Vec<Pair> {
    let mut texts: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
    texts.extend(pairs.iter().flat_map(|pair| [pair.question.as_str(), pair.answer.as_str()]));
    let clean = redactor.conversation(&texts, known).texts.split_off(turns.len());
    let is_clean =
        |(n, pair): &(usize, Pair)| clean[2 * n] == pair.question && clean[2 * n + 1] == pair.answer;
    pairs.into_iter().enumerate().filter(is_clean).map(|(_, pair)| pair).collect()
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
        Tool::Qa => {
            serde_json::to_value(tools.qa(&QaItem { text, count: PAIRS, ..QaItem::default() }).await?)
        }
    };
    Ok(found.unwrap_or(Value::Null))
}
