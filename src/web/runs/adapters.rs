//! Which adapters there are, which serve, and changing that.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Asker, note};
use crate::model::adapters::{
    AdapterError, AdapterId, Adapters, Force, Listed, Promotion, Shown, State as Serving, Status,
};
use crate::web::auth::extract::Caller;
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::shopper;
use crate::web::state::State;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdapterList {
    /// All versions: `id` (`name@version`), `role` (`current`, `candidate` or `idle`), `share`, `shipped`, `base`, `created_at`,
    /// `passed`, `fault`.
    #[schema(value_type = Vec<Object>)]
    adapters: Vec<Listed>,
    /// What is in memory, being loaded, or could not be.
    #[schema(value_type = Object)]
    status: Status,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PromoteRequest {
    version: u32,
    /// Part of the conversations that go to it, above 0 and up to 1; all if absent.
    #[serde(default)]
    share: Option<f64>,
    /// Although its scorecard did not pass; its manifest will say who.
    #[serde(default)]
    force: bool,
}

/// All versions of all adapters.
#[utoipa::path(
    get, path = "/v1/staff/adapters", tag = "training", security(("bearer" = [])),
    responses(
        (status = 200, body = AdapterList),
        (status = 401, description = "No credentials", body = ErrorBody),
        (status = 403, description = "Not for this caller", body = ErrorBody),
    ),
)]
pub(super) async fn list(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    Caller::of(&request, &state)?.may(Action::Train, Resource::Shop)?;
    let adapters = state.desk.adapters().clone();
    let status = adapters.status().borrow().clone();
    let listed = tokio::task::spawn_blocking(move || adapters.list()).await.map_err(broken)??;
    Ok(HttpResponse::Ok().json(AdapterList { adapters: listed, status }))
}

/// One version: its manifest with recipe and scorecard, what serves under its name, and what speaks against promoting it.
#[utoipa::path(
    get, path = "/v1/staff/adapters/{name}/{version}", tag = "training", security(("bearer" = [])),
    params(("name" = String, Path), ("version" = u32, Path)),
    responses(
        (status = 200, description = "`id`, `manifest`, `state`, `objections`"),
        (status = 404, description = "`adapter_missing`", body = ErrorBody),
    ),
)]
pub(super) async fn show(
    request: HttpRequest,
    state: web::Data<State>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    Caller::of(&request, &state)?.may(Action::Train, Resource::Shop)?;
    let (id, adapters) = (id_of(&path)?, state.desk.adapters().clone());
    let shown: Shown = tokio::task::spawn_blocking(move || adapters.show(&id)).await.map_err(broken)??;
    Ok(HttpResponse::Ok().json(shown))
}

/// Has a version answer, all conversations or a share of them. Answers when new chats are answered by it.
#[utoipa::path(
    post, path = "/v1/staff/adapters/{name}/promote", tag = "training", security(("bearer" = [])),
    params(("name" = String, Path)), request_body = PromoteRequest,
    responses(
        (status = 200, description = "What serves now: `current`, `candidate`, `history`"),
        (status = 400, description = "`adapter_share`", body = ErrorBody),
        (status = 404, description = "`adapter_missing`", body = ErrorBody),
        (status = 409, description = "`adapter_gate`, `adapter_damaged`, `adapter_other_base`, `adapter_serves`", body = ErrorBody),
        (status = 502, description = "`adapter_load`: what served before goes on", body = ErrorBody),
    ),
)]
pub(super) async fn promote(
    request: HttpRequest,
    state: web::Data<State>,
    name: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Promote)?;
    let asked: PromoteRequest = shopper::parse(&shopper::body(body)?)?;
    let wish = Promotion {
        id: AdapterId::new(&name, asked.version)?,
        share: asked.share,
        by: asker.name().0,
        force: if asked.force { Force::Yes } else { Force::No },
        at: state.clock.now(),
    };
    let (id, share) = (wish.id.to_string(), wish.share.unwrap_or(1.0) * 100.0);
    let serving = to_its_end(state.clone(), |adapters| async move { adapters.promote(wish).await }).await?;
    let served =
        if share < 100.0 { serving.candidate.as_ref().map(|c| &c.served) } else { Some(&serving.current) };
    let forced =
        if served.is_some_and(|served| served.forced_by.is_some()) { ", against the gate" } else { "" };
    let detail = format!("{share:.0}% of conversations{forced}");
    note(&state, asker.did("adapter_promoted").on(&id).detail(&detail)).await?;
    Ok(HttpResponse::Ok().json(serving))
}

/// Takes a candidate off trial; without one, brings back what served before.
#[utoipa::path(
    post, path = "/v1/staff/adapters/{name}/rollback", tag = "training", security(("bearer" = [])),
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "What serves now: `current`, `candidate`, `history`"),
        (status = 404, description = "`adapter_missing`", body = ErrorBody),
        (status = 409, description = "`adapter_bottom`: the base model serves", body = ErrorBody),
    ),
)]
pub(super) async fn roll_back(
    request: HttpRequest,
    state: web::Data<State>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Promote)?;
    let (by, at, name) = (asker.name().0, state.clock.now(), name.into_inner());
    let entry = asker.did("adapter_rolled_back").on(&name);
    let back = move |adapters: Adapters| async move { adapters.roll_back(&name, &by, at).await };
    let serving = to_its_end(state.clone(), back).await?;
    let now =
        serving.current.version.map_or("the base model".to_owned(), |version| format!("version {version}"));
    note(&state, entry.detail(&format!("{now} answers"))).await?;
    Ok(HttpResponse::Ok().json(serving))
}

/// Removes a version that answers nobody.
#[utoipa::path(
    delete, path = "/v1/staff/adapters/{name}/{version}", tag = "training", security(("bearer" = [])),
    params(("name" = String, Path), ("version" = u32, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`adapter_missing`", body = ErrorBody),
        (status = 409, description = "`adapter_in_use`, `adapter_shipped`", body = ErrorBody),
    ),
)]
pub(super) async fn remove(
    request: HttpRequest,
    state: web::Data<State>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Promote)?;
    let id = id_of(&path)?;
    state.desk.adapters().remove(&id).await?;
    note(&state, asker.did("adapter_removed").on(&id.to_string())).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn id_of((name, version): &(String, String)) -> Result<AdapterId, ApiError> {
    Ok(format!("{name}@{version}").parse()?)
}

/// A change of what serves goes to its end, even if the client does not wait for it.
async fn to_its_end<F>(
    state: web::Data<State>,
    change: impl FnOnce(Adapters) -> F,
) -> Result<Serving, ApiError>
where
    F: Future<Output = Result<Serving, AdapterError>> + Send + 'static,
{
    let changing = tokio::spawn(change(state.desk.adapters().clone()));
    Ok(changing.await.map_err(broken)??)
}

fn broken(fault: tokio::task::JoinError) -> ApiError {
    AdapterError::Io(std::io::Error::other(fault)).into()
}

impl From<AdapterError> for ApiError {
    fn from(fault: AdapterError) -> Self {
        let status = match &fault {
            AdapterError::Name(_) | AdapterError::Share(_) | AdapterError::Trial { .. } => {
                StatusCode::BAD_REQUEST
            }
            AdapterError::Missing { .. } => StatusCode::NOT_FOUND,
            AdapterError::Damaged { .. }
            | AdapterError::OtherBase { .. }
            | AdapterError::Gate { .. }
            | AdapterError::Serves(_)
            | AdapterError::Bottom(_)
            | AdapterError::InUse(_)
            | AdapterError::Shipped(_) => StatusCode::CONFLICT,
            AdapterError::Load { .. } => StatusCode::BAD_GATEWAY,
            AdapterError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, fault.code(), fault.to_string())
    }
}
