//! Which pages may talk to the server from a browser.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, ORIGIN};

use super::Settings;
use super::state::State;

/// What a request says about the page it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// On the shop's list, or the server's own.
    Allowed,
    /// No `Origin` at all: not a browser, or a plain navigation.
    Absent,
    /// Somebody else's page, or `null` (a sandboxed frame, a file).
    Foreign,
}

/// Checks the `Origin` of `request`: scheme, host and port have to be equal.
pub(super) fn check(request: &HttpRequest, state: &State) -> Origin {
    let mut values = request.headers().get_all(ORIGIN);
    let Some(value) = values.next() else { return Origin::Absent };
    let (Ok(origin), None) = (value.to_str(), values.next()) else { return Origin::Foreign };
    if is_shops(request, state, origin) { Origin::Allowed } else { Origin::Foreign }
}

/// True if `origin` is on the shop's list, or the server's own.
pub(super) fn is_shops(request: &HttpRequest, state: &State, origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    let listed = [&state.settings.origins, &state.staff.shop.get().origins]
        .into_iter()
        .flatten()
        .any(|known| known.eq_ignore_ascii_case(&origin));
    listed || is_own(request, &state.settings, &origin)
}

/// True if `request` says that it comes from a page which is not the server's own. The shop's pages count as foreign here.
pub(super) fn is_foreign(request: &HttpRequest, settings: &Settings) -> bool {
    let mut values = request.headers().get_all(ORIGIN);
    match (values.next(), values.next()) {
        (None, _) => false,
        (Some(value), None) => {
            !value.to_str().is_ok_and(|origin| is_own(request, settings, &origin.to_ascii_lowercase()))
        }
        (Some(_), Some(_)) => true,
    }
}

fn is_own(request: &HttpRequest, settings: &Settings, origin: &str) -> bool {
    if !settings.public_url.is_empty() {
        return settings.public_url.eq_ignore_ascii_case(origin);
    }
    let Some(host) = request.headers().get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let host = host.to_ascii_lowercase();
    // Behind a proxy that ends TLS the server itself sees plain HTTP; the host is what counts.
    origin == format!("http://{host}") || origin == format!("https://{host}")
}
