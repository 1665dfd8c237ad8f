//! How long streams live at least after their last entry, as far as is known of one log: what an absence proves rests on it.

use std::time::Duration;

use fanfare_protocol::limits::{ABSENCE_PROOF, MIN_LIFE_CLOCK_SLACK};

/// How long the streams of one log live at least after their last entry. By the publishing function's word alone that is
/// [`ABSENCE_PROOF`]; an operator may have promised more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinLife {
    /// In milliseconds of the store's clock.
    ms: u64,
    /// The last time at which a stream was seen to live, or to have lived, shorter than was promised; 0: never.
    broken_ms: u64,
    /// That is so because they do not expire, as is promised.
    is_of_permanent: bool,
}

impl MinLife {
    /// What the publishing function gives to every stream.
    pub const LEAST: Self = Self { ms: ABSENCE_PROOF.as_millis() as u64, broken_ms: 0, is_of_permanent: false };

    /// That of the gateway's own logs: nodes give them no life, and publishers have no right to. One that is gone was deleted, or was lost with
    /// the store's data.
    pub const UNENDING: Self = Self { ms: u64::MAX, ..Self::LEAST };

    /// What a promise is worth of which nobody has seen that it was not kept. The store's clock may be set back by as much as
    /// [`MIN_LIFE_CLOCK_SLACK`], or be that of a replica, so that much is not counted on.
    #[must_use]
    pub fn promised(min_life: Duration) -> Self {
        let counted_on = min_life.saturating_sub(MIN_LIFE_CLOCK_SLACK).max(ABSENCE_PROOF);
        Self { ms: u64::try_from(counted_on.as_millis()).unwrap_or(u64::MAX), ..Self::LEAST }
    }

    /// The same after a promise was seen not to be kept at that time.
    #[must_use]
    pub fn broken_at(self, now_ms: u64) -> Self {
        Self { broken_ms: self.broken_ms.max(now_ms), ..self }
    }

    /// The same where streams that expire are evicted at any time, and these are not because they do not expire, as is promised.
    #[must_use]
    pub fn if_permanent(self) -> Self {
        Self { is_of_permanent: true, ..self }
    }

    /// Whether it rests on the promise that streams do not expire, so that one which is gone all the same proves the opposite.
    #[must_use]
    pub fn rests_on_permanence(self) -> bool {
        self.is_of_permanent
    }

    /// How long, in milliseconds, a stream lives at least that got its last entry at `since_ms` or later. A promise that was seen to
    /// be broken since is worth nothing for that time: another stream may have ended as early, unseen.
    #[must_use]
    pub fn ms_since(self, since_ms: u64) -> u64 {
        if since_ms > self.broken_ms { self.ms } else { Self::LEAST.ms }
    }

    /// Whether a stream whose last entry is of that time, and that ends at `end_ms`, lives shorter than was promised, which was not
    /// known.
    #[must_use]
    pub fn is_broken_by(self, last_ms: u64, end_ms: u64) -> bool {
        self.ms > Self::LEAST.ms && last_ms > self.broken_ms && end_ms < last_ms.saturating_add(self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_promise_is_counted_on_but_for_what_a_clock_may_be_set_back() {
        assert_eq!(MinLife::promised(HOUR).ms_since(5), HOUR_MS - 60_000);
        assert_eq!(MinLife::promised(Duration::from_secs(61)), MinLife::LEAST, "never less than without a promise");
    }

    // Seen to fail when what was broken is forgotten, and when it counts for what came later.
    #[test]
    fn a_broken_promise_is_worth_nothing_for_the_time_before() {
        let broken = MinLife::promised(HOUR).broken_at(1_000).broken_at(700);
        assert_eq!(broken.ms_since(900), 60_000);
        assert_eq!(broken.ms_since(1_000), 60_000);
        assert_eq!(broken.ms_since(1_001), HOUR_MS - 60_000);
    }

    #[test]
    fn a_stream_that_ends_early_breaks_a_promise_once() {
        let promised = MinLife::promised(HOUR);
        assert!(promised.is_broken_by(5_000, 5_000 + HOUR_MS / 2));
        assert!(!promised.is_broken_by(5_000, 5_000 + HOUR_MS));
        assert!(!promised.broken_at(6_000).is_broken_by(5_000, 6_000), "that is known");
        assert!(!MinLife::LEAST.is_broken_by(5_000, 6_000), "nothing was promised");
    }
}
