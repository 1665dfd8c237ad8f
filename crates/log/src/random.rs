//! Random numbers of the product: for jitter, names and epochs, never for secrets.
//!
//! Every component holds a generator of its own, forked from the one of its node. A seeded node therefore repeats, and what one
//! component draws does not shift what the others draw.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A source of random numbers that threads may share (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014: SplitMix64). It cannot be cloned, since two copies would draw the same numbers: [`Random::fork`] it.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// Always the same sequence for the same seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Another sequence in each process and at each call: the standard library keys its hashers from the operating system's
    /// randomness.
    #[must_use]
    pub fn from_entropy() -> Self {
        Self::seeded(RandomState::new().hash_one(std::process::id()))
    }

    /// A source of its own for another component.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::seeded(self.number())
    }

    /// The next number.
    pub fn number(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 if that is 0. Not quite even for bounds near 2^64, which does not matter to jitter.
    pub fn below(&self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// A duration in `from..=to`, in whole microseconds.
    pub fn between(&self, from: Duration, to: Duration) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let span = micros(to).saturating_sub(micros(from)).saturating_add(1);
        from + Duration::from_micros(self.below(span))
    }

    /// A duration between 75 % and 125 % of the given one.
    pub fn spread(&self, duration: Duration) -> Duration {
        self.between(duration / 4 * 3, duration / 4 * 5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_stay_within_their_bounds_and_reach_both_ends() {
        let random = Random::seeded(7);
        let (low, high) = (Duration::from_millis(100), Duration::from_millis(200));
        let drawn: Vec<_> = (0..200).map(|_| random.between(low, high)).collect();
        assert!(drawn.iter().all(|d| (low..=high).contains(d)));
        assert!(drawn.iter().any(|d| *d < Duration::from_millis(110)));
        assert!(drawn.iter().any(|d| *d > Duration::from_millis(190)));
        let spread: Vec<_> = (0..200).map(|_| random.spread(Duration::from_secs(4))).collect();
        assert!(spread.iter().all(|d| (Duration::from_secs(3)..=Duration::from_secs(5)).contains(d)));
    }

    #[test]
    fn a_seed_repeats_and_a_fork_goes_its_own_way() {
        let draw = |random: &Random| (0..8).map(|_| random.number()).collect::<Vec<_>>();
        assert_eq!(draw(&Random::seeded(1)), draw(&Random::seeded(1)));
        assert_ne!(draw(&Random::seeded(1)), draw(&Random::seeded(2)));
        let (random, same) = (Random::seeded(1), Random::seeded(1));
        let (fork, other) = (random.fork(), same.fork());
        draw(&fork);
        assert_eq!(draw(&random), draw(&same), "what a fork draws shifts nothing");
        assert_ne!(draw(&fork), draw(&other));
    }

    #[test]
    fn entropy_differs_at_each_call() {
        assert_ne!(Random::from_entropy().number(), Random::from_entropy().number());
    }
}
