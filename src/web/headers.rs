//! Security headers: what a browser may do with our pages.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Which page a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The chat in its frame: the shop's pages may show it.
    Widget,
    /// The demo shop: it shows the widget's frame.
    Demo,
    /// The agents' dashboard: it shows and is shown by nobody.
    Dashboard,
    /// Everything else: nothing runs, nobody frames it.
    Closed,
}

impl Page {
    /// The page a path belongs to.
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/widget/") {
            Self::Widget
        } else if path.starts_with("/demo/") {
            Self::Demo
        } else if path.starts_with("/dashboard/") {
            Self::Dashboard
        } else {
            Self::Closed
        }
    }
}

/// The Content-Security-Policy of `page`. `socket` is the server's own origin for WebSockets, e.g. `wss://chat.example.com`:
/// not every browser counts it among 'self'.
/// Pages of `parents` may show the widget.
pub(super) fn policy(page: Page, parents: &[String], socket: &str) -> String {
    let base = "base-uri 'none'; form-action 'self'; object-src 'none'";
    let own = "script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'";
    match page {
        Page::Widget => {
            let parents = parents.join(" ");
            format!(
                "default-src 'none'; {own}; connect-src 'self' {socket}; frame-ancestors 'self' {parents}; {base}; \
                 require-trusted-types-for 'script'"
            )
        }
        Page::Demo => format!(
            "default-src 'none'; {own}; connect-src 'self' {socket}; frame-src 'self'; frame-ancestors 'none'; \
             {base}; require-trusted-types-for 'script'"
        ),
        Page::Dashboard => format!(
            "default-src 'none'; {own}; connect-src 'self' {socket}; frame-ancestors 'none'; {base}; \
             require-trusted-types-for 'script'"
        ),
        Page::Closed => format!("default-src 'none'; frame-ancestors 'none'; {base}"),
    }
}

/// Puts the headers every answer carries.
pub(super) fn secure(headers: &mut HeaderMap, policy: &str) {
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_SECURITY_POLICY, policy);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "strict-origin-when-cross-origin");
    put(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    );
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
}
