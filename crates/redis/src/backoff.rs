//! How long to wait before the next attempt.

use std::time::Duration;

use fanfare_log::Random;
use fanfare_protocol::limits;

const FIRST: Duration = Duration::from_millis(50);

/// Doubles from 50 ms up to [`limits::REDIS_BACKOFF_MAX`], with jitter, so that nodes do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    random: Random,
}

impl Backoff {
    /// Nothing has failed yet.
    pub(crate) fn new(random: Random) -> Self {
        Self { attempts: 0, random }
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Whether nothing has failed since the last success.
    pub(crate) fn is_fresh(&self) -> bool {
        self.attempts == 0
    }

    /// The next wait: between half and all of the step.
    pub(crate) fn next(&mut self) -> Duration {
        let step = (FIRST * 2u32.saturating_pow(self.attempts.min(16))).min(limits::REDIS_BACKOFF_MAX);
        self.attempts += 1;
        self.random.between(step / 2, step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_milliseconds_to_the_limit_and_stay_there() {
        let mut backoff = Backoff::new(Random::seeded(1));
        assert!(backoff.next() <= FIRST);
        let last = (0..20).map(|_| backoff.next()).last().unwrap();
        assert!(last <= limits::REDIS_BACKOFF_MAX && last >= limits::REDIS_BACKOFF_MAX / 3);
    }
}
