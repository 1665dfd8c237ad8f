//! Streams that seem to have expired. A message that was published before may still be on the way, so an expiry is believed only
//! when the feed has proven that it is past it: the tip is read again then.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::feed::FeedId;

/// The keys of channels, by feed and by when their expiry was seen. A channel stands here once for each doubt.
#[derive(Debug, Default)]
pub(super) struct Expiries(BTreeMap<FeedId, BTreeMap<Instant, BTreeSet<usize>>>);

impl Expiries {
    /// A channel waits until its feed has proven a round trip that began after `due`.
    pub(super) fn add(&mut self, feed: FeedId, due: Instant, key: usize) {
        self.0.entry(feed).or_default().entry(due).or_default().insert(key);
    }

    /// The channels whose feed is past them, since a round trip was proven that began then. Closed ones are among them.
    pub(super) fn take_due(&mut self, feed: FeedId, began: Instant) -> BTreeSet<usize> {
        let Some(of_feed) = self.0.get_mut(&feed) else { return BTreeSet::new() };
        let later = of_feed.split_off(&began);
        std::mem::replace(of_feed, later).into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn channels_wait_for_a_later_round_trip_of_their_own_feed() {
        let (first, second) = (FeedId::FIRST, FeedId::new(1));
        let (mut expiries, start) = (Expiries::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (feed, due, key) in [(first, 2, 10), (first, 3, 11), (second, 2, 20), (second, 9, 21)] {
            expiries.add(feed, at(due), key);
        }
        let mut taken = |feed, began| expiries.take_due(feed, at(began)).into_iter().collect::<Vec<_>>();
        assert_eq!(taken(second, 2), [0; 0], "it may have begun before");
        assert_eq!(taken(second, 4), [20]);
        assert_eq!(taken(first, 4), [10, 11]);
        assert_eq!(taken(second, 10), [21]);
        assert!(expiries.0.values().all(BTreeMap::is_empty));
    }
}
