//! E-mail addresses, web addresses that carry something personal, and network addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::{Find, Kind};

/// A checked pattern. Its word boundaries are those of ASCII: a number that touches a Chinese character still begins there.
pub(super) fn pattern(source: &str) -> Regex {
    Regex::new(&source.replace(r"\b", r"(?-u:\b)"))
        .expect("a pattern of the program compiles. This is a bug.")
}

/// Latin letters with their accents: addresses are not written in the script around them.
const LATIN: &str = "A-Za-z0-9\u{C0}-\u{24F}";

/// `jane@example.com`, with blanks around the sign, and on other hosts than the usual.
static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"[{LATIN}._%+'&/=!#$*^`{{|}}~?-]*[{LATIN}_%+-]\s?@\s?[{LATIN}-]+(?:(?:\s\.\s|\.)[{LATIN}-]+)*(?:\s\.\s|\.)[A-Za-z]{{2,}}|[A-Za-z][{LATIN}._%+-]*@[A-Za-z][{LATIN}-]+"
    ))
});
/// `jane (at) example (dot) com`, `jane[at]example.com`, `jane at example dot com`.
static SPELT_EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    let at =
        r"(?:\s*[(\[{<]\s*(?:at|a|ät|arobase|@|艾特)\s*[)\]}>]\s*|\s*艾特\s*|\s+(?:arobase|klammeraffe)\s+)";
    let dot =
        r"(?:\s*[(\[{<]\s*(?:dot|punkt|point|\.|点)\s*[)\]}>]\s*|\s+(?:dot|punkt|point)\s+|\s*点\s*|\.)";
    let plain_dot = r"(?:\s*[(\[{<]\s*dot\s*[)\]}>]\s*|\s+dot\s+)";
    pattern(&format!(
        r"(?i)[{LATIN}._%+-]+(?:{dot}[{LATIN}_%+-]+)*?{at}[{LATIN}-]+(?:{dot}[{LATIN}-]{{2,}})+|[{LATIN}._%+-]+(?:{plain_dot}[{LATIN}_%+-]+)?\s+at\s+[{LATIN}-]+(?:{plain_dot}[{LATIN}-]{{2,}})+|[{LATIN}_%+-]*[0-9._+][{LATIN}._%+-]*[{LATIN}]\s+at\s+[{LATIN}-]+(?:\.[{LATIN}-]+)*\.[a-z]{{2,}}"
    ))
});
static URL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)[^\s<>"'，。；、）】]+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}/[^\s<>"'，。；、）】]*"#,
    )
});
/// Names of what says who somebody is or lets somebody in.
static TELLING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:.*(?:token|secret|passw|session|signature|email|e-mail|phone|user|customer|account|address|order|invoice|parcel|tracking).*|key|apikey|api_key|sid|sig|auth|code|otp|jwt|mail|name|uid|id|t|u|hash|state|login|reset|invite|nonce|verify|h|k)$",
    )
});
static IPV4: LazyLock<Regex> = LazyLock::new(|| pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"));
static IPV6: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?"));

pub(super) fn find(text: &str, into: &mut Vec<Find>) {
    for found in EMAIL.find_iter(text).chain(SPELT_EMAIL.find_iter(text)) {
        let mut find = Find::new(Kind::Email, found.range(), text);
        find.value = email_value(found.as_str());
        into.push(find);
    }
    for found in URL.find_iter(text).filter(|found| tells(found.as_str())) {
        let trimmed = found.as_str().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
        into.push(Find::new(Kind::Link, found.start()..found.start() + trimmed.len(), text));
    }
    let alone = |range: &std::ops::Range<usize>| {
        let before = text[..range.start].chars().next_back();
        let after = text[range.end..].chars().next();
        let stuck = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == ':');
        !stuck(before) && !after.is_some_and(|c| c.is_ascii_alphanumeric()) && before != Some('.')
    };
    let v4 = IPV4.find_iter(text).filter(|found| found.as_str().parse::<Ipv4Addr>().is_ok());
    let v6 =
        IPV6.find_iter(text).filter(|found| found.len() > 4 && found.as_str().parse::<Ipv6Addr>().is_ok());
    into.extend(
        v4.chain(v6)
            .filter(|found| alone(&found.range()))
            .map(|found| Find::new(Kind::Ip, found.range(), text)),
    );
}

/// One spelling for `Jane @ Example.com` and `jane (at) example dot com`.
fn email_value(found: &str) -> String {
    let lower = found.to_lowercase();
    let words = lower
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '+' | '-' | '%')))
        .flat_map(|word| word.split(['点']))
        .filter(|word| {
            !word.is_empty() && !matches!(*word, "at" | "dot" | "punkt" | "arobase" | "point" | "艾特")
        });
    words.collect::<Vec<_>>().join(".")
}

/// True for an address that is more than a page of a shop: it names somebody, or holds a token.
fn tells(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (place, query) = before.split_once('?').unwrap_or((before, ""));
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    if host.contains('@') || rest.contains('@') || rest.to_ascii_lowercase().contains("%40") {
        return true;
    }
    let pairs = query.split(['&', ';']).chain(fragment.split('&')).filter(|pair| !pair.is_empty());
    let in_pairs = pairs.into_iter().any(|pair| match pair.split_once('=') {
        Some((name, value)) => !value.is_empty() && (TELLING.is_match(name) || is_token(value, 8)),
        None => is_token(pair, 16),
    });
    in_pairs || path.split('/').any(|part| is_token(part, 16) || is_long_number(part))
}

/// Letters and digits mixed as no word is: at least three digits among letters.
fn is_token(part: &str, least: usize) -> bool {
    let digits = part.chars().filter(char::is_ascii_digit).count();
    let letters = part.chars().filter(char::is_ascii_alphabetic).count();
    let words =
        part.split(['-', '_', '.']).filter(|w| w.len() > 2 && w.chars().all(|c| c.is_ascii_alphabetic()));
    part.len() >= least && digits >= 3 && letters >= 2 && words.count() < 2
}

fn is_long_number(part: &str) -> bool {
    part.len() >= 6 && part.chars().all(|c| c.is_ascii_digit())
}
