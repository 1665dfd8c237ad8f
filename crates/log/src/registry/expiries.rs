//! Streams that seem to have expired. A message that was published before may still be on the way, so an expiry is believed only
//! when the feed has proven that it is past it: the tip is read again then.

use std::collections::{BTreeMap, BTreeSet};

use crate::feed::FeedId;

/// The keys of channels, by feed and by the number of proofs that they wait for. A channel stands here once for each doubt.
#[derive(Debug, Default)]
pub(super) struct Expiries(BTreeMap<(FeedId, u64), BTreeSet<usize>>);

impl Expiries {
    /// A channel waits until its feed has proven `due` round trips.
    pub(super) fn add(&mut self, feed: FeedId, due: u64, key: usize) {
        self.0.entry((feed, due)).or_default().insert(key);
    }

    /// The channels whose feed has proven enough. Closed ones are among them.
    pub(super) fn take_due(&mut self, feed: FeedId, proofs: u64) -> BTreeSet<usize> {
        let later = self.0.split_off(&(feed, proofs + 1));
        let mut due = std::mem::replace(&mut self.0, later);
        // What is left of it belongs to feeds with lower numbers.
        let of_this = due.split_off(&(feed, 0));
        self.0.append(&mut due);
        of_this.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_wait_for_proofs_of_their_own_feed() {
        let (first, second) = (FeedId::FIRST, FeedId::new(1));
        let mut expiries = Expiries::default();
        for (feed, due, key) in [(first, 2, 10), (first, 3, 11), (second, 2, 20), (second, 9, 21)] {
            expiries.add(feed, due, key);
        }
        assert!(expiries.take_due(second, 1).is_empty());
        assert_eq!(expiries.take_due(second, 4).into_iter().collect::<Vec<_>>(), [20]);
        assert_eq!(expiries.take_due(first, 3).into_iter().collect::<Vec<_>>(), [10, 11]);
        assert_eq!(expiries.take_due(second, 9).into_iter().collect::<Vec<_>>(), [21]);
        assert!(expiries.0.is_empty());
    }
}
