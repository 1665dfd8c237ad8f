//! Subscriptions per second: a token bucket in its "theoretical arrival time" form (GCRA, ATM Forum TM 4.0), which needs
//! one atomic word and no refilling.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// Admits `per_second` on average and as many at once.
#[derive(Debug)]
pub(super) struct Rate {
    start: Instant,
    /// Nanoseconds that one token takes to come back.
    interval: u64,
    /// When the bucket would be full again, in nanoseconds after `start`.
    full_at: AtomicU64,
}

impl Rate {
    pub(super) fn new(per_second: NonZeroU32, start: Instant) -> Self {
        Self { start, interval: SECOND / u64::from(per_second.get()), full_at: AtomicU64::new(0) }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&self, now: Instant) -> bool {
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| self.after(full_at, now)).is_ok()
    }

    /// Whether there is a token, which others may take first.
    pub(super) fn has_one(&self, now: Instant) -> bool {
        self.after(self.full_at.load(Ordering::Relaxed), now).is_some()
    }

    /// When the bucket would be full again with one token less. `None`: there is none.
    fn after(&self, full_at: u64, now: Instant) -> Option<u64> {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let after = full_at.max(now) + self.interval;
        (after - now <= SECOND).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_of_one_second_is_admitted_and_then_the_average_rate() {
        let start = Instant::now();
        let rate = Rate::new(NonZeroU32::new(10).unwrap(), start);
        let admitted = |at: Duration| (0..50).filter(|_| rate.take(start + at)).count();
        assert_eq!(admitted(Duration::ZERO), 10);
        assert_eq!(admitted(Duration::from_millis(99)), 0);
        assert_eq!(admitted(Duration::from_millis(350)), 3);
        assert_eq!(admitted(Duration::from_secs(60)), 10);
    }

    #[test]
    fn looking_takes_nothing() {
        let start = Instant::now();
        let rate = Rate::new(NonZeroU32::new(1).unwrap(), start);
        assert!((0..50).all(|_| rate.has_one(start)));
        assert!(rate.take(start) && !rate.has_one(start) && rate.has_one(start + Duration::from_secs(1)));
    }
}
