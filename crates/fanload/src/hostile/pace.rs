//! How fast bytes may pass.

use std::time::{Duration, Instant};

/// What may pass at once after a pause.
const BURST: Duration = Duration::from_millis(20);

/// A rate that the bytes of all connections together keep to.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: f64,
    /// When everything let through so far has passed.
    free: Instant,
}

impl Pace {
    pub(super) fn new(bytes_per_second: f64, now: Instant) -> Self {
        Self { bytes_per_second, free: now }
    }

    /// When `bytes` more have passed that are there `now`.
    pub(super) fn passed(&mut self, bytes: usize, now: Instant) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.free = self.free.max(earliest) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when a pause is made up for: a link does not send later what it could have sent while it was idle.
    #[test]
    fn bytes_take_their_time_and_pauses_are_not_made_up_for() {
        let begun = Instant::now();
        let mut pace = Pace::new(1_000_000.0, begun);
        assert_eq!(pace.passed(500_000, begun), begun + Duration::from_millis(500));
        assert_eq!(pace.passed(500_000, begun), begun + Duration::from_secs(1), "they queue");
        let later = begun + Duration::from_secs(9);
        assert_eq!(pace.passed(1_000_000, later), later + Duration::from_secs(1) - BURST);
    }
}
