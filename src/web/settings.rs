//! Where the server listens and whom it trusts; the `[web]` table of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: String,
    /// Origins (scheme, host and port) of the shop's pages that may open a chat. The server's own is always allowed.
    pub origins: Vec<String>,
    /// The address shoppers reach the server at, e.g. `https://chat.example.com`; empty means what `Host` says.
    pub public_url: String,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Secrets (HS256) with which the shop signs a shopper's identity; two, so that they can be rotated.
    pub identity_secrets: Vec<String>,
    /// The audience an identity must name.
    pub identity_audience: String,
    /// Minutes a shopper's token is valid.
    pub token_minutes: u64,
    /// Days within which an expired token can still be renewed.
    pub renew_days: u64,
    /// Sockets that shoppers behind one address may hold, and as many again for the staff: an office or a mobile carrier is one address.
    pub sockets_per_address: usize,
    /// Sockets one session (a shopper's, or a login of the staff) may hold: a tab is one. The oldest makes room for the newest.
    pub sockets_per_session: usize,
    /// Milliseconds within which a client has to say `hello`.
    pub hello_within_ms: u64,
    /// Milliseconds between two heartbeats; a client that leaves two in a row unanswered is let go.
    pub heartbeat_ms: u64,
    /// Requests one address may make in a minute.
    pub requests_per_minute: u32,
    /// Sessions one address may begin in a minute.
    pub sessions_per_minute: u32,
    /// Sockets one address may open in a minute.
    pub upgrades_per_minute: u32,
    /// Logins one address may try, and that may be tried on one account, in a minute.
    pub logins_per_minute: u32,
    /// Worker threads; 0 means one per core.
    pub workers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            origins: Vec::new(),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            identity_secrets: Vec::new(),
            identity_audience: "shopclerk".to_owned(),
            token_minutes: 60,
            renew_days: 30,
            sockets_per_address: 100,
            sockets_per_session: 8,
            hello_within_ms: 10_000,
            heartbeat_ms: 25_000,
            requests_per_minute: 1_200,
            sessions_per_minute: 60,
            upgrades_per_minute: 120,
            logins_per_minute: 10,
            workers: 0,
        }
    }
}

impl Settings {
    pub(super) fn hello_within(&self) -> Duration {
        Duration::from_millis(self.hello_within_ms)
    }

    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.listen.parse::<std::net::SocketAddr>().is_err() {
            faults.push(format!(
                "listen: `{}` is not an address with a port; write e.g. `127.0.0.1:8080`",
                self.listen
            ));
        }
        for (n, origin) in self.origins.iter().enumerate() {
            if !is_origin(origin) {
                faults.push(format!(
                    "origins[{n}]: `{origin}` is not an origin; write scheme, host and port, e.g. `https://shop.example.com`"
                ));
            }
        }
        for (n, secret) in self.identity_secrets.iter().enumerate() {
            if secret.len() < 32 {
                faults.push(format!(
                    "identity_secrets[{n}]: {} bytes are too few; use 32 or more random ones",
                    secret.len()
                ));
            }
        }
        if !self.public_url.is_empty() && !is_origin(&self.public_url) {
            faults.push(format!(
                "public_url: `{}` is not an origin; write e.g. `https://chat.example.com`",
                self.public_url
            ));
        }
        for (key, value) in [
            ("requests_per_minute", self.requests_per_minute),
            ("sessions_per_minute", self.sessions_per_minute),
            ("upgrades_per_minute", self.upgrades_per_minute),
            ("logins_per_minute", self.logins_per_minute),
        ] {
            if value == 0 {
                faults.push(format!("{key}: 0 would refuse everybody; use 1 or more"));
            }
        }
        if self.sockets_per_session == 0 {
            faults.push("sockets_per_session: 0 would end every socket at once; use 1 or more".to_owned());
        }
        for (key, value) in [("hello_within_ms", self.hello_within_ms), ("heartbeat_ms", self.heartbeat_ms)] {
            if !(100..=3_600_000).contains(&value) {
                faults.push(format!("{key}: {value} is not between 100 and 3600000 (an hour)"));
            }
        }
        if self.token_minutes == 0 {
            faults.push("token_minutes: 0 would expire every token at once; use 1 or more".to_owned());
        }
        faults
    }
}

/// True for `scheme://host[:port]` with nothing behind it.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    matches!(scheme, "http" | "https")
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
}
