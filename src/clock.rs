//! Time and fresh identifiers, injected so that tests are exact. The only room that reads the system clock.
//!
//! Knows nothing of conversations; everything that needs "now" or "a new id" is handed a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use jiff::tz::TimeZone;
use uuid::{ContextV7, Timestamp, Uuid};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// Where the system keeps the time zones, unless `TZDIR` says otherwise.
const ZONES: &str = "/usr/share/zoneinfo";

/// The day of the week (0 for Monday) and the minute of the day at `at` on a wall in `zone`, an IANA name like
/// `Europe/Berlin`; `None` if this machine does not know the zone. Reads a small file of the system.
pub fn local(zone: &str, at: Millis) -> Option<(usize, u16)> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?.to_zoned(time_zone(zone)?);
    let day = at.weekday().to_monday_zero_offset();
    Some((
        usize::try_from(day).ok()?,
        u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).ok()?,
    ))
}

fn time_zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
    };
    if name.len() > 64 || !name.split('/').all(part) {
        return None;
    }
    let folder = std::env::var_os("TZDIR").map_or_else(|| ZONES.into(), std::path::PathBuf::from);
    TimeZone::tzif(name, &fs_err::read(folder.join(name)).ok()?).ok()
}

/// Where "now" comes from: the machine, or a number a test sets.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands still at `at` until [`Clock::advance`] is called.
    pub fn manual(at: Millis) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(at)))
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> Millis {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::System => {
                std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis()
                    as Millis
            }
            Self::Manual(at) => at.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(at) = self {
            at.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
        }
    }

    /// A fresh UUIDv7, sortable by time (RFC 9562).
    pub fn fresh_id(&self) -> Uuid {
        let now = self.now();
        Uuid::new_v7(Timestamp::from_unix(ContextV7::new(), now / 1000, (now % 1000) as u32 * 1_000_000))
    }
}
