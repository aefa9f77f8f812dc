//! One's own account.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Asker, Body, json, nothing, ok, on_disk, origin_of, welcome};
use crate::staff::{Enrolment, Role, Seat, SessionView, StaffError, check_password};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// Who is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Me {
    name: String,
    display: String,
    role: Role,
    totp: bool,
    /// Recovery codes that are left.
    recovery_left: usize,
    /// The session ends then, in milliseconds since the Unix epoch.
    expires_at: u64,
}

impl Me {
    pub(super) fn of(state: &State, seat: &Seat) -> Self {
        let profile = state.staff.accounts.profile(&seat.name);
        Self {
            name: seat.name.clone(),
            display: seat.display.clone(),
            role: seat.role,
            totp: profile.as_ref().is_some_and(|profile| profile.totp),
            recovery_left: profile.map_or(0, |profile| profile.recovery_left),
            expires_at: seat.expires_at,
        }
    }
}

/// Who is logged in.
#[utoipa::path(get, path = "/v1/staff/me", tag = "staff", responses((status = 200, body = Me), (status = 401, body = ErrorBody)))]
pub(in crate::web) async fn me(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    Ok(ok().json(Me::of(&state, asker.seat()?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewPassword {
    old: String,
    new: String,
}

/// Changes the password; every other session and socket of the account ends.
#[utoipa::path(
    post, path = "/v1/staff/password", tag = "staff", request_body = NewPassword,
    responses((status = 200, body = Me), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)),
)]
pub(in crate::web) async fn password(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let NewPassword { old, new } = json(body)?;
    let name = asker.seat()?.name.clone();
    check_password(&new, &name)?;
    let verified = verify(&state, &name, old).await?;
    let hash = state.staff.passwords.hash(new).await?;
    let (staff, entry, from) =
        (state.staff.clone(), asker.did("password_changed"), origin_of(&request, &state));
    let entered = on_disk(move || {
        let entered = staff.accounts.set_password(&name, &verified, hash, from)?;
        staff.audit.note(entry)?;
        Ok(entered)
    })
    .await?;
    Ok(welcome(&state, &entered))
}

/// The hash that `password` was found to fit.
async fn verify(state: &State, name: &str, password: String) -> Result<String, ApiError> {
    state.limits.take_account(name)?;
    let known = state.staff.accounts.password_of(name);
    match (state.staff.passwords.fits(known.clone(), password).await?, known) {
        (true, Some(known)) => Ok(known),
        _ => Err(StaffError::PasswordWrong.into()),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Password {
    password: String,
}

/// Shows a new second factor, to be confirmed with a code.
#[utoipa::path(
    post, path = "/v1/staff/totp", tag = "staff", request_body = Password,
    responses((status = 200, body = Enrolment), (status = 401, body = ErrorBody)),
)]
pub(in crate::web) async fn begin_totp(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let Password { password } = json(body)?;
    let name = asker.seat()?.name.clone();
    verify(&state, &name, password).await?;
    let (staff, issuer) = (state.staff.clone(), state.desk.playbook().shop().profile.name.clone());
    let enrolment = on_disk(move || staff.accounts.begin_totp(&name, &issuer)).await?;
    Ok(ok().json(enrolment))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Code {
    code: String,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Recovery {
    /// Shown once.
    recovery: Vec<String>,
}

/// Turns the second factor on.
#[utoipa::path(
    put, path = "/v1/staff/totp", tag = "staff", request_body = Code,
    responses((status = 200, body = Recovery), (status = 401, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn confirm_totp(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let Code { code } = json(body)?;
    let name = asker.seat()?.name.clone();
    state.limits.take_account(&name)?;
    let (staff, entry) = (state.staff.clone(), asker.did("totp_on"));
    let recovery = on_disk(move || {
        let recovery = staff.accounts.confirm_totp(&name, &code)?;
        staff.audit.note(entry)?;
        Ok(recovery)
    })
    .await?;
    Ok(ok().json(Recovery { recovery }))
}

/// Turns the second factor off.
#[utoipa::path(
    delete, path = "/v1/staff/totp", tag = "staff", request_body = Password,
    responses((status = 204), (status = 401, body = ErrorBody)),
)]
pub(in crate::web) async fn end_totp(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let Password { password } = json(body)?;
    let name = asker.seat()?.name.clone();
    verify(&state, &name, password).await?;
    let (staff, entry) = (state.staff.clone(), asker.did("totp_off"));
    on_disk(move || {
        staff.accounts.end_totp(&name)?;
        staff.audit.note(entry)
    })
    .await?;
    Ok(nothing())
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Sessions {
    sessions: Vec<SessionView>,
}

/// Where the account is logged in.
#[utoipa::path(get, path = "/v1/staff/sessions", tag = "staff", responses((status = 200, body = Sessions)))]
pub(in crate::web) async fn sessions(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let seat = asker.seat()?;
    Ok(ok().json(Sessions { sessions: state.staff.accounts.sessions(&seat.name, &seat.session) }))
}

/// Ends every session but this one.
#[utoipa::path(delete, path = "/v1/staff/sessions", tag = "staff", responses((status = 204)))]
pub(in crate::web) async fn end_sessions(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let (staff, entry, seat) = (state.staff.clone(), asker.did("sessions_ended"), asker.seat()?.clone());
    on_disk(move || {
        staff.accounts.leave_others(&seat.name, &seat.session)?;
        staff.audit.note(entry)
    })
    .await?;
    Ok(nothing())
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct TicketReply {
    /// For `Sec-WebSocket-Protocol: shopclerk.v1, ticket.<ticket>`.
    ticket: String,
    expires_at: u64,
}

/// A ticket that opens one socket within 30 s.
#[utoipa::path(post, path = "/v1/staff/ticket", tag = "staff", responses((status = 200, body = TicketReply)))]
pub(in crate::web) async fn ticket(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Account)?;
    let (ticket, expires_at) = state.tickets.issue(&asker.seat()?.session);
    Ok(ok().json(TicketReply { ticket, expires_at }))
}
