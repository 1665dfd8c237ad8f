//! What the application answered a moment ago.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::FORWARD_KEPT_MAX;

use super::answer::Verdict;
use crate::unix_seconds::UnixSeconds;

/// Verdicts by what they were asked for. A place is found by a hash of everything that was sent; its latest verdict has it.
pub(super) struct KeptVerdicts {
    /// In seconds.
    keep: u64,
    /// Empty until the first one.
    places: Mutex<Vec<Option<Kept>>>,
}

#[derive(Clone)]
struct Kept {
    key: [u8; 32],
    at: UnixSeconds,
    verdict: Verdict,
}

impl KeptVerdicts {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep: keep.as_secs(), places: Mutex::default() }
    }

    pub(super) fn get(&self, key: &[u8; 32], now: UnixSeconds) -> Option<Verdict> {
        let places = self.lock();
        let kept = places.get(place_of(key))?.as_ref().filter(|kept| kept.key == *key)?;
        // A clock that was put back makes it none.
        let is_fresh = kept.at <= now && now.0 < kept.at.0.saturating_add(self.keep);
        let is_over = matches!(&kept.verdict, Verdict::Granted(grant) if grant.has_expired(now));
        (is_fresh && !is_over).then(|| kept.verdict.clone())
    }

    pub(super) fn put(&self, key: [u8; 32], verdict: &Verdict, now: UnixSeconds) {
        if self.keep == 0 {
            return;
        }
        let kept = Kept { key, at: now, verdict: verdict.clone() };
        let mut places = self.lock();
        if places.is_empty() {
            places.resize(FORWARD_KEPT_MAX, None);
        }
        places[place_of(&key)] = Some(kept);
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
    use crate::grant::Grant;

    const NOW: UnixSeconds = UnixSeconds(1_000);

    // Fails when a verdict is found by its place alone.
    #[test]
    fn a_verdict_counts_for_a_moment_and_for_exactly_what_was_sent() {
        let kept = KeptVerdicts::new(Duration::from_secs(2));
        let (one, other) = ([1; 32], {
            let mut key = [1; 32];
            key[31] = 2;
            key
        });
        kept.put(one, &Verdict::Forbidden, NOW);
        assert_eq!(kept.get(&one, UnixSeconds(1_001)), Some(Verdict::Forbidden));
        assert_eq!(kept.get(&other, NOW), None, "it has the same place");
        assert_eq!((kept.get(&one, UnixSeconds(1_002)), kept.get(&one, UnixSeconds(999))), (None, None));
    }

    #[test]
    fn a_grant_that_is_over_is_not_kept_and_nothing_is_where_none_shall_be() {
        let kept = KeptVerdicts::new(Duration::from_secs(10));
        let grant = Grant { expires_at: Some(UnixSeconds(1_003)), ..Grant::default() };
        kept.put([0; 32], &Verdict::Granted(Box::new(grant)), NOW);
        assert!(kept.get(&[0; 32], UnixSeconds(1_002)).is_some());
        assert_eq!(kept.get(&[0; 32], UnixSeconds(1_003)), None);
        let none = KeptVerdicts::new(Duration::ZERO);
        none.put([0; 32], &Verdict::Forbidden, NOW);
        assert_eq!((none.get(&[0; 32], NOW), none.lock().len()), (None, 0));
    }
}
