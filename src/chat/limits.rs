//! How much one shopper, and one address, may ask: messages a minute and tokens an hour.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::{DeskError, Settings};
use crate::clock::{Clock, Millis};
use crate::domain::ShopperId;

const HOUR: Millis = 3_600_000;
/// Keys are swept when there are this many.
const SWEEP: usize = 10_000;
/// Pages that a shopper may be said to be on in a minute.
const PAGES: u32 = 30;

/// Who asks. An anonymous caller of the API has only an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Shopper(ShopperId),
    Address(IpAddr),
}

impl Who {
    /// One household or server: an IPv6 address counts as its /64.
    pub(super) fn address(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
            },
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

pub(super) struct Limits {
    shoppers: DefaultKeyedRateLimiter<Who>,
    addresses: DefaultKeyedRateLimiter<Who>,
    pages: DefaultKeyedRateLimiter<ShopperId>,
    tokens: Allowances<Who>,
    shopper_tokens: u64,
    address_tokens: u64,
    blocked: RwLock<HashSet<ShopperId>>,
}

impl Limits {
    pub(super) fn new(settings: &Settings, clock: Clock) -> Self {
        let quota = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self {
            shoppers: RateLimiter::keyed(quota(settings.messages_per_minute)),
            addresses: RateLimiter::keyed(quota(settings.address_messages_per_minute)),
            pages: RateLimiter::keyed(quota(PAGES)),
            tokens: Allowances { clock, windows: Mutex::default() },
            shopper_tokens: settings.tokens_per_hour.into(),
            address_tokens: settings.address_tokens_per_hour.into(),
            blocked: RwLock::default(),
        }
    }

    /// Refuses these shoppers, and no others.
    pub(super) fn block(&self, shoppers: HashSet<ShopperId>) {
        *self.blocked.write().unwrap_or_else(PoisonError::into_inner) = shoppers;
    }

    pub(super) fn is_blocked(&self, shopper: ShopperId) -> bool {
        self.blocked.read().unwrap_or_else(PoisonError::into_inner).contains(&shopper)
    }

    /// Counts one message of each of `who`, or says how long to wait.
    pub(super) fn admit(&self, who: &[Who]) -> Result<(), DeskError> {
        self.admit_choice(who)?;
        for one in who {
            let allowance = match one {
                Who::Shopper(_) => self.shopper_tokens,
                Who::Address(_) => self.address_tokens,
            };
            self.tokens
                .left(one, allowance)
                .map_err(|retry_after| DeskError::AllowanceUsed { retry_after })?;
        }
        Ok(())
    }

    /// The same for what the model need not answer: it counts as a message, and asks for no tokens.
    pub(super) fn admit_choice(&self, who: &[Who]) -> Result<(), DeskError> {
        if who.iter().any(|one| matches!(one, Who::Shopper(shopper) if self.is_blocked(*shopper))) {
            return Err(DeskError::Blocked);
        }
        for one in who {
            let limiter = match one {
                Who::Shopper(_) => &self.shoppers,
                Who::Address(_) => &self.addresses,
            };
            if limiter.len() > SWEEP {
                limiter.retain_recent();
            }
            limiter.check_key(one).map_err(|until| DeskError::RateLimited {
                retry_after: until.wait_time_from(DefaultClock::default().now()),
            })?;
        }
        Ok(())
    }

    /// Counts one page that a shopper turns to; false if they were too many.
    pub(super) fn may_turn(&self, shopper: ShopperId) -> bool {
        if self.pages.len() > SWEEP {
            self.pages.retain_recent();
        }
        self.pages.check_key(&shopper).is_ok()
    }

    /// Notes what an answer cost.
    pub(super) fn spend(&self, who: &[Who], tokens: u64) {
        for one in who {
            self.tokens.spend(*one, tokens);
        }
    }
}

/// Tokens used in the running hour. A debt is allowed: what an answer costs is known only after it.
struct Allowances<K> {
    clock: Clock,
    windows: Mutex<HashMap<K, (Millis, u64)>>,
}

impl<K: Eq + Hash> Allowances<K> {
    /// An error holds the time until the hour is over.
    fn left(&self, key: &K, allowance: u64) -> Result<(), Duration> {
        let now = self.clock.now();
        match self.lock().get(key) {
            Some((start, used)) if *used >= allowance && now < start + HOUR => {
                Err(Duration::from_millis(start + HOUR - now))
            }
            _ => Ok(()),
        }
    }

    fn spend(&self, key: K, tokens: u64) {
        let now = self.clock.now();
        let mut windows = self.lock();
        if windows.len() > SWEEP {
            windows.retain(|_, (start, _)| now < *start + HOUR);
        }
        let window = windows.entry(key).or_insert((now, 0));
        if now >= window.0 + HOUR {
            *window = (now, 0);
        }
        window.1 += tokens;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, (Millis, u64)>> {
        self.windows.lock().expect("no code panics while it holds the windows. This is a bug.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shopper(n: u128) -> Who {
        Who::Shopper(ShopperId(uuid::Uuid::from_u128(n)))
    }

    #[test]
    fn messages_and_tokens_are_limited_each_by_its_own_key() {
        let clock = Clock::manual(0);
        let settings = Settings { messages_per_minute: 3, tokens_per_hour: 100, ..Settings::default() };
        let limits = Limits::new(&settings, clock.clone());
        for _ in 0..3 {
            limits.admit(&[shopper(1)]).expect("within the limit");
        }
        assert_eq!(limits.admit(&[shopper(1)]).expect_err("the fourth").code(), "rate_limited");
        limits.admit(&[shopper(2)]).expect("another shopper");
        limits.spend(&[shopper(2)], 100);
        assert_eq!(limits.admit(&[shopper(2)]).expect_err("used up").code(), "allowance_used");
        clock.advance(Duration::from_millis(HOUR));
        limits.admit(&[shopper(2)]).expect("a new hour");
        limits.spend(&[shopper(3)], 100);
        limits.admit_choice(&[shopper(3)]).expect("asks for no tokens");
        assert_eq!(limits.admit_choice(&[shopper(1)]).expect_err("counts").code(), "rate_limited");
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let a = Who::address("2001:db8:1:2::1".parse().expect("address"));
        let b = Who::address("2001:db8:1:2:ffff::9".parse().expect("address"));
        let c = Who::address("2001:db8:1:3::1".parse().expect("address"));
        assert!(a == b && a != c);
        let mapped = Who::address("::ffff:192.0.2.7".parse().expect("address"));
        assert_eq!(mapped, Who::address("192.0.2.7".parse().expect("address")));
    }
}
