//! Against requests that other pages make a logged-in browser send: beside SameSite=Strict, a header that forms cannot set, and
//! what the browser itself says about the page.

use actix_web::HttpRequest;

use crate::web::Settings;
use crate::web::error::ApiError;
use crate::web::origin;

/// The header every changing request of a page carries.
const HEADER: &str = "x-shopclerk";

/// Yes for requests that change nothing, and for those of our own page.
pub(in crate::web) fn check(request: &HttpRequest, settings: &Settings) -> Result<(), ApiError> {
    if request.method().is_safe() {
        return Ok(());
    }
    let marked = request.headers().get(HEADER).is_some_and(|value| value == "1");
    let site = request.headers().get("sec-fetch-site");
    let same_site = site.is_none_or(|value| value == "same-origin");
    if marked && same_site && !origin::is_foreign(request, settings) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "csrf",
        "this has to come from the dashboard's own page, with the header `X-Shopclerk: 1`",
    ))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;

    fn verdict(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let mut request = TestRequest::default().method(method).insert_header(("host", "chat.example.com"));
        for header in headers {
            request = request.insert_header(*header);
        }
        // Another shop's page may open a chat, but it may not act for the staff.
        let settings = Settings { origins: vec!["https://shop.example.com".into()], ..Settings::default() };
        check(&request.to_http_request(), &settings).is_ok()
    }

    #[test]
    fn only_our_own_page_changes_anything() {
        let mark = ("x-shopclerk", "1");
        let own = ("origin", "https://chat.example.com");
        assert!(verdict(Method::GET, &[]));
        assert!(verdict(Method::POST, &[mark, own, ("sec-fetch-site", "same-origin")]));
        assert!(verdict(Method::POST, &[mark]), "a program");
        for (name, headers) in [
            ("no header", vec![own]),
            ("another value", vec![("x-shopclerk", "0"), own]),
            ("the shop's page", vec![mark, ("origin", "https://shop.example.com")]),
            ("another page", vec![mark, ("origin", "https://evil.example")]),
            ("a sandbox", vec![mark, ("origin", "null")]),
            ("a sister host", vec![mark, ("sec-fetch-site", "same-site")]),
            ("another site", vec![mark, own, ("sec-fetch-site", "cross-site")]),
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert!(!verdict(method, &headers), "{name}");
            }
        }
    }
}
