//! When reads began, and which channels' entries were read last. Time is counted in turns of the registry: what begins in the same turn
//! is under way together.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::reads::ReadKind;
use crate::feed::FeedId;

/// What is known when a read has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// The turn in which it began.
    pub(super) began: u64,
    /// The time of that turn.
    pub(super) began_at: Instant,
    /// When it ended.
    pub(super) ended_at: Instant,
    /// The turn in which the latest read of entries of another channel of its feed began that succeeded.
    pub(super) others: Option<u64>,
}

/// The reads in flight, and those that succeeded last.
#[derive(Debug)]
pub(super) struct Successes {
    turn: u64,
    /// When the turn began.
    turn_at: Instant,
    /// The turns in which the reads in flight began, by channel; of several tips of a channel, the first.
    began: HashMap<(usize, ReadKind), (u64, Instant)>,
    /// By feed: the two latest reads of entries that succeeded, of different channels, the latest first. Each is a channel's
    /// key, and the turn in which the read began.
    latest: BTreeMap<FeedId, [Option<(usize, u64)>; 2]>,
}

impl Successes {
    pub(super) fn new(now: Instant) -> Self {
        Self { turn: 0, turn_at: now, began: HashMap::new(), latest: BTreeMap::new() }
    }

    /// A turn in which reads may begin.
    pub(super) fn next_turn(&mut self, now: Instant) {
        self.turn += 1;
        self.turn_at = now;
    }

    /// A read begins in this turn.
    pub(super) fn begin(&mut self, key: usize, kind: ReadKind) {
        self.began.entry((key, kind)).or_insert((self.turn, self.turn_at));
    }

    /// A read has ended. Returns the turn in which it began, and its time; of several tips, that of the first for the one that ends first.
    pub(super) fn end(&mut self, key: usize, kind: ReadKind) -> Option<(u64, Instant)> {
        self.began.remove(&(key, kind))
    }

    /// Entries of the channel were read, by a read that began in that turn.
    pub(super) fn note(&mut self, feed: FeedId, key: usize, began: u64) {
        let latest = self.latest.entry(feed).or_default();
        let known = |is_own: bool| latest.iter().flatten().copied().find(|(other, _)| (*other == key) == is_own);
        let (own, other) = (known(true).map_or(began, |(_, own)| own.max(began)), known(false));
        *latest = match other {
            Some(other) if other.1 > own => [Some(other), Some((key, own))],
            other => [Some((key, own)), other],
        };
    }

    /// When the latest read of another channel began that succeeded.
    pub(super) fn of_others(&self, feed: FeedId, key: usize) -> Option<u64> {
        self.latest.get(&feed)?.iter().flatten().find(|(other, _)| *other != key).map(|(_, began)| *began)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_latest_read_of_another_channel_counts_and_never_a_channels_own() {
        let (mut successes, feed) = (Successes::new(Instant::now()), FeedId::FIRST);
        assert_eq!(successes.of_others(feed, 1), None);
        successes.note(feed, 1, 5);
        assert_eq!((successes.of_others(feed, 1), successes.of_others(feed, 2)), (None, Some(5)));
        successes.note(feed, 2, 7);
        (8..20).for_each(|turn| successes.note(feed, 1, turn));
        assert_eq!((successes.of_others(feed, 1), successes.of_others(feed, 2)), (Some(7), Some(19)));
        successes.note(feed, 3, 9);
        assert_eq!(successes.of_others(feed, 1), Some(9));
        successes.note(feed, 1, 3);
        assert_eq!(successes.of_others(feed, 2), Some(19), "an answer that was long on its way");
        assert_eq!(successes.of_others(FeedId::new(1), 4), None, "another link");
    }

    #[test]
    fn a_read_began_when_the_first_of_its_kind_did() {
        let now = Instant::now();
        let mut successes = Successes::new(now);
        successes.next_turn(now);
        successes.begin(1, ReadKind::Tip);
        successes.next_turn(now + Duration::from_secs(1));
        successes.begin(1, ReadKind::Tip);
        successes.begin(1, ReadKind::Page);
        let ends = [ReadKind::Tip, ReadKind::Page, ReadKind::Tip].map(|kind| successes.end(1, kind));
        assert_eq!(ends, [Some((1, now)), Some((2, now + Duration::from_secs(1))), None]);
    }
}
