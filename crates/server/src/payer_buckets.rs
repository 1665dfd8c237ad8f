//! How much each of many payers has used up: a token bucket for each, in its "theoretical arrival time" form (GCRA).
//!
//! A place in the table is found by a hash that nobody outside can know, and its latest payer has it: however many there are, the table is
//! no larger, and two that share a place forget each other.

use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_log::Random;
use tokio::time::Instant;

/// What a payer has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// How long one takes to come back.
    pub(crate) pause: Duration,
    /// How many there are at most.
    pub(crate) most: u32,
}

impl Bucket {
    /// In nanoseconds.
    fn interval(self) -> u64 {
        u64::try_from(self.pause.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Nanoseconds in which all come back.
    fn all(self) -> u64 {
        self.interval().saturating_mul(u64::from(self.most))
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    payer: NonZeroU64,
    /// When it would have all of its own again, in nanoseconds after the start of the table.
    full_at: u64,
}

/// A table of them.
#[derive(Debug)]
pub(crate) struct PayerBuckets {
    bucket: Bucket,
    size: usize,
    start: Instant,
    seed: u64,
    /// Empty until the first one: most nodes never need the memory.
    places: Mutex<Vec<Option<Place>>>,
}

impl PayerBuckets {
    /// A table of so many places.
    pub(crate) fn new(bucket: Bucket, size: usize, start: Instant) -> Self {
        Self { bucket, size, start, seed: Random::from_entropy().number(), places: Mutex::default() }
    }

    /// Whether this payer has nothing left.
    pub(crate) fn is_empty(&self, payer: NonZeroU64, now: Instant) -> bool {
        let (now, index) = (self.since_start(now), self.place_of(payer));
        let place = self.lock().get(index).copied().flatten();
        place.is_some_and(|place| place.payer == payer && self.is_used_up(place.full_at, now))
    }

    /// Takes one of this payer's, also if it has none: what was under way together may be more than it has. That is not held against it
    /// for longer than what it has.
    pub(crate) fn note(&self, payer: NonZeroU64, now: Instant) {
        let now = self.since_start(now);
        self.change(payer, now, |full_at| Some((full_at + self.bucket.interval()).min(now + self.bucket.all())));
    }

    /// Takes so many of this payer's if it has as many, else none. Who asks in vain does not wait any longer for that.
    pub(crate) fn take(&self, payer: NonZeroU64, count: u32, now: Instant) -> bool {
        let (now, cost) = (self.since_start(now), self.bucket.interval().saturating_mul(u64::from(count)));
        self.change(payer, now, |full_at| Some(full_at.saturating_add(cost)).filter(|at| at - now <= self.bucket.all()))
    }

    /// Says when a payer would have all of its own again, by when it would until now; `None`: nothing changes. Returns whether it does.
    fn change(&self, payer: NonZeroU64, now: u64, after: impl FnOnce(u64) -> Option<u64>) -> bool {
        let index = self.place_of(payer);
        let mut places = self.lock();
        if places.is_empty() {
            places.resize(self.size, None);
        }
        let place = &mut places[index];
        let full_at = place.filter(|place| place.payer == payer).map_or(now, |place| place.full_at.max(now));
        let changed = after(full_at).map(|full_at| Place { payer, full_at });
        *place = changed.or(*place);
        changed.is_some()
    }

    fn is_used_up(&self, full_at: u64, now: u64) -> bool {
        full_at.max(now) + self.bucket.interval() - now > self.bucket.all()
    }

    fn since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX / 2)
    }

    /// As in [`Random`], whose mixing spreads neighbours.
    fn place_of(&self, payer: NonZeroU64) -> usize {
        let mixed = Random::seeded(self.seed ^ payer.get()).number();
        usize::try_from(mixed % self.size.max(1) as u64).unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: Bucket = Bucket { pause: Duration::from_secs(1), most: 100 };

    fn payer(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    // Fails when the count is everybody's, and when it never comes back.
    #[test]
    fn who_has_used_up_all_waits_until_some_have_come_back_and_others_do_not() {
        let start = Instant::now();
        let buckets = PayerBuckets::new(BUCKET, 4_096, start);
        for _ in 0..BUCKET.most {
            assert!(!buckets.is_empty(payer(1), start));
            assert!(buckets.take(payer(1), 1, start));
        }
        assert!(buckets.is_empty(payer(1), start) && !buckets.is_empty(payer(2), start));
        assert!(!buckets.is_empty(payer(1), start + BUCKET.pause));
        // Some that were under way.
        (0..50).for_each(|_| buckets.note(payer(1), start));
        assert!(!buckets.is_empty(payer(1), start + BUCKET.pause));
        buckets.note(payer(1), start + BUCKET.pause);
        assert!(buckets.is_empty(payer(1), start + BUCKET.pause));
    }

    // Fails when who asks in vain is made to wait for it.
    #[test]
    fn who_asks_for_more_than_comes_back_gets_what_comes_back() {
        let start = Instant::now();
        let buckets = PayerBuckets::new(BUCKET, 16, start);
        let tenths = |tenths: u32| start + BUCKET.pause / 10 * tenths;
        let taken = (0..10_000).filter(|number| buckets.take(payer(1), 1, tenths(*number))).count();
        assert!((1_098..=1_100).contains(&taken), "{taken}");
    }

    // Fails when payers are remembered for ever.
    #[test]
    fn a_million_payers_take_no_more_memory_than_the_table_and_nobody_pays_for_a_neighbour() {
        let start = Instant::now();
        let buckets = PayerBuckets::new(BUCKET, 4_096, start);
        for number in 1..=1_000_000 {
            assert!(!buckets.is_empty(payer(number), start));
            buckets.note(payer(number), start);
        }
        assert_eq!((buckets.lock().len(), size_of::<Option<Place>>()), (4_096, 16));
    }
}
