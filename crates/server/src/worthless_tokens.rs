//! Who has sent tokens that were worth nothing.
//!
//! A signature is checked on the thread that delivers, before it is known who asks. So a client pays for checks that were in vain: it
//! has a number of them at once, and then one now and then, as a token bucket in its "theoretical arrival time" form (GCRA). Genuine tokens
//! cost nothing, and what somebody at one address sends counts for nobody at another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_log::Random;
use fanfare_protocol::limits::{WORTHLESS_TOKEN_PAUSE, WORTHLESS_TOKEN_SENDERS_MAX, WORTHLESS_TOKENS_MAX};
use tokio::time::Instant;

use crate::admission::AddressKey;

/// Nanoseconds in which one check comes back.
const INTERVAL: u64 = WORTHLESS_TOKEN_PAUSE.as_nanos() as u64;
/// Nanoseconds in which all do.
const ALL: u64 = INTERVAL * WORTHLESS_TOKENS_MAX as u64;

#[derive(Debug, Clone, Copy)]
struct Place {
    sender: AddressKey,
    /// When it would have all its checks again, in nanoseconds after the start of the table.
    full_at: u64,
}

/// The senders of one connection thread. A place is found by a hash that nobody outside can know, and its latest sender has it.
#[derive(Debug)]
pub(crate) struct WorthlessTokens {
    start: Instant,
    seed: u64,
    /// Empty until the first one: most nodes never need the memory. One thread uses it, so nobody waits for the lock.
    places: Mutex<Vec<Option<Place>>>,
}

impl WorthlessTokens {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, seed: Random::from_entropy().number(), places: Mutex::default() }
    }

    /// Whether this sender has used up its checks.
    pub(crate) fn are_too_many(&self, sender: AddressKey, now: Instant) -> bool {
        let now = self.since_start(now);
        let place = self.lock().get(self.place_of(sender)).copied().flatten();
        place.is_some_and(|place| place.sender == sender && place.full_at.max(now) + INTERVAL - now > ALL)
    }

    /// One more of this sender's.
    pub(crate) fn note(&self, sender: AddressKey, now: Instant) {
        let (now, index) = (self.since_start(now), self.place_of(sender));
        let mut places = self.lock();
        if places.is_empty() {
            places.resize(WORTHLESS_TOKEN_SENDERS_MAX, None);
        }
        let place = &mut places[index];
        let full_at = place.filter(|place| place.sender == sender).map_or(now, |place| place.full_at.max(now));
        // Checks that were under way together may be more than it has; they are not held against it for longer.
        *place = Some(Place { sender, full_at: (full_at + INTERVAL).min(now + ALL) });
    }

    fn since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX / 2)
    }

    /// As in [`Random`], whose mixing spreads neighbours.
    fn place_of(&self, sender: AddressKey) -> usize {
        let mixed = Random::seeded(self.seed ^ sender.bits()).number();
        usize::try_from(mixed % WORTHLESS_TOKEN_SENDERS_MAX as u64).unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn sender(number: u32) -> AddressKey {
        AddressKey::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    // Fails when the count is everybody's, and when it never comes back.
    #[test]
    fn a_sender_of_too_many_waits_until_some_have_come_back_and_others_do_not() {
        let start = Instant::now();
        let tokens = WorthlessTokens::new(start);
        for _ in 0..WORTHLESS_TOKENS_MAX {
            assert!(!tokens.are_too_many(sender(1), start));
            tokens.note(sender(1), start);
        }
        assert!(tokens.are_too_many(sender(1), start) && !tokens.are_too_many(sender(2), start));
        assert!(!tokens.are_too_many(sender(1), start + WORTHLESS_TOKEN_PAUSE));
        // Some that were under way.
        (0..50).for_each(|_| tokens.note(sender(1), start));
        assert!(!tokens.are_too_many(sender(1), start + WORTHLESS_TOKEN_PAUSE));
        tokens.note(sender(1), start + WORTHLESS_TOKEN_PAUSE);
        assert!(tokens.are_too_many(sender(1), start + WORTHLESS_TOKEN_PAUSE));
    }

    // Fails when senders are remembered for ever.
    #[test]
    fn a_million_senders_take_no_more_memory_than_the_table_and_nobody_pays_for_a_neighbour() {
        let start = Instant::now();
        let tokens = WorthlessTokens::new(start);
        for number in 1..=1_000_000 {
            assert!(!tokens.are_too_many(sender(number), start));
            tokens.note(sender(number), start);
        }
        let places = tokens.lock();
        assert_eq!((places.len(), size_of::<Option<Place>>()), (WORTHLESS_TOKEN_SENDERS_MAX, 16));
    }
}
