//! Times as tokens write them.

use std::time::{Duration, SystemTime};

/// Whole seconds since 1970 (RFC 7519, `NumericDate`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The time of a clock reading. A clock that stands before 1970 stands at 0.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// How long it is from `earlier` until this; nothing if this is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}
