//! What the application allowed a moment ago.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::{FORWARD_KEPT_BYTES_MAX, FORWARD_KEPT_MAX};

use super::answer::Verdict;
use crate::grant::Grant;
use crate::unix_seconds::UnixSeconds;

/// Grants by what they were asked for. A place is found by a hash of everything that was sent; its latest grant has it. Denials are not kept:
/// the next request of a user may be the one after logging in.
pub(super) struct KeptGrants {
    /// In seconds.
    keep: u64,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// Empty until the first one.
    all: Vec<Option<Kept>>,
    /// Which place is looked at next for a grant that is too old.
    hand: usize,
}

#[derive(Clone)]
struct Kept {
    key: [u8; 32],
    at: UnixSeconds,
    grant: Arc<Grant>,
}

impl KeptGrants {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep: keep.as_secs(), places: Mutex::default() }
    }

    /// `after`: what was asked by then does not count.
    pub(super) fn get(&self, key: &[u8; 32], now: UnixSeconds, after: Option<UnixSeconds>) -> Option<Grant> {
        let kept = {
            let places = self.lock();
            places.all.get(place_of(key))?.as_ref().filter(|kept| kept.key == *key)?.clone()
        };
        let is_later = after.is_none_or(|after| kept.at > after);
        (is_later && self.is_fresh(&kept, now) && !kept.grant.has_expired(now)).then(|| kept.grant.as_ref().clone())
    }

    /// Keeps the answer to a question that was asked then, if it allows something; else what was allowed before counts no more. A grant of very many
    /// bytes is not kept.
    pub(super) fn put(&self, key: [u8; 32], verdict: &Verdict, asked_at: UnixSeconds) {
        if self.keep == 0 {
            return;
        }
        let kept = match verdict {
            Verdict::Granted(grant) if grant.own_bytes() <= FORWARD_KEPT_BYTES_MAX => {
                Some(Kept { key, at: asked_at, grant: Arc::new(grant.as_ref().clone()) })
            }
            Verdict::Granted(_) | Verdict::Unauthenticated | Verdict::Forbidden | Verdict::TooMany(_) => None,
        };
        let mut places = self.lock();
        if places.all.is_empty() {
            places.all.resize(FORWARD_KEPT_MAX, None);
        }
        self.drop_an_old_one(&mut places, asked_at);
        let place = &mut places.all[place_of(&key)];
        match kept {
            Some(kept) => *place = Some(kept),
            None => drop(place.take_if(|kept| kept.key == key)),
        }
    }

    /// Each grant that is kept looks at two places, so that those of clients that are gone do not stay.
    fn drop_an_old_one(&self, places: &mut Places, now: UnixSeconds) {
        for _ in 0..2 {
            places.hand = (places.hand + 1) % FORWARD_KEPT_MAX;
            places.all[places.hand].take_if(|kept| !self.is_fresh(kept, now));
        }
    }

    /// A clock that was put back makes it old.
    fn is_fresh(&self, kept: &Kept, now: UnixSeconds) -> bool {
        kept.at <= now && now.0 < kept.at.0.saturating_add(self.keep)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(key: &[u8; 32]) -> usize {
    usize::from(u16::from_be_bytes([key[0], key[1]])) % FORWARD_KEPT_MAX
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::{ChannelName, ChannelTag, EntryId, LastEventId, Pattern, Position, encode_vector};

    use crate::named_stream::NamedStream;
    use crate::right::Right;
    use crate::rights::Rights;

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
        assert!(kept.get(&one, UnixSeconds(1_001), None).is_some());
        assert_eq!(kept.get(&other, NOW, None), None, "it has the same place");
        assert_eq!((kept.get(&one, UnixSeconds(1_002), None), kept.get(&one, UnixSeconds(999), None)), (None, None));
    }

    #[test]
    fn a_grant_that_is_over_is_not_kept_and_nothing_is_where_none_shall_be() {
        let kept = KeptGrants::new(Duration::from_secs(10));
        kept.put([0; 32], &granted(1_003), NOW);
        assert!(kept.get(&[0; 32], UnixSeconds(1_002), None).is_some());
        assert_eq!(kept.get(&[0; 32], UnixSeconds(1_003), None), None);
        let none = KeptGrants::new(Duration::ZERO);
        none.put([0; 32], &granted(2_000), NOW);
        assert_eq!((none.get(&[0; 32], NOW, None), none.lock().all.len()), (None, 0));
    }

    // Fails when what was asked in the same second, which may have been before, counts.
    #[test]
    fn what_was_asked_by_some_time_can_be_left_out() {
        let kept = KeptGrants::new(Duration::from_secs(10));
        kept.put([1; 32], &granted(2_000), NOW);
        let at = |after| kept.get(&[1; 32], UnixSeconds(1_002), Some(UnixSeconds(after)));
        assert!(at(999).is_some() && at(1_000).is_none() && at(1_001).is_none());
    }

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
        key
    }

    // Fails when the grants of clients that are gone stay until others take their places.
    #[test]
    fn grants_that_are_too_old_are_dropped_as_others_come() {
        let kept = KeptGrants::new(Duration::from_secs(2));
        for number in 0..FORWARD_KEPT_MAX {
            kept.put(key(number), &granted(9_000), NOW);
        }
        for _ in 0..FORWARD_KEPT_MAX / 2 {
            kept.put(key(0), &granted(9_000), UnixSeconds(1_010));
        }
        assert_eq!(kept.lock().all.iter().flatten().count(), 1);
    }

    // Fails when what is kept is bounded by what answers have, which is less than what is made of them.
    #[test]
    fn a_grant_of_very_many_bytes_is_not_kept() {
        let kept = KeptGrants::new(Duration::from_secs(2));
        let of = |count: usize| {
            let patterns = (0..count).map(|number| Pattern::parse(&format!("{number:0>200}")).unwrap());
            let rights = Rights::none().with(Right::Subscribe, patterns);
            Verdict::Granted(Box::new(Grant { rights, ..Grant::default() }))
        };
        kept.put(key(0), &of(1), NOW);
        assert!(kept.get(&key(0), NOW, None).is_some());
        kept.put(key(0), &of(FORWARD_KEPT_BYTES_MAX / 200), NOW);
        assert_eq!(kept.get(&key(0), NOW, None), None);
    }
    // Fails when what it names, or the positions, do not count: they stand beside its rights.
    #[test]
    fn the_names_and_the_positions_of_a_stream_count_beside_the_rights() {
        let kept = KeptGrants::new(Duration::from_secs(2));
        let is_kept = |names: usize, positions: usize| {
            let name = |number: usize| ChannelName::parse(&format!("{number:0>200}")).unwrap();
            let patterns = (0..names).map(|number| Pattern::parse(name(number).as_str()).unwrap());
            let rights = Rights::none().with(Right::Subscribe, patterns);
            let at = Position::At(EntryId { ms: 1, seq: 0 });
            let mut items: Vec<_> = (0..positions).map(|number| (ChannelTag::of(&name(number)), Some(at))).collect();
            items.sort_by_key(|(tag, _)| *tag);
            let mut text = String::new();
            encode_vector(&mut text, &items);
            let from = (positions > 0).then(|| LastEventId::parse(&text).unwrap());
            let stream = Some(Box::new(NamedStream { channels: (0..names).map(name).collect(), from }));
            kept.put(key(0), &Verdict::Granted(Box::new(Grant { rights, stream, ..Grant::default() })), NOW);
            kept.get(&key(0), NOW, None).is_some()
        };
        let rights_only = FORWARD_KEPT_BYTES_MAX / (200 + size_of::<Pattern>());
        assert!(is_kept(rights_only / 3, 0) && !is_kept(rights_only - 1, 0), "half of it is the rights");
        assert!(is_kept(rights_only / 3, 16) && !is_kept(rights_only / 3, 256));
    }
}
