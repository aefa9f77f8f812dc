//! Is the server alive, can it answer, and its numbers.

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::address;
use super::auth::extract::Caller;
use super::auth::{Action, Resource};
use super::error::{ApiError, ErrorBody};
use super::state::State;
use crate::chat::Readiness;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// The model is loaded and warm.
    model: bool,
    /// The store is open and writes.
    store: bool,
    /// The server is going down.
    draining: bool,
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = str)))]
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The model is loaded and the store open: shoppers can be answered.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Ready), (status = 503, body = Ready)),
)]
pub(super) async fn readyz(state: web::Data<State>) -> HttpResponse {
    let Readiness { model, store, draining } = state.desk.ready();
    let ready = model && store && !draining;
    let body = Ready { ready, model, store, draining };
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, 5)).json(body)
    }
}

/// Prometheus text; from this machine, or with an API key.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, body = str), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
pub(super) async fn metrics(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    if !address::is_local(&request) {
        Caller::of(&request, &state)?.may(Action::Metrics, Resource::Shop)?;
    }
    let Some(metrics) = &state.metrics else {
        return Err(ApiError::new(
            actix_web::http::StatusCode::NOT_FOUND,
            "no_metrics",
            "this server was started without metrics",
        ));
    };
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.render()))
}
