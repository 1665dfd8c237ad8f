//! The links of the node's feeds: which are up, and when each was last proven.

use crate::feed::FeedId;

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    is_up: bool,
    /// Milliseconds since the registry began, plus one. 0: never.
    proven_ms: u64,
    /// Round trips that were proven.
    proofs: u64,
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

    /// A round trip through a feed was just proven.
    pub(super) fn note_probe(&mut self, feed: FeedId, since_ms: u64) {
        if let Some(link) = self.all.get_mut(feed.number()) {
            link.proven_ms = since_ms.saturating_add(1);
            link.proofs += 1;
        }
    }

    /// The number of round trips through a feed that were proven since the registry began.
    pub(super) fn proofs(&self, feed: FeedId) -> u64 {
        self.all.get(feed.number()).map_or(0, |link| link.proofs)
    }

    /// Whether every feed is connected.
    pub(super) fn are_up(&self) -> bool {
        self.all.iter().all(|link| link.is_up)
    }

    /// When the feed that has gone unproven for longest was proven: milliseconds since the registry began, plus one. 0: never.
    pub(super) fn proven_ms(&self) -> u64 {
        self.all.iter().map(|link| link.proven_ms).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_connected_and_proven_as_well_as_the_worst_of_its_feeds() {
        let (first, second) = (FeedId::FIRST, FeedId::new(1));
        let mut links = Links::new(2);
        links.set_up(first, true);
        links.note_probe(first, 40);
        assert_eq!((links.are_up(), links.proven_ms()), (false, 0));
        links.set_up(second, true);
        links.note_probe(second, 10);
        assert_eq!((links.are_up(), links.proven_ms()), (true, 11));
        let before = links.number();
        links.set_up(first, false);
        assert!(!links.are_up() && before > 0 && links.number() == 0);
        links.set_up(first, true);
        assert!(links.number() > before, "another connection");
    }
}
