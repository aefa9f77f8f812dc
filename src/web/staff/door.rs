//! Getting in and out: the first admin, invited colleagues, logins.

use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Asker, Body, json, nothing, ok, on_disk, origin_of, own, welcome};
use crate::staff::{Entry, LinkFor, LinkKind, StaffError, check_password};
use crate::web::address;
use crate::web::auth::{Action, cookie, csrf};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::limits::Kind;
use crate::web::state::State;

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Door {
    /// True while there is no account: the link that `serve` prints makes the first one.
    setup: bool,
    shop: String,
}

/// What the login page has to show.
#[utoipa::path(get, path = "/v1/staff/door", tag = "staff", responses((status = 200, body = Door)))]
pub(in crate::web) async fn door(state: web::Data<State>) -> HttpResponse {
    let shop = state.desk.playbook().shop().profile.name.clone();
    ok().json(Door { setup: state.staff.accounts.is_empty(), shop })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Token {
    token: String,
}

/// Whom a one-time link is for.
#[utoipa::path(
    post, path = "/v1/staff/invite/check", tag = "staff", request_body = Token,
    responses((status = 200, body = LinkFor), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn check(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    csrf::check(&request, &state.settings)?;
    state.limits.take(Kind::Login, address::of(&request, &state.settings))?;
    let Token { token } = json(body)?;
    Ok(ok().json(state.staff.accounts.link_for(&token)?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct SetUp {
    token: String,
    name: String,
    display: String,
    password: String,
}

/// Makes the first admin.
#[utoipa::path(
    post, path = "/v1/staff/setup", tag = "staff", request_body = SetUp,
    responses((status = 200, body = own::Me), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn set_up(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    csrf::check(&request, &state.settings)?;
    state.limits.take(Kind::Login, address::of(&request, &state.settings))?;
    let SetUp { token, name, display, password } = json(body)?;
    check_password(&password, &name)?;
    // Before the costly part.
    if state.staff.accounts.link_for(&token)?.kind != LinkKind::Setup {
        return Err(StaffError::LinkInvalid.into());
    }
    let hash = state.staff.passwords.hash(password).await?;
    let (staff, from) = (state.staff.clone(), origin_of(&request, &state));
    let entered = on_disk(move || {
        let address = from.address.clone();
        let entered = staff.accounts.set_up(&token, (&name, &display), hash, from)?;
        staff.audit.note(Entry::new(&entered.seat.name, "set_up").from(&address))?;
        Ok(entered)
    })
    .await?;
    Ok(welcome(&state, &entered))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Accept {
    token: String,
    password: String,
}

/// Chooses a password with a one-time link.
#[utoipa::path(
    post, path = "/v1/staff/invite", tag = "staff", request_body = Accept,
    responses((status = 200, body = own::Me), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn accept(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    csrf::check(&request, &state.settings)?;
    state.limits.take(Kind::Login, address::of(&request, &state.settings))?;
    let Accept { token, password } = json(body)?;
    let link = state.staff.accounts.link_for(&token)?;
    check_password(&password, link.name.as_deref().unwrap_or_default())?;
    let hash = state.staff.passwords.hash(password).await?;
    let (staff, from) = (state.staff.clone(), origin_of(&request, &state));
    let entered = on_disk(move || {
        let address = from.address.clone();
        let entered = staff.accounts.accept(&token, hash, from)?;
        staff.audit.note(Entry::new(&entered.seat.name, "invite_accepted").from(&address))?;
        Ok(entered)
    })
    .await?;
    Ok(welcome(&state, &entered))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Login {
    name: String,
    password: String,
    /// Six digits of the app, or a recovery code.
    #[serde(default)]
    code: Option<String>,
}

/// Begins a session.
#[utoipa::path(
    post, path = "/v1/staff/login", tag = "staff", request_body = Login,
    responses(
        (status = 200, body = own::Me),
        (status = 401, description = "login_failed, code_required or code_wrong", body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
)]
pub(in crate::web) async fn login(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    csrf::check(&request, &state.settings)?;
    let Login { name, password, code } = json(body)?;
    let name = name.trim().to_lowercase();
    state.limits.take(Kind::Login, address::of(&request, &state.settings))?;
    state.limits.take_account(&name)?;
    let staff = state.staff.clone();
    // An unknown name, and one without a password, take as long and look the same.
    let known = staff.accounts.password_of(&name);
    let verified = match (staff.passwords.fits(known.clone(), password).await?, known) {
        (true, Some(known)) => Some(known),
        _ => None,
    };
    let from = origin_of(&request, &state);
    let entered = on_disk(move || {
        let address = from.address.clone();
        let entered = match &verified {
            Some(verified) => staff.accounts.enter(&name, verified, code.as_deref(), from),
            None => Err(StaffError::LoginFailed),
        };
        let known = staff.accounts.profile(&name).map_or_else(|| "?".to_owned(), |profile| profile.name);
        match &entered {
            Ok(_) => staff.audit.note(Entry::new(&known, "login").from(&address))?,
            // Not a failure yet: the page asks for the code.
            Err(StaffError::CodeRequired) => {}
            Err(fault) => {
                staff.audit.note(Entry::new(&known, "login_failed").detail(fault.code()).from(&address))?;
            }
        }
        entered
    })
    .await?;
    Ok(welcome(&state, &entered))
}

/// Ends the session.
#[utoipa::path(post, path = "/v1/staff/logout", tag = "staff", responses((status = 204), (status = 401, body = ErrorBody)))]
pub(in crate::web) async fn logout(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let (staff, entry, session) = (state.staff.clone(), asker.did("logout"), asker.seat()?.session.clone());
    on_disk(move || {
        staff.accounts.leave(&session)?;
        staff.audit.note(entry)
    })
    .await?;
    let mut response = nothing();
    if let Ok(value) = cookie::clear().parse() {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(response)
}
