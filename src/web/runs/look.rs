//! Runs, one run, its journal, its log, its files.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use utoipa::{IntoParams, ToSchema};

use super::{admit, aside, note};
use crate::domain::run::{Run, RunState, Scorecard, StepLog, Trial};
use crate::runs::Details;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// Bytes of the log's end where the request names no number, and at most.
const LOG: u64 = 16 * 1024;
const MOST_LOG: u64 = 1024 * 1024;
/// Bytes of a file that are read at once.
const PIECE: usize = 64 * 1024;

/// A run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct WireRun {
    #[schema(format = "uuid")]
    id: String,
    /// The adapter's name, from the recipe.
    name: String,
    /// `preparing`, `queued`, `training`, `paused`, `evaluating`, `done`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: RunState,
    /// Who asked for it.
    by: String,
    /// Milliseconds since the Unix epoch.
    created_at: u64,
    started_at: Option<u64>,
    ended_at: Option<u64>,
    /// Why it failed: the last lines of the trainer.
    fault: Option<String>,
    /// `name@version` it was published as.
    published: Option<String>,
}

impl From<Run> for WireRun {
    fn from(run: Run) -> Self {
        let Run { id, name, state, by, created_at, started_at, ended_at, fault, published } = run;
        Self { id, name, state, by, created_at, started_at, ended_at, fault, published }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunList {
    /// Newest first.
    runs: Vec<WireRun>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunDetails {
    run: WireRun,
    /// The whole recipe, defaults written out.
    #[schema(value_type = Object)]
    recipe: crate::domain::recipe::Recipe,
    /// What was left out of the rows, and why.
    #[schema(value_type = Option<Object>)]
    report: Option<serde_json::Value>,
    /// The newest step of the journal.
    #[schema(value_type = Option<Object>)]
    last: Option<StepLog>,
    /// Trials of the search over recipes.
    #[schema(value_type = Vec<Object>)]
    trials: Vec<Trial>,
    /// Base and adapter side by side, once they were compared.
    #[schema(value_type = Option<Object>)]
    scorecard: Option<Scorecard>,
    /// Files at `/v1/staff/runs/{id}/artefacts/{file}`.
    artefacts: Vec<&'static str>,
}

impl From<Details> for RunDetails {
    fn from(all: Details) -> Self {
        let Details { run, recipe, report, last, trials, scorecard, artefacts } = all;
        Self { run: run.into(), recipe, report, last, trials, scorecard, artefacts }
    }
}

/// All runs, newest first.
#[utoipa::path(
    get, path = "/v1/staff/runs", tag = "training", security(("bearer" = [])),
    responses(
        (status = 200, body = RunList),
        (status = 401, description = "No credentials", body = ErrorBody),
        (status = 403, description = "Not for this caller", body = ErrorBody),
    ),
)]
pub(super) async fn list(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let runs = runs.list().into_iter().map(WireRun::from).collect();
    Ok(HttpResponse::Ok().json(RunList { runs }))
}

/// One run with its recipe, its verdict and the names of its files.
#[utoipa::path(
    get, path = "/v1/staff/runs/{id}", tag = "training", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, body = RunDetails), (status = 404, description = "`run_unknown`", body = ErrorBody)),
)]
pub(super) async fn one(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let details = aside(move || runs.details(&id)).await?;
    Ok(HttpResponse::Ok().json(RunDetails::from(details)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsQuery {
    /// Only steps after this one.
    after: Option<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MetricsReply {
    /// One entry a step: `step`, `of`, `epoch`, `loss`, `dev_loss`, `lr`, `grad_norm`, `tokens_per_second`, `tokens`,
    /// `memory_mib`, `seconds`, `eta`.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<StepLog>,
}

/// The journal of a run.
#[utoipa::path(
    get, path = "/v1/staff/runs/{id}/metrics", tag = "training", security(("bearer" = [])),
    params(("id" = String, Path), MetricsQuery),
    responses((status = 200, body = MetricsReply), (status = 404, description = "`run_unknown`", body = ErrorBody)),
)]
pub(super) async fn metrics(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
    query: web::Query<MetricsQuery>,
) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let steps = aside(move || Ok(runs.folder(&id)?.steps(query.after)?)).await?;
    Ok(HttpResponse::Ok().json(MetricsReply { steps }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// At most this many of its last bytes; 16 KiB if absent, at most 1 MiB.
    bytes: Option<u64>,
}

/// The end of what trainer and evaluation printed.
#[utoipa::path(
    get, path = "/v1/staff/runs/{id}/log", tag = "training", security(("bearer" = [])),
    params(("id" = String, Path), LogQuery),
    responses((status = 200, body = str), (status = 404, description = "`run_unknown`", body = ErrorBody)),
)]
pub(super) async fn log(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
    query: web::Query<LogQuery>,
) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let bytes = query.bytes.unwrap_or(LOG).min(MOST_LOG);
    let text = aside(move || Ok(runs.folder(&id)?.log_tail(bytes)?)).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text))
}

/// One of the files of a run.
#[utoipa::path(
    get, path = "/v1/staff/runs/{id}/artefacts/{file}", tag = "training", security(("bearer" = [])),
    params(("id" = String, Path), ("file" = String, Path)),
    responses(
        (status = 200, description = "The file"),
        (status = 404, description = "`run_unknown`, `artefact_unknown`", body = ErrorBody),
    ),
)]
pub(super) async fn artefact(
    request: HttpRequest,
    state: web::Data<State>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (asker, runs) = admit(&request, &state)?;
    let (id, name) = path.into_inner();
    let entry = asker.did("run_exported").on(&id).detail(&name);
    let wanted = name.clone();
    let found = aside(move || Ok(runs.folder(&id)?.artefact(&wanted))).await?;
    let unknown = || ApiError::new(StatusCode::NOT_FOUND, "artefact_unknown", "this run has no such file");
    let file = tokio::fs::File::open(found.ok_or_else(unknown)?).await.map_err(|_| unknown())?;
    note(&state, entry).await?;
    let length = file.metadata().await.map_err(|_| unknown())?.len();
    let kind = match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("safetensors" | "gguf") => "application/octet-stream",
        _ => "text/plain; charset=utf-8",
    };
    // As long as it was when it was opened: a journal goes on growing.
    let body = stream::try_unfold(file.take(length), |mut file| async move {
        let mut piece = web::BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), file)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(body))
}
