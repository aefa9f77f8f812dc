//! What the dashboard needs besides its socket: `/v1/staff/...`, as `docs/staff-api.md` tells.
//!
//! Every handler begins with [`Asker::of`], which names the right it needs; the table in [`super::routes`] names it again for the
//! test. What touches the disk runs off the async threads ([`on_disk`]).

pub(super) mod admin;
pub(super) mod backup;
pub(super) mod conversations;
pub(super) mod door;
pub(super) mod numbers;
pub(super) mod own;
pub(super) mod privacy;
pub(super) mod search;
pub(super) mod shop;
pub(super) mod team;
pub(super) mod tools;
pub(super) mod transcript;
pub(super) mod upkeep;
pub(super) mod webhooks;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, SET_COOKIE, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource, web};
use serde::de::DeserializeOwned;

use super::address;
use super::auth::extract::Caller;
use super::auth::{Action, Denied, Resource as On, cookie};
use super::error::ApiError;
use super::routes::Route;
use super::shopper;
use super::state::State;
use crate::domain::StaffId;
use crate::staff::{Entered, Entry, From, Seat, StaffError};

/// A body as actix read it, or why it could not.
type Body = Result<web::Bytes, actix_web::Error>;

/// Puts the handler of `route` into its resource.
pub(super) fn handle(resource: Resource, route: &Route) -> Resource {
    let (get, post, put, patch, delete) = (web::get, web::post, web::put, web::patch, web::delete);
    let path = route.path.strip_prefix("/v1/staff/").unwrap_or_default();
    match (route.method, path) {
        ("GET", "door") => resource.route(get().to(door::door)),
        ("POST", "invite/check") => resource.route(post().to(door::check)),
        ("POST", "setup") => resource.route(post().to(door::set_up)),
        ("POST", "invite") => resource.route(post().to(door::accept)),
        ("POST", "login") => resource.route(post().to(door::login)),
        ("POST", "logout") => resource.route(post().to(door::logout)),
        ("GET", "me") => resource.route(get().to(own::me)),
        ("POST", "password") => resource.route(post().to(own::password)),
        ("POST", "totp") => resource.route(post().to(own::begin_totp)),
        ("PUT", "totp") => resource.route(put().to(own::confirm_totp)),
        ("DELETE", "totp") => resource.route(delete().to(own::end_totp)),
        ("GET", "sessions") => resource.route(get().to(own::sessions)),
        ("DELETE", "sessions") => resource.route(delete().to(own::end_sessions)),
        ("POST", "ticket") => resource.route(post().to(own::ticket)),
        ("GET", "agents") => resource.route(get().to(admin::agents)),
        ("POST", "agents") => resource.route(post().to(admin::invite)),
        ("PATCH", "agents/{name}") => resource.route(patch().to(admin::edit)),
        ("DELETE", "agents/{name}") => resource.route(delete().to(admin::remove)),
        ("POST", "agents/{name}/reset") => resource.route(post().to(admin::reset)),
        ("GET", "keys") => resource.route(get().to(admin::keys)),
        ("POST", "keys") => resource.route(post().to(admin::make_key)),
        ("DELETE", "keys/{id}") => resource.route(delete().to(admin::drop_key)),
        ("GET", "audit") => resource.route(get().to(admin::audit)),
        ("GET", "conversations") => resource.route(get().to(conversations::list)),
        ("GET", "conversations/{conv}") => resource.route(get().to(conversations::one)),
        ("GET", "conversations/{conv}/events") => resource.route(get().to(conversations::events)),
        ("GET", "conversations/{conv}/export") => resource.route(get().to(transcript::export)),
        ("POST", "conversations/{conv}/tools") => resource.route(post().to(tools::call)),
        ("POST", "conversations/{conv}/summary") => resource.route(post().to(tools::summarize)),
        ("POST", "shoppers/{shopper}/block") => resource.route(post().to(conversations::block)),
        ("DELETE", "shoppers/{shopper}/block") => resource.route(delete().to(conversations::unblock)),
        ("GET", "shoppers") => resource.route(get().to(privacy::find)),
        ("GET", "shoppers/{shopper}/export") => resource.route(get().to(privacy::export)),
        ("DELETE", "shoppers/{shopper}") => resource.route(delete().to(privacy::erase)),
        ("GET", "backup") => resource.route(get().to(backup::backup)),
        ("GET", "webhooks") => resource.route(get().to(webhooks::webhooks)),
        ("POST", "webhooks") => resource.route(post().to(webhooks::add)),
        ("PUT", "webhooks/{id}") => resource.route(put().to(webhooks::change)),
        ("DELETE", "webhooks/{id}") => resource.route(delete().to(webhooks::remove)),
        ("POST", "webhooks/{id}/secret") => resource.route(post().to(webhooks::secret)),
        ("POST", "webhooks/{id}/test") => resource.route(post().to(webhooks::test)),
        ("POST", "webhooks/{id}/retry") => resource.route(post().to(webhooks::retry)),
        ("GET", "shop") => resource.route(get().to(shop::shop)),
        ("PUT", "shop") => resource.route(put().to(shop::set_shop)),
        ("POST", "shop/preview") => resource.route(post().to(shop::preview)),
        ("GET", "gathered") => resource.route(get().to(conversations::gathered)),
        ("GET", "search") => resource.route(get().to(search::search)),
        ("GET", "numbers") => resource.route(get().to(numbers::numbers)),
        ("GET", "numbers.csv") => resource.route(get().to(numbers::file)),
        ("GET", "settings") => resource.route(get().to(team::settings)),
        ("PUT", "settings") => resource.route(put().to(team::set_settings)),
        ("GET", "canned") => resource.route(get().to(team::canned)),
        ("POST", "canned") => resource.route(post().to(team::add_canned)),
        ("PUT", "canned/{id}") => resource.route(put().to(team::change_canned)),
        ("DELETE", "canned/{id}") => resource.route(delete().to(team::drop_canned)),
        (method, path) => unreachable!("{method} {path} has no handler. This is a bug."),
    }
}

/// Somebody who was found to have the right they need.
pub(super) struct Asker {
    caller: Caller,
    address: String,
}

impl Asker {
    /// Who asks, if they may do `action` to the shop.
    pub(super) fn of(request: &HttpRequest, state: &State, action: Action) -> Result<Self, ApiError> {
        let caller = Caller::of(request, state)?;
        caller.may(action, On::Shop)?;
        Ok(Self { caller, address: address::of(request, &state.settings).to_string() })
    }

    /// The name they act under.
    pub(super) fn name(&self) -> StaffId {
        self.caller.principal.staff().cloned().unwrap_or_else(|| StaffId("?".to_owned()))
    }

    /// The session, for what only a person has.
    fn seat(&self) -> Result<&Seat, ApiError> {
        let denied = Denied::Forbidden;
        self.caller.seat.as_ref().ok_or_else(|| ApiError::forbidden(denied.code(), denied.to_string()))
    }

    /// The beginning of an entry in the audit log.
    pub(super) fn did(&self, what: &'static str) -> Entry {
        Entry::new(&self.name().0, what).from(&self.address)
    }
}

/// Writes down who did what.
pub(super) async fn note(state: &State, entry: Entry) -> Result<(), ApiError> {
    let audit = state.staff.audit.clone();
    on_disk(move || audit.note(entry)).await
}

/// Runs `work`, which may block on the disk, elsewhere.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StaffError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StaffError::Busy)?.map_err(ApiError::from)
}

/// The body as JSON.
fn json<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    shopper::parse(&shopper::body(body)?)
}

/// Where a session comes from.
fn origin_of(request: &HttpRequest, state: &State) -> From {
    let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    From { address: address::of(request, &state.settings).to_string(), agent: agent.to_owned() }
}

/// Nothing of this may be kept by a cache.
fn fresh(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response.insert_header((CACHE_CONTROL, "no-store"));
    response
}

fn ok() -> HttpResponseBuilder {
    fresh(HttpResponse::Ok())
}

/// There is no such shopper, or never was.
fn nothing_known() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_shopper", "nothing is known of this shopper")
}

fn nothing() -> HttpResponse {
    fresh(HttpResponse::NoContent()).finish()
}

/// The answer that lets somebody in.
fn welcome(state: &State, entered: &Entered) -> HttpResponse {
    ok().insert_header((SET_COOKIE, cookie::set(&entered.token))).json(own::Me::of(state, &entered.seat))
}
