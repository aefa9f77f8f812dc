//! The page of the shop that a shopper looks at, as their browser tells it: untrusted, and made harmless here.

use serde::{Deserialize, Serialize};
use url::Url;

use super::text::clean;
use crate::clock::Millis;

/// The longest address, in bytes.
pub const MAX_ADDRESS: usize = 2_048;
/// The longest title, in characters.
pub const MAX_TITLE: usize = 200;

/// Where a shopper was last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// `http` or `https`, without a login and without what is behind `#`. ASCII: a name in another script is in punycode.
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Since when.
    pub at: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the address of a page")]
pub struct PageError;

impl Page {
    /// Checks an address and a title. What people do not need to know where somebody is (a login, what is behind `#`) is
    /// left out; a query that makes the address too long, too.
    ///
    /// # Errors
    /// It is no address of `http` or `https` with a host, or too long even so.
    pub fn parse(address: &str, title: Option<&str>, at: Millis) -> Result<Self, PageError> {
        let mut url = Url::parse(address).map_err(|_| PageError)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(PageError);
        }
        url.set_fragment(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if url.as_str().len() > MAX_ADDRESS {
            url.set_query(None);
        }
        if url.as_str().len() > MAX_ADDRESS {
            return Err(PageError);
        }
        Ok(Self { address: url.into(), title: title.and_then(title_of), at })
    }

    /// Scheme, host and port, as browsers write an origin.
    pub fn origin(&self) -> Option<String> {
        Url::parse(&self.address).ok().map(|url| url.origin().ascii_serialization())
    }

    /// The same page, whenever it was.
    pub fn is_same(&self, other: &Self) -> bool {
        self.address == other.address && self.title == other.title
    }
}

/// One line, bounded; none if nothing is left.
fn title_of(raw: &str) -> Option<String> {
    let line = clean(raw).split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(MAX_TITLE).collect();
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(raw: &str) -> Option<String> {
        Page::parse(raw, None, 1).ok().map(|page| page.address)
    }

    #[test]
    fn an_address_keeps_only_what_says_where_somebody_is() {
        let cases = [
            ("https://shop.example/shoes?size=42#reviews", "https://shop.example/shoes?size=42"),
            ("http://anna:secret@shop.example:8080/a", "http://shop.example:8080/a"),
            ("HTTPS://SHOP.example", "https://shop.example/"),
            ("https://shop.example/\u{202E}gnp.exe", "https://shop.example/%E2%80%AEgnp.exe"),
            ("https://shop.example/\"><script>", "https://shop.example/%22%3E%3Cscript%3E"),
            ("https://sh\u{43E}p.example/", "https://xn--shp-ted.example/"),
        ];
        for (raw, kept) in cases {
            assert_eq!(address(raw).as_deref(), Some(kept), "{raw}");
        }
    }

    #[test]
    fn what_is_no_page_of_the_web_is_none() {
        let bad = [
            "",
            "shop.example",
            "/shoes",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "file:///etc/passwd",
            "blob:https://shop.example/1",
            "https://",
            "about:blank",
        ];
        for raw in bad {
            assert_eq!(address(raw), None, "{raw}");
        }
    }

    #[test]
    fn addresses_and_titles_are_bounded() {
        let long = |n: usize| format!("https://shop.example/{}", "a".repeat(n));
        assert_eq!(address(&long(MAX_ADDRESS)), None);
        let query = format!("https://shop.example/a?{}", "x".repeat(MAX_ADDRESS));
        assert_eq!(address(&query).as_deref(), Some("https://shop.example/a"));
        let title = |raw: &str| Page::parse("https://shop.example/", Some(raw), 1).expect("a page").title;
        assert_eq!(title(&"x".repeat(500)).map(|title| title.len()), Some(MAX_TITLE));
        assert_eq!(title(" Trail\u{202E}\n\u{1b}[31m shoes ").as_deref(), Some("Trail [31m shoes"));
        assert_eq!(title(" \n\u{200B}"), None);
    }

    #[test]
    fn an_origin_is_what_browsers_call_it() {
        let origin = |raw| Page::parse(raw, None, 1).ok().and_then(|page| page.origin());
        assert_eq!(origin("https://shop.example:443/a").as_deref(), Some("https://shop.example"));
        assert_eq!(origin("http://127.0.0.1:8080/demo/").as_deref(), Some("http://127.0.0.1:8080"));
    }
}
