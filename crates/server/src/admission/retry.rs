//! How long an address, or a subject, stays away that was refused for what it did itself: longer while it goes on, in bounded memory.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use fanfare_protocol::limits::{ADDRESSES_TRACKED_MAX, REFUSAL_RETRY_MAX, REFUSAL_RETRY_MIN};

/// The shortest retry time before jitter, which at most doubles it.
const BASE: Duration = REFUSAL_RETRY_MIN;
/// The longest one before jitter.
const LONGEST: Duration = Duration::from_millis(REFUSAL_RETRY_MAX.as_millis() as u64 / 2);
/// Doublings after which [`LONGEST`] is reached for any sensible pair of limits.
const MAX_LEVEL: u8 = 10;
/// Addresses and subjects remembered. Two that share a place forget each other, which only shortens their retry time.
const PLACES: usize = ADDRESSES_TRACKED_MAX;
/// Refused again after longer than this, it begins anew.
const FORGET_AFTER: Duration = Duration::from_secs(400);

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    key: u64,
    level: u8,
    /// Seconds after the start of the table, plus one; 0 marks a free place.
    level_since: u32,
    last: u32,
}

#[derive(Debug)]
pub(super) struct RetryTable {
    start: Instant,
    /// Empty until the first refusal: most nodes never need the memory.
    places: Mutex<Vec<Place>>,
}

impl RetryTable {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, places: Mutex::default() }
    }

    /// The retry time for one more refusal of this payer. It doubles at most once per retry time, so that many clients
    /// of one payer that are refused together do not lengthen it for each other.
    pub(super) fn next(&self, key: NonZeroU64, now: Instant) -> Duration {
        let now = u32::try_from(now.saturating_duration_since(self.start).as_secs()).unwrap_or(u32::MAX - 1) + 1;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize(PLACES, Place::default());
        }
        let place = &mut places[Self::place_of(key)];
        let known = place.level_since != 0
            && place.key == key.get()
            && Duration::from_secs(u64::from(now.saturating_sub(place.last))) < FORGET_AFTER;
        if !known {
            *place = Place { key: key.get(), level: 0, level_since: now, last: now };
            return BASE;
        }
        let waited = Duration::from_secs(u64::from(now.saturating_sub(place.level_since)));
        if waited >= time_at(place.level) {
            place.level = (place.level + 1).min(MAX_LEVEL);
            place.level_since = now;
        }
        place.last = now;
        time_at(place.level)
    }

    fn place_of(key: NonZeroU64) -> usize {
        let mixed = key.get().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES.trailing_zeros());
        usize::try_from(mixed).unwrap_or(0) % PLACES
    }
}

fn time_at(level: u8) -> Duration {
    (BASE * (1 << level.min(MAX_LEVEL))).min(LONGEST)
}

const _: () = assert!(PLACES.is_power_of_two() && BASE.as_millis() <= LONGEST.as_millis());

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> NonZeroU64 {
        NonZeroU64::from(std::num::NonZeroU8::new(last).unwrap())
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_client_that_obeys_waits_longer_each_time_up_to_a_bound() {
        let start = Instant::now();
        let table = RetryTable::new(start);
        let mut at = seconds(0);
        let mut times = Vec::new();
        for _ in 0..7 {
            let time = table.next(address(1), start + at);
            times.push(time.as_secs());
            at += time;
        }
        assert_eq!(times, [5, 10, 20, 40, 60, 60, 60]);
    }

    #[test]
    fn a_crowd_refused_at_once_does_not_lengthen_its_own_time() {
        let start = Instant::now();
        let table = RetryTable::new(start);
        assert!((0..1_000).all(|_| table.next(address(1), start) == BASE));
    }

    #[test]
    fn an_address_that_stayed_away_begins_anew_and_others_are_untouched() {
        let start = Instant::now();
        let table = RetryTable::new(start);
        table.next(address(1), start);
        assert_eq!(table.next(address(1), start + seconds(6)), seconds(10));
        assert_eq!(table.next(address(2), start + seconds(6)), BASE);
        assert_eq!(table.next(address(1), start + seconds(1_000)), BASE);
    }
}
