//! The session's cookie. `__Host-` makes the browser insist on Secure, on Path=/ and on this very host.
//!
//! Written by hand rather than by actix-session: see docs/decisions/0009-accounts.md.

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;

use crate::staff::ABSOLUTE;

const NAME: &str = "__Host-shopclerk";

/// The session's id in `request`, if there is exactly one.
pub(in crate::web) fn read(request: &HttpRequest) -> Option<String> {
    let mut found = request
        .headers()
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value.to_owned());
    match (found.next(), found.next()) {
        (Some(token), None) => Some(token),
        _ => None,
    }
}

/// The value of `Set-Cookie` that begins a session. Strict: no other site's link or form carries it.
pub(in crate::web) fn set(token: &str) -> String {
    let seconds = ABSOLUTE / 1000;
    format!("{NAME}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

/// The value of `Set-Cookie` that ends it.
pub(in crate::web) fn clear() -> String {
    format!("{NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn one_cookie_of_exactly_this_name() {
        for (header, expected) in [
            ("__Host-shopclerk=abc", Some("abc")),
            ("a=1; __Host-shopclerk=abc; b=2", Some("abc")),
            ("shopclerk=abc", None),
            ("__Host-shopclerk=abc; __Host-shopclerk=def", None),
            ("__host-shopclerk=abc", None),
        ] {
            let request = TestRequest::default().insert_header(("cookie", header)).to_http_request();
            assert_eq!(read(&request).as_deref(), expected, "{header}");
        }
    }
}
