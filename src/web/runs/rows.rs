//! What a run learns from, row by row, each with the conversations it comes from.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{admit, aside};
use crate::domain::run::Row;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

const PAGE: usize = 20;
const MOST: usize = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsQuery {
    /// How many rows were read already.
    after: Option<usize>,
    /// 20 if absent, at most 200.
    limit: Option<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowsReply {
    /// In the order of the file, personal data taken out.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Row>,
    /// All of the run.
    count: usize,
}

/// Rows of a run; those of a shopper who was erased are gone.
#[utoipa::path(
    get, path = "/v1/staff/runs/{id}/rows", tag = "training", security(("bearer" = [])),
    params(("id" = String, Path), RowsQuery),
    responses((status = 200, body = RowsReply), (status = 404, description = "`run_unknown`", body = ErrorBody)),
)]
pub(super) async fn rows(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
    query: web::Query<RowsQuery>,
) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let (skip, limit) = (query.after.unwrap_or(0), query.limit.unwrap_or(PAGE).clamp(1, MOST));
    let reply = aside(move || {
        let folder = runs.folder(&id)?;
        Ok(RowsReply { rows: folder.rows(skip, limit)?, count: folder.count_rows()? })
    })
    .await?;
    Ok(HttpResponse::Ok().json(reply))
}
