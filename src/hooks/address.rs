//! Where a webhook may go: https to an address of the public internet.
//!
//! Names are looked up here, every address they have is checked, and the connection is made to a checked one: a name that
//! changes its mind between the look-up and the connection (DNS rebinding) gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

use super::HooksError;

/// The longest address, in bytes.
const MAX_URL: usize = 2_000;

/// `text` as an address that may be posted to, as far as can be told without looking its name up.
///
/// # Errors
/// `BadUrl` with what to write instead.
pub fn url(text: &str, allow_private: bool) -> Result<Url, HooksError> {
    let bad = |what: &str| Err(HooksError::BadUrl(what.to_owned()));
    let Ok(url) = Url::parse(text.trim()) else { return bad("this is not an address; write https://...") };
    if text.len() > MAX_URL {
        return bad("the address is too long");
    }
    if url.scheme() != "https" && !(allow_private && url.scheme() == "http") {
        return bad("the address has to begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad(
            "a name or password in the address would be seen by others; the signature proves who sends",
        );
    }
    if url.fragment().is_some() {
        return bad("leave out the part behind #");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return bad("the address has no host");
    }
    if !allow_private && literal(&url).is_some_and(|ip| !is_public(ip)) {
        return bad("private, loopback and reserved addresses are not posted to");
    }
    Ok(url)
}

/// The IP address that stands in the place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The address to connect to.
///
/// # Errors
/// In words: the name has no address, or one that is not public.
pub async fn resolve(url: &Url, allow_private: bool) -> Result<SocketAddr, String> {
    let port = url.port_or_known_default().ok_or("the address has no port")?;
    let host = url.host_str().ok_or("the address has no host")?;
    let found: Vec<SocketAddr> = match literal(url) {
        Some(ip) => vec![SocketAddr::new(ip, port)],
        None => tokio::net::lookup_host((host, port))
            .await
            .map_err(|fault| format!("the name cannot be looked up ({})", fault.kind()))?
            .collect(),
    };
    // One private address among public ones is no accident.
    if !allow_private && found.iter().any(|address| !is_public(address.ip())) {
        return Err("the name leads to a private, loopback or reserved address".to_owned());
    }
    found.first().copied().ok_or_else(|| "the name has no address".to_owned())
}

/// True for addresses of the public internet: what is not global unicast, or leads back into a private network, is not.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Blocks of the IANA registry of special-purpose addresses, and what clouds answer their metadata on.
const CLOSED_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let bits = u32::from(ip);
    !CLOSED_V4.iter().any(|(net, prefix)| (bits ^ u32::from(*net)) >> (32 - prefix) == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let inner = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    // An IPv4 address in other clothes: mapped, translated (NAT64), or tunnelled (6to4).
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(inner(s[6], s[7]));
    }
    if s[0] == 0x2002 {
        return is_public_v4(inner(s[1], s[2]));
    }
    // Global unicast is 2000::/3, but for the protocols' own block (Teredo and others) and what books use.
    let global = s[0] & 0xe000 == 0x2000;
    let special = match s[0] {
        0x2001 => s[1] < 0x0200 || s[1] == 0x0db8,
        0x3fff => s[1] < 0x1000,
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_open() {
        let closed = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.9.1",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:c0a8:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ];
        for ip in closed {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        let open = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "2400::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ];
        for ip in open {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn addresses_are_refused_before_anything_is_sent() {
        for text in [
            "",
            "shop.example.com",
            "http://example.com/x",
            "ftp://example.com",
            "https://user:pw@example.com/",
            "https://example.com/#x",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:10.0.0.1]/",
            "https://192.168.1.1:8443/hook",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://",
        ] {
            assert!(matches!(url(text, false), Err(HooksError::BadUrl(_))), "{text}");
        }
        for text in ["https://example.com/hooks?x=1", "https://8.8.8.8/", "https://hooks.example.com:8443/a"]
        {
            assert!(url(text, false).is_ok(), "{text}");
        }
        assert!(url("http://127.0.0.1:9/x", true).is_ok());
    }

    #[tokio::test]
    async fn a_name_is_judged_by_where_it_leads() {
        let local = url("https://localhost/", false).unwrap();
        assert!(
            resolve(&local, false).await.unwrap_err().contains("private"),
            "the name itself looks innocent"
        );
        assert!(resolve(&local, true).await.unwrap().ip().is_loopback());
        let nobody = url("https://no-such-name.invalid/", false).unwrap();
        assert!(resolve(&nobody, false).await.is_err());
    }
}
