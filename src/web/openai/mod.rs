//! The OpenAI-compatible face: ordinary clients talk to the shop's model, with an API key, in the shoppers' line.
//!
//! A request becomes a [`crate::domain::prompt::Prompt`], the desk's answer becomes one object or a stream of chunks.

mod answer;
mod error;
mod request;
mod tools;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::answer::Reply;
use self::error::OpenAiError;
use self::request::CompletionRequest;
use super::auth::extract::Caller;
use super::auth::{Action, Resource};
use super::error::ApiError;
use super::shopper;
use super::state::State;

/// Chat completions as OpenAI's clients ask for them, streaming or not.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", security(("bearer" = [])),
    request_body = CompletionRequest,
    responses(
        (status = 200, description = "A `chat.completion`, or a stream of `chat.completion.chunk` events"),
        (status = 400, description = "A parameter is wrong or not supported"),
        (status = 401, description = "No API key"),
        (status = 404, description = "No such model"),
        (status = 503, description = "Too many are waiting"),
    ),
)]
pub(super) async fn completions(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, OpenAiError> {
    Caller::of(&request, &state)?.may(Action::Complete, Resource::Shop)?;
    let body = shopper::body(body)?;
    let asked: CompletionRequest = shopper::parse(&body)?;
    let facts = state.desk.model().facts().clone();
    asked.check_model(&facts.name)?;
    let shape = asked.shape();
    let prompt = asked.into_prompt(&facts)?;
    // The key is the shop's own: it waits in line, but no address's allowance is counted.
    let completion = state.desk.complete(prompt, None).await.map_err(ApiError::from)?;
    let reply = Reply {
        id: format!("chatcmpl-{}", state.clock.fresh_id().simple()),
        created: state.clock.now() / 1000,
        model: facts.name,
        shape,
    };
    if reply.shape.stream { Ok(reply.stream(completion)) } else { reply.whole(completion).await }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelList {
    /// Always `list`.
    object: &'static str,
    data: Vec<ModelEntry>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelEntry {
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Always 0: it is not known when the model was made.
    created: u64,
    owned_by: &'static str,
}

/// The one model that is loaded.
#[utoipa::path(
    get, path = "/v1/models", tag = "openai", security(("bearer" = [])),
    responses((status = 200, body = ModelList), (status = 401, description = "No API key")),
)]
pub(super) async fn models(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, OpenAiError> {
    Caller::of(&request, &state)?.may(Action::Complete, Resource::Shop)?;
    let id = state.desk.model().facts().name.clone();
    let entry = ModelEntry { id, object: "model", created: 0, owned_by: "shopclerk" };
    Ok(HttpResponse::Ok().json(ModelList { object: "list", data: vec![entry] }))
}
