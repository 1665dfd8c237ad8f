//! Since when the application denies what it is asked.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::FORWARD_DENIALS_MAX;

use crate::unix_seconds::UnixSeconds;

/// When questions were denied first, by a hash of who asks for what. A denial is young until it has been one for as long as the grace: an
/// application that cannot read its sessions, or stands behind a proxy that is in trouble, often denies what it allowed a moment before. Of two
/// that share a place the later is remembered; who is forgotten is young once more, and no more than that.
pub(super) struct Denials {
    /// In seconds.
    grace: u64,
    /// Empty until the first one.
    places: Mutex<Vec<Place>>,
}

#[derive(Clone, Copy)]
struct Place {
    /// The hash, without what says the place.
    tag: u64,
    first: UnixSeconds,
    last: UnixSeconds,
}

impl Place {
    const FREE: Self = Self { tag: 0, first: UnixSeconds(0), last: UnixSeconds(0) };
}

impl Denials {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace: grace.as_secs(), places: Mutex::default() }
    }

    /// Notes a denial, and says whether it is young. One that comes long after the last is another one.
    pub(super) fn note(&self, key: &[u8; 32], now: UnixSeconds) -> bool {
        if self.grace == 0 {
            return false;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize(FORWARD_DENIALS_MAX, Place::FREE);
        }
        let (index, tag) = parts(key);
        let place = &mut places[index];
        let goes_on = place.tag == tag && place.last <= now && now.since(place.last).as_secs() <= self.grace;
        let first = if goes_on { place.first } else { now };
        *place = Place { tag, first, last: now };
        now.since(first).as_secs() < self.grace
    }

    /// What was denied is allowed now.
    pub(super) fn forget(&self, key: &[u8; 32]) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let (index, tag) = parts(key);
        if let Some(place) = places.get_mut(index).filter(|place| place.tag == tag) {
            *place = Place::FREE;
        }
    }
}

fn parts(key: &[u8; 32]) -> (usize, u64) {
    let [a, b, tag @ ..] = key;
    let mut eight = [0; 8];
    eight.copy_from_slice(&tag[..8]);
    (usize::from(u16::from_be_bytes([*a, *b])) % FORWARD_DENIALS_MAX, u64::from_be_bytes(eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: u64 = 60;

    fn denials() -> Denials {
        Denials::new(Duration::from_secs(GRACE))
    }

    // Fails when a client that comes again and again is told so for ever, and when one is told so for what was long ago.
    #[test]
    fn a_denial_is_young_until_it_has_been_one_for_a_while() {
        let denials = denials();
        let key = [1; 32];
        for (at, is_young) in [(0, true), (30, true), (59, true), (60, false), (90, false), (90 + GRACE, false)] {
            assert_eq!(denials.note(&key, UnixSeconds(1_000 + at)), is_young, "{at}");
        }
        assert!(denials.note(&key, UnixSeconds(1_000 + 151 + GRACE)), "another one");
        assert!(denials.note(&key, UnixSeconds(500)), "a clock that was put back");
    }

    #[test]
    fn what_is_allowed_meanwhile_is_forgotten_and_others_keep_their_time() {
        let denials = denials();
        let (one, mut other) = ([1; 32], [1; 32]);
        other[0] = 2;
        denials.note(&one, UnixSeconds(1_000));
        denials.note(&other, UnixSeconds(1_000));
        denials.forget(&one);
        assert!(denials.note(&one, UnixSeconds(1_060)));
        assert!(!denials.note(&other, UnixSeconds(1_060)));
    }

    #[test]
    fn without_a_grace_no_denial_is_young_and_nothing_is_remembered() {
        let none = Denials::new(Duration::ZERO);
        assert!(!none.note(&[1; 32], UnixSeconds(1_000)));
        assert!(none.places.lock().unwrap().is_empty());
    }
}
