//! How much one address may ask for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::error::ApiError;
use super::{Settings, address};

/// The buckets of every address, and how many sockets each holds.
#[derive(Debug)]
pub struct Limits {
    requests: DefaultKeyedRateLimiter<IpAddr>,
    sessions: DefaultKeyedRateLimiter<IpAddr>,
    upgrades: DefaultKeyedRateLimiter<IpAddr>,
    logins: DefaultKeyedRateLimiter<IpAddr>,
    /// Logins by the account they are for, whether there is one or not.
    accounts: DefaultKeyedRateLimiter<String>,
    sockets: Sockets,
    sockets_per_address: usize,
}

type Sockets = Arc<Mutex<HashMap<(IpAddr, Side), usize>>>;

/// Who holds a socket. Shoppers behind the same address, e.g. of a proxy that nobody named, cannot keep the staff out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Shoppers,
    /// Who is logged in, and the shop's programs.
    Staff,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Request,
    Session,
    Upgrade,
    /// Anything that costs a password's hash.
    Login,
}

impl Limits {
    pub fn new(settings: &Settings) -> Self {
        let per_minute = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        let keyed = |n: u32| RateLimiter::keyed(per_minute(n));
        Self {
            requests: keyed(settings.requests_per_minute),
            sessions: keyed(settings.sessions_per_minute),
            upgrades: keyed(settings.upgrades_per_minute),
            logins: keyed(settings.logins_per_minute),
            accounts: RateLimiter::keyed(per_minute(settings.logins_per_minute)),
            sockets: Arc::default(),
            sockets_per_address: settings.sockets_per_address,
        }
    }

    /// Counts one, or says how long to wait.
    pub fn take(&self, kind: Kind, ip: IpAddr) -> Result<(), ApiError> {
        let limiter = match kind {
            Kind::Request => &self.requests,
            Kind::Session => &self.sessions,
            Kind::Upgrade => &self.upgrades,
            Kind::Login => &self.logins,
        };
        limiter
            .check_key(&address::bucket(ip))
            .map_err(|early| ApiError::rate_limited(early.wait_time_from(DefaultClock::default().now())))
    }

    /// Counts one login to the account `name`, from wherever, or says how long to wait.
    pub fn take_account(&self, name: &str) -> Result<(), ApiError> {
        let name: String = name.chars().take(32).collect();
        self.accounts
            .check_key(&name)
            .map_err(|early| ApiError::rate_limited(early.wait_time_from(DefaultClock::default().now())))
    }

    /// A place for one more socket; given back when dropped.
    pub fn socket(&self, ip: IpAddr, side: Side) -> Result<SocketPlace, ApiError> {
        let key = (address::bucket(ip), side);
        let mut map = lock(&self.sockets);
        let count = map.entry(key).or_default();
        if *count >= self.sockets_per_address {
            return Err(ApiError::new(
                actix_web::http::StatusCode::TOO_MANY_REQUESTS,
                "too_many_sockets",
                format!("this address holds {count} sockets already; close one first"),
            )
            .retry_in(Duration::from_secs(5)));
        }
        *count += 1;
        Ok(SocketPlace { sockets: self.sockets.clone(), key })
    }

    /// Forgets addresses that have been quiet.
    pub fn sweep(&self) {
        for limiter in [&self.requests, &self.sessions, &self.upgrades, &self.logins] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.accounts.retain_recent();
        self.accounts.shrink_to_fit();
    }
}

/// One socket of one address.
#[derive(Debug)]
pub struct SocketPlace {
    sockets: Sockets,
    key: (IpAddr, Side),
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        let mut map = lock(&self.sockets);
        if let Some(count) = map.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                map.remove(&self.key);
            }
        }
    }
}

fn lock(sockets: &Sockets) -> std::sync::MutexGuard<'_, HashMap<(IpAddr, Side), usize>> {
    sockets.lock().expect("no code panics while it counts sockets. This is a bug.")
}
