//! From headers to a [`Principal`]: the one reader of credentials.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Action, Claims, Principal, Resource, TokenError, authorize, cookie, csrf};
use crate::domain::StaffId;
use crate::staff::{Role, Seat};
use crate::web::error::ApiError;
use crate::web::state::State;
use crate::web::wire::TOKEN_PREFIX;

/// The hash of the one API key, so that comparing takes the same time for every guess.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey")
    }
}

impl ApiKey {
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn fits(&self, guess: &str) -> bool {
        let guess: [u8; 32] = Sha256::digest(guess.as_bytes()).into();
        self.0.ct_eq(&guess).into()
    }
}

/// Who asks, and what proves it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub claims: Option<Claims>,
    /// The session of somebody who is logged in.
    pub seat: Option<Seat>,
    /// The id of one of the dashboard's keys.
    pub key: Option<String>,
    /// Set if the token is one of ours but too old: the caller counts as anonymous.
    pub expired: bool,
}

impl Caller {
    /// Reads the credentials of `request`: a token or key, else the cookie of a session. No credentials is nobody; wrong ones
    /// are an error. With a cookie, a request that changes something has to prove that it comes from our own page.
    pub fn of(request: &HttpRequest, state: &State) -> Result<Self, ApiError> {
        let nobody =
            Self { principal: Principal::Anonymous, claims: None, seat: None, key: None, expired: false };
        let Some(credential) = credential(request) else { return Self::of_cookie(request, state, nobody) };
        if fits_environment(state, &credential) {
            return Ok(Self { principal: Principal::api(), ..nobody });
        }
        if let Some(grant) = state.staff.accounts.key(&credential) {
            let name = StaffId(format!("key:{}", grant.name));
            return Ok(Self {
                principal: Principal::ApiKey(name, grant.scopes),
                key: Some(grant.id),
                ..nobody
            });
        }
        match state.tokens.check(&credential) {
            Ok(claims) => {
                Ok(Self { principal: Principal::Shopper(claims.sub), claims: Some(claims), ..nobody })
            }
            Err(TokenError::Expired | TokenError::IdentityNeeded) => Ok(Self { expired: true, ..nobody }),
            Err(TokenError::Invalid) => {
                Err(ApiError::unauthorized("token_invalid", TokenError::Invalid.to_string()))
            }
        }
    }

    fn of_cookie(request: &HttpRequest, state: &State, nobody: Self) -> Result<Self, ApiError> {
        let Some(seat) = cookie::read(request).and_then(|token| state.staff.accounts.authenticate(&token))
        else {
            return Ok(nobody);
        };
        csrf::check(request, &state.settings)?;
        let name = StaffId(seat.name.clone());
        let principal = match seat.role {
            Role::Agent => Principal::Agent(name),
            Role::Admin => Principal::Admin(name),
        };
        Ok(Self { principal, seat: Some(seat), ..nobody })
    }

    /// Yes, or the error to answer with.
    pub fn may(&self, action: Action, on: Resource) -> Result<(), ApiError> {
        authorize(&self.principal, action, on).map_err(|denied| match self.principal {
            Principal::Anonymous if self.expired => {
                ApiError::unauthorized(TokenError::Expired.code(), TokenError::Expired.to_string())
            }
            Principal::Anonymous => ApiError::unauthorized(denied.code(), denied.to_string()),
            Principal::Shopper(_) | Principal::ApiKey(..) | Principal::Agent(_) | Principal::Admin(_) => {
                ApiError::forbidden(denied.code(), denied.to_string())
            }
        })
    }
}

/// True if `credential` is a key of a program.
pub(in crate::web) fn is_api_key(state: &State, credential: &str) -> bool {
    fits_environment(state, credential) || state.staff.accounts.key(credential).is_some()
}

fn fits_environment(state: &State, credential: &str) -> bool {
    state.api_key.as_ref().is_some_and(|key| key.fits(credential))
}

/// The token of `Authorization: Bearer`, or the `token.` entry of `Sec-WebSocket-Protocol`.
pub fn credential(request: &HttpRequest) -> Option<String> {
    bearer(request)
        .or_else(|| protocols(request).find_map(|entry| entry.strip_prefix(TOKEN_PREFIX).map(str::to_owned)))
}

/// The token of `Authorization: Bearer`.
pub fn bearer(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The entries of `Sec-WebSocket-Protocol`.
pub fn protocols(request: &HttpRequest) -> impl Iterator<Item = &str> {
    request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
