//! Random spread for retry times: SplitMix64, seeded once, shared by the threads of a node.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A source of spread. Not for secrets.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// Always the same sequence for the same seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Seeded by the operating system.
    #[must_use]
    pub fn from_entropy() -> Self {
        Self::seeded(RandomState::new().hash_one(0x0066_616e_6661_7265_u64))
    }

    fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration in `from..=to`, in whole milliseconds.
    pub fn between(&self, from: Duration, to: Duration) -> Duration {
        let from = u64::try_from(from.as_millis()).unwrap_or(u64::MAX);
        let to = u64::try_from(to.as_millis()).unwrap_or(u64::MAX);
        let span = to.saturating_sub(from).saturating_add(1);
        Duration::from_millis(from.saturating_add(self.next() % span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_stays_within_its_bounds_and_is_not_constant() {
        let jitter = Jitter::seeded(7);
        let (low, high) = (Duration::from_millis(100), Duration::from_millis(200));
        let drawn: Vec<_> = (0..200).map(|_| jitter.between(low, high)).collect();
        assert!(drawn.iter().all(|d| (low..=high).contains(d)));
        assert!(drawn.iter().any(|d| *d < Duration::from_millis(120)));
        assert!(drawn.iter().any(|d| *d > Duration::from_millis(180)));
    }

    #[test]
    fn the_same_seed_repeats() {
        let draw = |seed| {
            let jitter = Jitter::seeded(seed);
            (0..8).map(|_| jitter.between(Duration::ZERO, Duration::from_secs(9))).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
