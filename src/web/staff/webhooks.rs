//! Webhooks: who is told what happens. For admins.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Asker, Body, fresh, json, note, nothing, ok};
use crate::hooks::{EndpointView, Hooks, HooksError, Overview, Tested, Wanted};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// All webhooks, what waits for them, and what was given up.
#[utoipa::path(get, path = "/v1/staff/webhooks", tag = "staff", responses((status = 200, body = Overview)))]
pub(in crate::web) async fn webhooks(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Administer)?;
    Ok(ok().json(state.hooks.overview()))
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct WithSecret {
    webhook: EndpointView,
    /// Shown once.
    secret: String,
}

/// Adds a webhook.
#[utoipa::path(
    post, path = "/v1/staff/webhooks", tag = "staff", request_body = Wanted,
    responses((status = 201, body = WithSecret), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn add(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (wanted, by): (Wanted, _) = (json(body)?, asker.name());
    let (webhook, secret) = aside(&state, move |hooks| hooks.add(&wanted, &by.0)).await?;
    note(&state, asker.did("webhook_made").on(&host(&webhook)).detail(&events(&webhook))).await?;
    Ok(fresh(HttpResponse::Created()).json(WithSecret { webhook, secret }))
}

/// Changes a webhook.
#[utoipa::path(
    put, path = "/v1/staff/webhooks/{id}", tag = "staff", request_body = Wanted, params(("id" = String, Path)),
    responses((status = 200, body = EndpointView), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn change(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let wanted: Wanted = json(body)?;
    let webhook = aside(&state, move |hooks| hooks.change(&id, &wanted)).await?;
    note(&state, asker.did("webhook_changed").on(&host(&webhook)).detail(&events(&webhook))).await?;
    Ok(ok().json(webhook))
}

/// Removes a webhook and what waits for it.
#[utoipa::path(
    delete, path = "/v1/staff/webhooks/{id}", tag = "staff", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn remove(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let webhook = aside(&state, move |hooks| hooks.remove(&id)).await?;
    note(&state, asker.did("webhook_removed").on(&host(&webhook))).await?;
    Ok(nothing())
}

/// A new secret; the old one is worth nothing from now on.
#[utoipa::path(
    post, path = "/v1/staff/webhooks/{id}/secret", tag = "staff", params(("id" = String, Path)),
    responses((status = 200, body = WithSecret), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn secret(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (webhook, secret) = aside(&state, move |hooks| hooks.new_secret(&id)).await?;
    note(&state, asker.did("webhook_secret").on(&host(&webhook))).await?;
    Ok(ok().json(WithSecret { webhook, secret }))
}

/// Posts a `ping` now, and tells how it went.
#[utoipa::path(
    post, path = "/v1/staff/webhooks/{id}/test", tag = "staff", params(("id" = String, Path)),
    responses((status = 200, body = Tested), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn test(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (webhook, tested) = state.hooks.test(&id).await?;
    let how = tested.error.clone().unwrap_or_else(|| "delivered".to_owned());
    note(&state, asker.did("webhook_tested").on(&host(&webhook)).detail(&how)).await?;
    Ok(ok().json(tested))
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Revived {
    /// Deliveries that wait again.
    queued: usize,
}

/// Tries what was given up once more.
#[utoipa::path(
    post, path = "/v1/staff/webhooks/{id}/retry", tag = "staff", params(("id" = String, Path)),
    responses((status = 200, body = Revived), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn retry(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (webhook, queued) = aside(&state, move |hooks| hooks.revive(&id)).await?;
    note(&state, asker.did("webhook_retried").on(&host(&webhook)).detail(&queued.to_string())).await?;
    Ok(ok().json(Revived { queued }))
}

/// Off the web's threads: it writes files.
async fn aside<T: Send + 'static>(
    state: &State,
    work: impl FnOnce(Hooks) -> Result<T, HooksError> + Send + 'static,
) -> Result<T, ApiError> {
    let hooks = state.hooks.clone();
    let done = tokio::task::spawn_blocking(move || work(hooks)).await;
    let broken = |fault: tokio::task::JoinError| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "webhooks_io", fault.to_string())
    };
    Ok(done.map_err(broken)??)
}

/// What of its address may be in the log: a path may hold a secret of the receiver's.
fn host(webhook: &EndpointView) -> String {
    let rest = webhook.url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

fn events(webhook: &EndpointView) -> String {
    let names: Vec<&str> = webhook.events.iter().map(|kind| kind.name()).collect();
    if webhook.enabled { names.join(" ") } else { format!("off; {}", names.join(" ")) }
}

impl From<HooksError> for ApiError {
    fn from(fault: HooksError) -> Self {
        let status = match &fault {
            HooksError::NoSuchHook => StatusCode::NOT_FOUND,
            HooksError::BadUrl(_) | HooksError::NoEvents => StatusCode::BAD_REQUEST,
            HooksError::TooMany(_) => StatusCode::CONFLICT,
            HooksError::Staff(_) | HooksError::Io { .. } => {
                tracing::error!(code = fault.code(), %fault, "webhooks failed");
                let what = "this did not work just now; the server's log says why";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.code(), what)
                    .retry_in(std::time::Duration::from_secs(5));
            }
        };
        Self::new(status, fault.code(), fault.to_string())
    }
}
