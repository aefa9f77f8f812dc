//! What the team shares: canned replies, settings that may change while the server runs.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Asker, Body, fresh, json, nothing, ok, on_disk};
use crate::staff::team::{Canned, CannedText, TeamSettings};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// What may change while the server runs.
#[utoipa::path(get, path = "/v1/staff/settings", tag = "staff", responses((status = 200, body = TeamSettings)))]
pub(in crate::web) async fn settings(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Browse)?;
    Ok(ok().json(state.staff.team.settings()))
}

/// Changes it.
#[utoipa::path(
    put, path = "/v1/staff/settings", tag = "staff", request_body = TeamSettings,
    responses((status = 200, body = TeamSettings), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn set_settings(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let wanted: TeamSettings = json(body)?;
    let (staff, entry) = (state.staff.clone(), asker.did("settings_changed"));
    let kept = on_disk(move || {
        let kept = staff.team.set_settings(&wanted)?;
        staff.audit.note(entry)?;
        Ok(kept)
    })
    .await?;
    // They count before the answer is given.
    super::upkeep::rules(&state);
    Ok(ok().json(kept))
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct CannedList {
    canned: Vec<Canned>,
}

/// All canned replies.
#[utoipa::path(get, path = "/v1/staff/canned", tag = "staff", responses((status = 200, body = CannedList)))]
pub(in crate::web) async fn canned(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Browse)?;
    Ok(ok().json(CannedList { canned: state.staff.team.canned() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CannedBody {
    /// 1 to 32 of `a-z 0-9 - _`.
    shortcut: String,
    title: String,
    /// May hold `{{name}}`, `{{shop}}` and `{{agent}}`.
    text: String,
}

/// Adds a canned reply.
#[utoipa::path(
    post, path = "/v1/staff/canned", tag = "staff", request_body = CannedBody,
    responses((status = 201, body = Canned), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn add_canned(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let canned = keep(&request, &state, None, body).await?;
    Ok(fresh(HttpResponse::Created()).json(canned))
}

/// Changes a canned reply.
#[utoipa::path(
    put, path = "/v1/staff/canned/{id}", tag = "staff", request_body = CannedBody, params(("id" = String, Path)),
    responses((status = 200, body = Canned), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn change_canned(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let canned = keep(&request, &state, Some(id.into_inner()), body).await?;
    Ok(ok().json(canned))
}

async fn keep(
    request: &HttpRequest,
    state: &State,
    id: Option<String>,
    body: Body,
) -> Result<Canned, ApiError> {
    let asker = Asker::of(request, state, Action::Arrange)?;
    let body: CannedBody = json(body)?;
    let (staff, entry, by) = (state.staff.clone(), asker.did("canned_changed"), asker.name());
    on_disk(move || {
        let text = CannedText { shortcut: &body.shortcut, title: &body.title, text: &body.text };
        let canned = staff.team.keep(id.as_deref(), text, &by.0)?;
        staff.audit.note(entry.on(&canned.shortcut))?;
        Ok(canned)
    })
    .await
}

/// Removes a canned reply.
#[utoipa::path(
    delete, path = "/v1/staff/canned/{id}", tag = "staff", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn drop_canned(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Arrange)?;
    let (staff, entry) = (state.staff.clone(), asker.did("canned_removed").on(&id));
    on_disk(move || {
        staff.team.drop_canned(&id)?;
        staff.audit.note(entry)
    })
    .await?;
    Ok(nothing())
}
