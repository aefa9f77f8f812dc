//! Cancel, pause, resume.

use actix_web::{HttpRequest, HttpResponse, web};

use super::look::WireRun;
use super::{admit, aside, note};
use crate::domain::run::Run;
use crate::runs::{Runs, RunsError};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

type Act = fn(&Runs, &str) -> Result<Run, RunsError>;

/// Ends a run for good; one in training ends at its next step, and its state changes then.
#[utoipa::path(
    post, path = "/v1/staff/runs/{id}/cancel", tag = "training", security(("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, body = WireRun),
        (status = 404, description = "`run_unknown`", body = ErrorBody),
        (status = 409, description = "`run_state`: it is over", body = ErrorBody),
    ),
)]
pub(super) async fn cancel(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    act(&request, &state, id, (Runs::cancel, "run_cancelled")).await
}

/// Holds a run in training before its next step; it keeps its memory and its place in line.
#[utoipa::path(
    post, path = "/v1/staff/runs/{id}/pause", tag = "training", security(("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, body = WireRun),
        (status = 404, description = "`run_unknown`", body = ErrorBody),
        (status = 409, description = "`run_state`: it is not training", body = ErrorBody),
    ),
)]
pub(super) async fn pause(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    act(&request, &state, id, (Runs::pause, "run_paused")).await
}

/// Continues a paused run; puts a failed one back in line, to continue from its last checkpoint.
#[utoipa::path(
    post, path = "/v1/staff/runs/{id}/resume", tag = "training", security(("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, body = WireRun),
        (status = 404, description = "`run_unknown`", body = ErrorBody),
        (status = 409, description = "`run_state`: it is neither paused nor failed", body = ErrorBody),
    ),
)]
pub(super) async fn resume(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    act(&request, &state, id, (Runs::resume, "run_resumed")).await
}

async fn act(
    request: &HttpRequest,
    state: &State,
    id: web::Path<String>,
    (act, what): (Act, &'static str),
) -> Result<HttpResponse, ApiError> {
    let (asker, runs) = admit(request, state)?;
    let run = aside(move || act(&runs, &id)).await?;
    note(state, asker.did(what).on(&run.id).detail(&run.name)).await?;
    Ok(HttpResponse::Ok().json(WireRun::from(run)))
}
