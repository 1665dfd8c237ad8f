//! What the application allowed a moment ago.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::FORWARD_KEPT_MAX;

use super::answer::Verdict;
use crate::grant::Grant;
use crate::unix_seconds::UnixSeconds;

/// Grants by what they were asked for. A place is found by a hash of everything that was sent; its latest grant has it. Denials are not kept:
/// the next request of a user may be the one after logging in.
pub(super) struct KeptGrants {
    /// In seconds.
    keep: u64,
    /// Empty until the first one.
    places: Mutex<Vec<Option<Kept>>>,
}

#[derive(Clone)]
struct Kept {
    key: [u8; 32],
    at: UnixSeconds,
    grant: Box<Grant>,
}

impl KeptGrants {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep: keep.as_secs(), places: Mutex::default() }
    }

    pub(super) fn get(&self, key: &[u8; 32], now: UnixSeconds) -> Option<Grant> {
        let places = self.lock();
        let kept = places.get(place_of(key))?.as_ref().filter(|kept| kept.key == *key)?;
        // A clock that was put back makes it none.
        let is_fresh = kept.at <= now && now.0 < kept.at.0.saturating_add(self.keep);
        (is_fresh && !kept.grant.has_expired(now)).then(|| kept.grant.as_ref().clone())
    }

    /// Keeps the answer to a question that was asked then, if it allows something; else what was allowed before counts no more.
    pub(super) fn put(&self, key: [u8; 32], verdict: &Verdict, asked_at: UnixSeconds) {
        if self.keep == 0 {
            return;
        }
        let mut places = self.lock();
        if places.is_empty() {
            places.resize(FORWARD_KEPT_MAX, None);
        }
        let place = &mut places[place_of(&key)];
        match verdict {
            Verdict::Granted(grant) => *place = Some(Kept { key, at: asked_at, grant: grant.clone() }),
            Verdict::Unauthenticated | Verdict::Forbidden => {
                place.take_if(|kept| kept.key == key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Kept>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(key: &[u8; 32]) -> usize {
    usize::from(u16::from_be_bytes([key[0], key[1]])) % FORWARD_KEPT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000);

    fn granted(until: u64) -> Verdict {
        Verdict::Granted(Box::new(Grant { expires_at: Some(UnixSeconds(until)), ..Grant::default() }))
    }

    // Fails when a grant is found by its place alone, and when a denial of another request takes it away.
    #[test]
    fn a_grant_counts_for_a_moment_and_for_exactly_what_was_sent() {
        let kept = KeptGrants::new(Duration::from_secs(2));
        let (one, other) = ([1; 32], {
            let mut key = [1; 32];
            key[31] = 2;
            key
        });
        kept.put(one, &granted(2_000), NOW);
        kept.put(other, &Verdict::Forbidden, NOW);
        assert!(kept.get(&one, UnixSeconds(1_001)).is_some());
        assert_eq!(kept.get(&other, NOW), None, "it has the same place");
        assert_eq!((kept.get(&one, UnixSeconds(1_002)), kept.get(&one, UnixSeconds(999))), (None, None));
    }

    #[test]
    fn a_grant_that_is_over_is_not_kept_and_nothing_is_where_none_shall_be() {
        let kept = KeptGrants::new(Duration::from_secs(10));
        kept.put([0; 32], &granted(1_003), NOW);
        assert!(kept.get(&[0; 32], UnixSeconds(1_002)).is_some());
        assert_eq!(kept.get(&[0; 32], UnixSeconds(1_003)), None);
        let none = KeptGrants::new(Duration::ZERO);
        none.put([0; 32], &granted(2_000), NOW);
        assert_eq!((none.get(&[0; 32], NOW), none.lock().len()), (None, 0));
    }
}
