//! How the desk does, as JSON and as files for a spreadsheet.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Asker, ok, on_disk};
use crate::staff::numbers::table::{Table, csv};
use crate::staff::numbers::{Report, Span, Wanted};
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NumbersQuery {
    /// The first day, e.g. `2026-11-01`; 30 days before the end if left out.
    from: Option<String>,
    /// The last day, inclusive; today if left out. At most 400 days.
    to: Option<String>,
    /// Minutes east of UTC, in quarters of an hour: where days begin.
    offset: Option<i32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct FileQuery {
    from: Option<String>,
    to: Option<String>,
    offset: Option<i32>,
    /// `days`, `models` or `questions`; `days` if left out.
    #[param(value_type = Option<String>)]
    table: Option<Table>,
}

/// The numbers of some days.
#[utoipa::path(
    get, path = "/v1/staff/numbers", tag = "staff", params(NumbersQuery),
    responses((status = 200, body = Report), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn numbers(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<NumbersQuery>,
) -> Result<HttpResponse, ApiError> {
    let NumbersQuery { from, to, offset } = query.into_inner();
    let wanted = Wanted { from: from.as_deref(), to: to.as_deref(), offset };
    Ok(ok().json(report(&request, &state, &wanted).await?))
}

/// The numbers of some days as a CSV file.
#[utoipa::path(
    get, path = "/v1/staff/numbers.csv", tag = "staff", params(FileQuery),
    responses((status = 200, description = "A file"), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn file(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<FileQuery>,
) -> Result<HttpResponse, ApiError> {
    let FileQuery { from, to, offset, table } = query.into_inner();
    let wanted = Wanted { from: from.as_deref(), to: to.as_deref(), offset };
    let report = report(&request, &state, &wanted).await?;
    let table = table.unwrap_or_default();
    let name = format!("{}-{}-{}.csv", table.name(), report.from, report.to);
    Ok(ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .body(csv(&report, table)))
}

async fn report(request: &HttpRequest, state: &State, wanted: &Wanted<'_>) -> Result<Report, ApiError> {
    let asker = Asker::of(request, state, Action::Browse)?;
    // The questions are what shoppers wrote.
    asker.caller.may(Action::Read, Resource::OtherConversation)?;
    let numbers = state.staff.numbers.clone();
    let span = Span::of(wanted, numbers.now())?;
    on_disk(move || numbers.report(&span)).await
}
