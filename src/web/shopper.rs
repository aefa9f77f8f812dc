//! What the widget needs besides its socket: a session, the look of the shop, older events.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::address;
use super::auth::extract::{Caller, bearer, is_api_key};
use super::auth::{Action, Principal, Resource};
use super::error::{ApiError, ErrorBody};
use super::limits::Kind;
use super::origin::{self, Origin};
use super::state::State;
use super::wire::{Viewer, WireEvent};
use crate::domain::{ConvId, Seq, Shopper, ShopperId};
use crate::prompt::Shop;
use crate::staff::shop::LookSettings;

/// Events of one page of history.
const PAGE: usize = 200;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SessionRequest {
    /// A JWT of the shop (HS256; `sub`, `aud`, `exp` at most ten minutes ahead) that says who the shopper is.
    identity: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionReply {
    #[schema(value_type = String, format = "uuid")]
    shopper: ShopperId,
    #[schema(value_type = String, format = "uuid")]
    conversation: ConvId,
    /// For `Sec-WebSocket-Protocol: shopclerk.v1, token.<token>` or `Authorization: Bearer <token>`.
    token: String,
    /// Milliseconds since the Unix epoch.
    expires_at: u64,
    /// True if the shop vouched for who this is.
    verified: bool,
}

/// Begins a session, or renews it with the old token in `Authorization`.
#[utoipa::path(
    post, path = "/v1/shopper/session", tag = "shopper", request_body = SessionRequest,
    responses(
        (status = 200, body = SessionReply),
        (status = 401, description = "The token or the identity is not valid", body = ErrorBody),
        (status = 403, description = "The page's origin is not on the list", body = ErrorBody),
        (status = 429, description = "Too many sessions from this address", body = ErrorBody),
        (status = 503, description = "Restarting", body = ErrorBody),
    ),
)]
pub(super) async fn session(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    if origin::check(&request, &state) == Origin::Foreign {
        return Err(ApiError::forbidden(
            "origin_forbidden",
            "this page may not begin a chat; add its origin in the settings of the dashboard, or to `web.origins`",
        ));
    }
    if state.is_draining() {
        return Err(ApiError::draining());
    }
    state.limits.take(Kind::Session, address::of(&request, &state.settings))?;
    let body = self::body(body)?;
    let asked: SessionRequest = if body.is_empty() { SessionRequest::default() } else { parse(&body)? };
    let (shopper, vouched_until) = who(&request, &state, &asked).await?;
    let conversation = state.desk.open(shopper).await?;
    let (token, claims) = state.tokens.issue(shopper, conversation, vouched_until);
    let (expires_at, verified) = (claims.exp * 1000, claims.verified);
    let reply = SessionReply { shopper, conversation, token, expires_at, verified };
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(reply))
}

/// The verified shopper, or the one of the old token, or a new one; and until when the shop's word on them holds.
async fn who(
    request: &HttpRequest,
    state: &State,
    asked: &SessionRequest,
) -> Result<(ShopperId, Option<u64>), ApiError> {
    if let Some(identity) = &asked.identity {
        let vouched = state
            .identities
            .check(identity)
            .map_err(|fault| ApiError::unauthorized(fault.code(), fault.to_string()))?;
        let shopper = Shopper {
            name: vouched.name,
            email: vouched.email,
            external: Some(vouched.external),
            verified: true,
            ..Shopper::unknown(vouched.shopper, state.clock.now())
        };
        state.desk.remember(shopper).await?;
        return Ok((vouched.shopper, Some(state.tokens.vouched_from_now())));
    }
    // A program with the API key gets a new shopper each time.
    match bearer(request).filter(|token| !is_api_key(state, token)) {
        Some(token) => {
            let claims = state
                .tokens
                .renewable(&token)
                .map_err(|fault| ApiError::unauthorized(fault.code(), fault.to_string()))?;
            Ok((claims.sub, claims.vouched_until()))
        }
        None => Ok((ShopperId(state.clock.fresh_id()), None)),
    }
}

/// The whole body, or why it was not taken.
pub(super) fn body(read: Result<web::Bytes, actix_web::Error>) -> Result<web::Bytes, ApiError> {
    read.map_err(|fault| match fault.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too long")
        }
        _ => ApiError::bad_request("bad_body", "the body could not be read"),
    })
}

/// Parses a JSON body; the error says where, and quotes nothing.
pub(super) fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // A list of the fields' values would parse too.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::bad_request("bad_body", "the body is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|fault| {
        let what = match fault.classify() {
            serde_json::error::Category::Data => "a field is missing, unknown or of the wrong type",
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => "the body is not JSON",
        };
        ApiError::bad_request(
            "bad_body",
            format!("{what} (line {}, column {})", fault.line(), fault.column()),
        )
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LookQuery {
    /// The shopper's language, e.g. `zh` or `de-AT`.
    lang: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Look {
    /// The shop.
    name: String,
    /// What the assistant is called.
    assistant: String,
    /// `#rrggbb`.
    color: String,
    greeting: String,
    suggestions: Vec<String>,
    /// When people are there.
    hours: String,
    email: String,
    /// The shop's own language.
    language: String,
}

/// How the widget looks and greets.
#[utoipa::path(
    get, path = "/v1/shopper/look", tag = "shopper", params(LookQuery),
    responses((status = 200, body = Look), (status = 400, body = ErrorBody)),
)]
pub(super) async fn look(
    state: web::Data<State>,
    query: web::Query<LookQuery>,
) -> Result<HttpResponse, ApiError> {
    let lang = query.lang.clone().unwrap_or_default();
    if lang.len() > 35 {
        return Err(ApiError::bad_request("bad_query", "`lang` is not a language tag"));
    }
    let mut look = look_of(state.desk.playbook().shop(), &state.staff.shop.get().look, &lang);
    let hours = state.staff.team.settings().hours;
    if !hours.is_empty() {
        look.hours = hours;
    }
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "public, max-age=60")).json(look))
}

/// What is set in the dashboard, language by language, over what the shop's file says.
fn look_of(shop: &Shop, set: &LookSettings, lang: &str) -> Look {
    let profile = &shop.profile;
    let or = |set: &str, file: &str| if set.is_empty() { file.to_owned() } else { set.to_owned() };
    let greeting = over(&profile.look.greeting, &set.greeting);
    let suggestions = over(&profile.look.suggestions, &set.suggestions);
    Look {
        name: profile.name.clone(),
        assistant: or(&set.title, &profile.assistant),
        color: or(&set.color, &profile.look.color),
        greeting: by_language(&greeting, lang, &profile.language).unwrap_or_default(),
        suggestions: by_language(&suggestions, lang, &profile.language).unwrap_or_default(),
        hours: profile.hours.clone(),
        email: profile.email.clone(),
        language: profile.language.clone(),
    }
}

fn over<T: Clone>(file: &BTreeMap<String, T>, set: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    let mut texts: BTreeMap<String, T> =
        file.iter().map(|(key, text)| (key.to_lowercase(), text.clone())).collect();
    texts.extend(set.iter().map(|(key, text)| (key.clone(), text.clone())));
    texts
}

/// The text for `lang`, for its main language, for the shop's language, or any.
fn by_language<T: Clone>(texts: &BTreeMap<String, T>, lang: &str, shop: &str) -> Option<T> {
    let lang = lang.to_lowercase();
    let main = lang.split(['-', '_']).next().unwrap_or("").to_owned();
    [lang.as_str(), &main, shop]
        .into_iter()
        .find_map(|key| texts.iter().find(|(known, _)| known.to_lowercase() == key))
        .map(|(_, text)| text.clone())
        .or_else(|| texts.values().next().cloned())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// The conversation.
    #[param(value_type = String)]
    conv: ConvId,
    /// Only events before this number; all if left out.
    before: Option<Seq>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// The oldest first; numbered without gaps.
    #[schema(value_type = Vec<Object>)]
    events: Vec<WireEvent>,
    /// True if there are older ones: ask again with `before` set to the first number here.
    more: bool,
}

/// Up to 200 events of a conversation, for a client that was told `reset`.
#[utoipa::path(
    get, path = "/v1/shopper/history", tag = "shopper", params(HistoryQuery), security(("bearer" = [])),
    responses(
        (status = 200, body = History),
        (status = 401, body = ErrorBody),
        (status = 403, description = "Not the caller's conversation", body = ErrorBody),
    ),
)]
pub(super) async fn history(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<HistoryQuery>,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::of(&request, &state)?;
    let own = match &caller.principal {
        Principal::Shopper(shopper) => state.desk.owns(*shopper, query.conv)?,
        Principal::Anonymous | Principal::ApiKey(..) | Principal::Agent(_) | Principal::Admin(_) => false,
    };
    caller.may(Action::Read, if own { Resource::OwnConversation } else { Resource::OtherConversation })?;
    let viewer = match caller.principal {
        Principal::ApiKey(..) | Principal::Agent(_) | Principal::Admin(_) => Viewer::Staff,
        Principal::Shopper(_) | Principal::Anonymous => Viewer::Shopper,
    };
    let newest = state.desk.head(query.conv)?.map_or(0, |head| head.seq);
    let end = query.before.unwrap_or(newest + 1).clamp(1, newest + 1);
    let start = end.saturating_sub(1 + PAGE as u64);
    let mut events = state.desk.history(query.conv, start, PAGE)?;
    events.retain(|event| event.seq < end);
    let more = start > 0;
    let events = events.iter().map(|event| WireEvent::of(event, viewer)).collect();
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(History { events, more }))
}
