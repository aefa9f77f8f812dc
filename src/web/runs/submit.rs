//! A recipe comes in.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::look::WireRun;
use super::{admit, aside, note};
use crate::domain::recipe::{Recipe, RecipeError};
use crate::runs::RunsError;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::shopper;
use crate::web::state::State;

/// Rows of a preview where the request names no number, and at most.
const ROWS: usize = 20;
const MOST_ROWS: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitRequest {
    /// The recipe as an object, or as the text of a TOML file. Every field has a default: see docs/recipes.md.
    #[schema(value_type = Object)]
    recipe: RecipeInput,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewRequest {
    /// As in `POST /v1/staff/runs`.
    #[schema(value_type = Object)]
    recipe: RecipeInput,
    /// Rows to show; 20 if absent, at most 200.
    #[serde(default)]
    rows: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RecipeInput {
    Toml(String),
    Fields(serde_json::Value),
}

impl RecipeInput {
    /// One that names no base is for the model `served`.
    fn read(self, served: &str) -> Result<Recipe, RunsError> {
        match self {
            Self::Toml(text) => Ok(Recipe::from_toml_for(&text, served)?),
            Self::Fields(mut fields) => {
                if let Some(fields) = fields.as_object_mut() {
                    fields.entry("base").or_insert_with(|| served.into());
                }
                let recipe: Recipe =
                    serde_json::from_value(fields).map_err(|fault| RecipeError(vec![fault.to_string()]))?;
                recipe.check()?;
                Ok(recipe)
            }
        }
    }
}

#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct PreviewReply {
    /// The first rows, as the trainer would read them.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<crate::domain::run::Row>,
    /// How many there are; 0 is no error.
    count: usize,
    /// What was left out, and why.
    #[schema(value_type = Object)]
    report: serde_json::Value,
}

/// Chooses the rows of a run and puts it in line.
#[utoipa::path(
    post, path = "/v1/staff/runs", tag = "training", security(("bearer" = [])), request_body = SubmitRequest,
    responses(
        (status = 201, description = "In line", body = WireRun),
        (status = 400, description = "`recipe_invalid`, `model_missing`, `rows_empty`, `rows_invalid`", body = ErrorBody),
        (status = 401, description = "No credentials", body = ErrorBody),
        (status = 403, description = "Not for this caller", body = ErrorBody),
        (status = 409, description = "`run_memory`, `run_queue_full`", body = ErrorBody),
    ),
)]
pub(super) async fn submit(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    let (asker, runs) = admit(&request, &state)?;
    let by = asker.name().0;
    let asked: SubmitRequest = shopper::parse(&shopper::body(body)?)?;
    let recipe = asked.recipe.read(runs.served())?;
    let run = aside(move || runs.submit(&recipe, &by)).await?;
    note(&state, asker.did("run_started").on(&run.id).detail(&run.name)).await?;
    Ok(HttpResponse::Created().json(WireRun::from(run)))
}

/// The rows that a recipe would train on; nothing is started.
#[utoipa::path(
    post, path = "/v1/staff/runs/preview", tag = "training", security(("bearer" = [])), request_body = PreviewRequest,
    responses(
        (status = 200, body = PreviewReply),
        (status = 400, description = "`recipe_invalid`, `rows_invalid`", body = ErrorBody),
        (status = 401, description = "No credentials", body = ErrorBody),
        (status = 403, description = "Not for this caller", body = ErrorBody),
    ),
)]
pub(super) async fn preview(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let asked: PreviewRequest = shopper::parse(&shopper::body(body)?)?;
    let recipe = asked.recipe.read(runs.served())?;
    let limit = asked.rows.unwrap_or(ROWS).min(MOST_ROWS);
    let preview = aside(move || runs.preview(&recipe, limit)).await?;
    let reply = PreviewReply { rows: preview.rows, count: preview.count, report: preview.report };
    Ok(HttpResponse::Ok().json(reply))
}
