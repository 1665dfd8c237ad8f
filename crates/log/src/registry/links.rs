//! The links of the node's feeds: which are up, and when each was last proven.

use fanfare_protocol::limits::REVOCATIONS_UNPROVEN_PATIENCE;
use tokio::time::Instant;

use crate::feed::FeedId;

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    is_up: bool,
    /// When the latest round trip that was proven began. `None`: none was.
    proven: Option<Instant>,
}

/// One link for each feed.
#[derive(Debug)]
pub(super) struct Links {
    all: Vec<Link>,
    /// How often all were up together after one was not.
    times_up: u64,
}

impl Links {
    pub(super) fn new(feeds: usize) -> Self {
        Self { all: vec![Link::default(); feeds], times_up: 0 }
    }

    /// A feed has connected, or lost its connection.
    pub(super) fn set_up(&mut self, feed: FeedId, is_up: bool) {
        if let Some(link) = self.all.get_mut(feed.number()) {
            link.is_up = is_up;
        }
        self.times_up += u64::from(is_up && self.are_up());
    }

    /// What tells the present connections from those before them; 0 while a feed has none.
    pub(super) fn number(&self) -> u64 {
        if self.are_up() { self.times_up } else { 0 }
    }

    /// A round trip through a feed was proven that began then.
    pub(super) fn note_probe(&mut self, feed: FeedId, began: Instant) {
        if let Some(link) = self.all.get_mut(feed.number()) {
            link.proven = link.proven.max(Some(began));
        }
    }

    /// When the latest round trip through a feed that was proven began. `None`: none was.
    pub(super) fn proven_of(&self, feed: FeedId) -> Option<Instant> {
        self.all.get(feed.number()).and_then(|link| link.proven)
    }

    /// Whether every feed is connected.
    pub(super) fn are_up(&self) -> bool {
        self.all.iter().all(|link| link.is_up)
    }

    /// When what arrives now was published, at the latest that counts: it may have been under way since the feed was last proven, and for
    /// longer than [`REVOCATIONS_UNPROVEN_PATIENCE`] nobody waits.
    pub(super) fn published_by(&self, now: Instant) -> Instant {
        self.proven().map_or(now, |proven| now.min(proven + REVOCATIONS_UNPROVEN_PATIENCE))
    }

    /// All that was published before this time has been told by every feed: that of the feed that has gone unproven for longest. `None`: a
    /// feed never was proven.
    pub(super) fn proven(&self) -> Option<Instant> {
        self.all.iter().map(|link| link.proven).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_node_is_connected_and_proven_as_well_as_the_worst_of_its_feeds() {
        let (first, second) = (FeedId::FIRST, FeedId::new(1));
        let mut links = Links::new(2);
        links.set_up(first, true);
        let earlier = Instant::now();
        links.note_probe(first, earlier + Duration::from_millis(30));
        assert_eq!((links.are_up(), links.proven()), (false, None));
        links.set_up(second, true);
        links.note_probe(second, earlier);
        assert_eq!((links.are_up(), links.proven()), (true, Some(earlier)));
        let before = links.number();
        links.set_up(first, false);
        assert!(!links.are_up() && before > 0 && links.number() == 0);
        links.set_up(first, true);
        assert!(links.number() > before, "another connection");
    }
}
