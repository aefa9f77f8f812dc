//! The tools over HTTP, for the shop's own programs and its staff.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::extract::Caller;
use super::auth::{Action, Resource};
use super::error::{ApiError, ErrorBody};
use super::shopper;
use super::state::State;
use crate::tools::{
    ExtractItem, Extracted, Item, QaItem, QaPairs, Seen, Sentiment, SentimentItem, ToolError, Toolbox, item,
};

/// How long a request may take, with its waits for shoppers, who come first; and when it is worth another try.
const PATIENCE: Duration = Duration::from_secs(600);
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Several items at once; the answers come in the same order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Items<T> {
    items: Vec<T>,
}

/// One answer an item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answers<T> {
    items: Vec<T>,
}

/// Attributes of product texts. `start` and `end` count Unicode characters; `text[start..end]` is the value.
#[utoipa::path(
    post, path = "/v1/tools/extract", tag = "tools", security(("bearer" = [])),
    request_body = Items<ExtractItem>,
    responses(
        (status = 200, body = Answers<Extracted>),
        (status = 400, body = ErrorBody, description = "An item is empty, too long or wrong; `message` names it"),
        (status = 401, body = ErrorBody),
        (status = 502, body = ErrorBody, description = "The model failed"),
        (status = 503, body = ErrorBody, description = "`busy`: not finished in ten minutes; send fewer items"),
    ),
)]
pub(super) async fn extract(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    run(&request, &state, body, async |tools: &Toolbox, item: ExtractItem| tools.extract(&item).await).await
}

/// Sentiment of customers' words, with calibrated probabilities.
#[utoipa::path(
    post, path = "/v1/tools/sentiment", tag = "tools", security(("bearer" = [])),
    request_body = Items<SentimentItem>,
    responses(
        (status = 200, body = Answers<Sentiment>),
        (status = 400, body = ErrorBody, description = "An item is empty, too long or wrong; `message` names it"),
        (status = 401, body = ErrorBody),
        (status = 502, body = ErrorBody, description = "The model failed"),
        (status = 503, body = ErrorBody, description = "`busy`: not finished in ten minutes; send fewer items"),
    ),
)]
pub(super) async fn sentiment(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    run(&request, &state, body, async |tools: &Toolbox, item: SentimentItem| tools.sentiment(&item).await)
        .await
}

/// Question-answer pairs; every answer is a piece of the text, and no pair comes twice in one request.
#[utoipa::path(
    post, path = "/v1/tools/qa", tag = "tools", security(("bearer" = [])),
    request_body = Items<QaItem>,
    responses(
        (status = 200, body = Answers<QaPairs>),
        (status = 400, body = ErrorBody, description = "An item is empty, too long or wrong; `message` names it"),
        (status = 401, body = ErrorBody),
        (status = 502, body = ErrorBody, description = "The model failed"),
        (status = 503, body = ErrorBody, description = "`busy`: not finished in ten minutes; send fewer items"),
    ),
)]
pub(super) async fn qa(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    let seen = tokio::sync::Mutex::new(Seen::default());
    let make = async |tools: &Toolbox, item: QaItem| tools.qa_among(&item, &mut *seen.lock().await).await;
    run(&request, &state, body, make).await
}

async fn run<I: DeserializeOwned + Item, O: Serialize>(
    request: &HttpRequest,
    state: &State,
    body: Result<web::Bytes, actix_web::Error>,
    tool: impl AsyncFn(&Toolbox, I) -> Result<O, ToolError>,
) -> Result<HttpResponse, ApiError> {
    Caller::of(request, state)?.may(Action::Tools, Resource::Shop)?;
    if state.is_draining() {
        return Err(ApiError::draining());
    }
    let asked = asked::<I>(state, body)?;
    let work = async {
        let mut items = Vec::with_capacity(asked.len());
        for (n, item) in asked.into_iter().enumerate() {
            items.push(tool(&state.tools, item).await.map_err(|fault| refuse(Some(n), &fault))?);
        }
        Ok(HttpResponse::Ok().json(Answers { items }))
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(answer) => answer,
        Err(_) => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "not finished in ten minutes; send fewer items, or again when fewer people chat",
        )
        .retry_in(RETRY_AFTER)),
    }
}

/// The items of a request, each one that can be answered: work done before a bad one would be thrown away.
fn asked<I: DeserializeOwned + Item>(
    state: &State,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<Vec<I>, ApiError> {
    let asked: Items<Map<String, Value>> = shopper::parse(&shopper::body(body)?)?;
    let most = state.tools.settings().max_items;
    if asked.items.is_empty() || asked.items.len() > most {
        return Err(ApiError::bad_request("bad_item", format!("items: send 1 to {most} of them")));
    }
    let read = |(n, fields)| {
        // Without serde's own words: they may quote the field.
        let wrong = format!("items[{n}]: a field is missing, unknown or of the wrong type");
        let item: I = item(fields).map_err(|_| ApiError::bad_request("bad_body", wrong))?;
        item.check(&state.tools).map_err(|fault| refuse(Some(n), &fault))?;
        Ok(item)
    };
    asked.items.into_iter().enumerate().map(read).collect()
}

/// `n` is the place of the item in the request, where there are several.
pub(super) fn refuse(n: Option<usize>, fault: &ToolError) -> ApiError {
    let place = |sign: &str| n.map(|n| format!("items[{n}]{sign}")).unwrap_or_default();
    match fault {
        ToolError::Item { .. } => ApiError::bad_request(fault.code(), format!("{}{fault}", place("."))),
        _ if fault.is_of_item() => ApiError::bad_request(fault.code(), format!("{}{fault}", place(": "))),
        _ => ApiError::new(StatusCode::BAD_GATEWAY, fault.code(), format!("{}{fault}", place(": "))),
    }
}
