//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use fanfare_protocol::limits;

const FIRST: Duration = Duration::from_millis(50);

/// Doubles from 50 ms up to [`limits::REDIS_BACKOFF_MAX`], with jitter, so that nodes do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Whether nothing has failed since the last success.
    pub(crate) fn is_fresh(&self) -> bool {
        self.attempts == 0
    }

    /// The next wait: between half and all of the step.
    pub(crate) fn next(&mut self) -> Duration {
        let step = (FIRST * 2u32.saturating_pow(self.attempts.min(16))).min(limits::REDIS_BACKOFF_MAX);
        self.attempts += 1;
        // A freshly keyed hasher is the standard library's source of randomness.
        let random = RandomState::new().hash_one(self.attempts) % 512;
        step / 1024 * (512 + u32::try_from(random).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_milliseconds_to_the_limit_and_stay_there() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= FIRST);
        let last = (0..20).map(|_| backoff.next()).last().unwrap();
        assert!(last <= limits::REDIS_BACKOFF_MAX && last >= limits::REDIS_BACKOFF_MAX / 3);
    }
}
