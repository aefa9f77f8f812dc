//! Whose address a request comes from, and which addresses count as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Once;

use actix_web::HttpRequest;
use actix_web::http::uri::Authority;
use actix_web::http::{Version, header};

use super::Settings;

const FORWARDED: &str = "x-forwarded-for";

/// The address of the client. `X-Forwarded-For` is believed only from a trusted proxy, and read from its end: the
/// newest entry that is not itself a trusted proxy.
pub(super) fn of(request: &HttpRequest, settings: &Settings) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| plain(peer.ip()));
    let trusted = |ip: &IpAddr| is_trusted(ip, settings);
    if !trusted(&peer) {
        return peer;
    }
    let forwarded: Vec<&str> = request
        .headers()
        .get_all(FORWARDED)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut client = peer;
    for entry in forwarded.into_iter().rev() {
        // An entry that is no address ends the part that can be believed.
        let Ok(ip) = entry.parse::<IpAddr>() else { break };
        client = plain(ip);
        if !trusted(&client) {
            break;
        }
    }
    client
}

/// Says once that a proxy on this machine names shoppers' addresses and is not believed: all of them then share one
/// address and its limits, which nobody would look for in the settings.
pub(super) fn warn_of_unnamed_proxy(request: &HttpRequest, settings: &Settings) {
    static SAID: Once = Once::new();
    if !SAID.is_completed() && is_unnamed_proxy(request, settings) {
        SAID.call_once(|| {
            tracing::warn!(
                "a proxy on this machine sends X-Forwarded-For and is not trusted, so that all shoppers count as one address; \
                 name it, e.g. web.trusted_proxies = [\"127.0.0.1\", \"::1\"]"
            );
        });
    }
}

fn is_unnamed_proxy(request: &HttpRequest, settings: &Settings) -> bool {
    request.headers().contains_key(FORWARDED)
        && request
            .peer_addr()
            .map(|peer| plain(peer.ip()))
            .is_some_and(|peer| peer.is_loopback() && !is_trusted(&peer, settings))
}

fn is_trusted(ip: &IpAddr, settings: &Settings) -> bool {
    settings.trusted_proxies.iter().any(|proxy| plain(*proxy) == *ip)
}

/// True for a request of this very machine that no proxy passed on. A proxy that was told nothing adds no header that says so:
/// what gives it away is the shop's own name, or HTTP/1.0, which nginx speaks to what is behind it unless told otherwise.
pub(super) fn is_local(request: &HttpRequest) -> bool {
    let forwarded = [FORWARDED, "forwarded", "x-real-ip", "via"];
    request.peer_addr().is_some_and(|peer| plain(peer.ip()).is_loopback())
        && request.version() > Version::HTTP_10
        && forwarded.iter().all(|name| !request.headers().contains_key(*name))
        && names_this_machine(request)
}

/// The request asks for `localhost` or a loopback address, at any port.
fn names_this_machine(request: &HttpRequest) -> bool {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| plain(ip).is_loopback())
}

/// The key limits count by: an IPv4 address, or the /64 of an IPv6 one, which one subscriber holds whole.
pub(super) fn bucket(ip: IpAddr) -> IpAddr {
    match plain(ip) {
        IpAddr::V6(v6) => {
            let mut parts = v6.segments();
            parts[4..].fill(0);
            IpAddr::V6(Ipv6Addr::from(parts))
        }
        v4 => v4,
    }
}

/// IPv4 in IPv6 clothes is IPv4.
fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn forwarded_is_believed_from_trusted_proxies_only() {
        let settings = Settings {
            trusted_proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
            ..Settings::default()
        };
        for (peer, header, expected) in [
            ("10.0.0.1:1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1:1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1:1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1:1", "203.0.113.9, nonsense", "10.0.0.1"),
            ("[::ffff:10.0.0.1]:1", "::ffff:203.0.113.9", "203.0.113.9"),
            ("192.0.2.7:1", "203.0.113.9", "192.0.2.7"),
        ] {
            let request = TestRequest::default()
                .peer_addr(peer.parse().unwrap())
                .insert_header(("x-forwarded-for", header))
                .to_http_request();
            assert_eq!(of(&request, &settings), expected.parse::<IpAddr>().unwrap(), "{peer} {header}");
        }
    }

    #[test]
    fn a_proxy_on_this_machine_that_nobody_named_is_noticed() {
        let named = Settings { trusted_proxies: vec!["::1".parse().unwrap()], ..Settings::default() };
        for (peer, header, settings, expected) in [
            ("127.0.0.1:1", true, &Settings::default(), true),
            ("[::ffff:127.0.0.1]:1", true, &Settings::default(), true),
            ("[::1]:1", true, &named, false),
            ("127.0.0.1:1", false, &Settings::default(), false),
            // From anywhere else anybody could send it.
            ("192.0.2.7:1", true, &Settings::default(), false),
        ] {
            let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
            if header {
                request = request.insert_header((FORWARDED, "203.0.113.9"));
            }
            assert_eq!(is_unnamed_proxy(&request.to_http_request(), settings), expected, "{peer}");
        }
    }

    #[test]
    fn local_is_what_no_proxy_passed_on() {
        let asked = |peer: &str, host: &str| {
            TestRequest::default().peer_addr(peer.parse().unwrap()).insert_header(("host", host))
        };
        for host in ["localhost", "LOCALHOST:9090", "127.0.0.1:8080", "127.0.0.1", "[::1]", "[::1]:8080"] {
            assert!(is_local(&asked("127.0.0.1:1", host).to_http_request()), "{host}");
        }
        for host in ["shop.example", "localhost.shop.example", "127.0.0.1.shop.example:80", "192.0.2.7", ""] {
            assert!(!is_local(&asked("127.0.0.1:1", host).to_http_request()), "{host}");
        }
        let bare = TestRequest::default().peer_addr("127.0.0.1:1".parse().unwrap());
        assert!(!is_local(&bare.to_http_request()), "no host at all");
        assert!(is_local(&asked("[::1]:1", "localhost").to_http_request()));
        assert!(!is_local(&asked("192.0.2.7:1", "localhost").to_http_request()));
        let old = asked("127.0.0.1:1", "127.0.0.1:8080").version(Version::HTTP_10);
        assert!(!is_local(&old.to_http_request()), "nginx, told nothing");
        let passed = asked("127.0.0.1:1", "localhost").insert_header(("x-forwarded-for", "127.0.0.1"));
        assert!(!is_local(&passed.to_http_request()));
    }

    #[test]
    fn a_subscriber_of_ipv6_counts_once() {
        let key = |ip: &str| bucket(ip.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
