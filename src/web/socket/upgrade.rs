//! From an HTTP request to a socket: every refusal happens here, before a frame is read.

use actix_web::body::MessageBody;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::Stream;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

use super::out::{Meter, Metered, Out};
use super::session::Socket;
use crate::web::address;
use crate::web::auth::extract::{Caller, protocols};
use crate::web::auth::{Action, Principal, Resource};
use crate::web::error::ApiError;
use crate::web::guard::{Guarded, MAX_FRAME, VerdictCell};
use crate::web::limits::{Kind, Side, SocketPlace};
use crate::web::origin::{self, Origin};
use crate::web::state::State;
use crate::web::wire::{SUBPROTOCOL, TICKET_PREFIX};

/// What a connection holds to its end: a client that does not read keeps it after its socket was given up.
#[derive(Default)]
pub(in crate::web) struct Held(Cell<Option<SocketPlace>>);

/// `GET /v1/ws`.
pub(crate) async fn open(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    if state.is_draining() {
        return Err(ApiError::draining().into());
    }
    let ip = address::of(&request, &state.settings);
    state.limits.take(Kind::Upgrade, ip)?;
    if !protocols(&request).any(|entry| entry == SUBPROTOCOL) {
        return Err(ApiError::bad_request(
            "subprotocol_required",
            format!("ask for the subprotocol `{SUBPROTOCOL}` in Sec-WebSocket-Protocol"),
        )
        .into());
    }
    let caller = Caller::of(&request, &state)?;
    check_origin(&request, &state, &caller)?;
    check_ticket(&request, &state, &caller)?;
    // An expired token opens a socket that only says 4001: a browser cannot read the status of a refused upgrade.
    if !caller.expired {
        caller.may(Action::Connect, Resource::Shop)?;
    }
    let side = if caller.principal.staff().is_some() { Side::Staff } else { Side::Shoppers };
    let place = state.limits.socket(ip, side)?;
    let (body, verdict) = guarded(&request, body).await?;
    let (response, session, messages) = actix_ws::handle_with_protocols(&request, body, &[SUBPROTOCOL])
        .map_err(|_| {
            ApiError::bad_request("not_a_websocket", "this address speaks WebSocket (RFC 6455, version 13)")
        })?;
    let messages = messages.max_frame_size(MAX_FRAME as usize);
    if let Some(held) = request.conn_data::<Held>() {
        held.0.set(Some(place));
    }
    let meter = Rc::new(Meter::default());
    let out = Out { session, meter: meter.clone() };
    // Boxed: moved by value they would be in the task several times over.
    let (socket, messages) = (Box::new(Socket::new(state, out, caller, ip)), Box::new(messages));
    actix_web::rt::spawn(socket.run(messages, verdict));
    Ok(response.map_body(|_, body| Metered { body, meter }.boxed()))
}

/// Somebody with a cookie also needs a ticket of that very session: a page can open a socket without reading an answer.
fn check_ticket(request: &HttpRequest, state: &State, caller: &Caller) -> Result<(), ApiError> {
    let Some(seat) = &caller.seat else { return Ok(()) };
    let ticket = protocols(request).find_map(|entry| entry.strip_prefix(TICKET_PREFIX));
    if ticket.is_some_and(|ticket| state.tickets.redeem(ticket, &seat.session)) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "ticket_required",
        "staff open a socket with a fresh ticket of POST /v1/staff/ticket, each one once",
    ))
}

fn check_origin(request: &HttpRequest, state: &State, caller: &Caller) -> Result<(), ApiError> {
    // The dashboard is on our own origin, not on the shop's.
    if caller.seat.is_some() && origin::is_foreign(request, &state.settings) {
        return Err(ApiError::forbidden("origin_forbidden", "this page may not act for the staff"));
    }
    match (origin::check(request, state), &caller.principal) {
        (Origin::Allowed, _) | (Origin::Absent, Principal::ApiKey(..)) => Ok(()),
        (Origin::Absent | Origin::Foreign, _) => Err(ApiError::forbidden(
            "origin_forbidden",
            "this page may not open a chat; add its origin in the settings of the dashboard, or to `web.origins`",
        )),
    }
}

/// The request's body with the guard in front.
async fn guarded(
    request: &HttpRequest,
    body: web::Payload,
) -> Result<(web::Payload, VerdictCell), actix_web::Error> {
    let (guard, verdict) = Guarded::new(body);
    let boxed: Pin<Box<dyn Stream<Item = _>>> = Box::pin(guard);
    let mut payload = Payload::Stream { payload: boxed };
    Ok((web::Payload::from_request(request, &mut payload).await?, verdict))
}
