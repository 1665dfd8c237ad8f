//! One followed channel, as the registry keeps it.

use std::ops::Bound;
use std::sync::Arc;

use fanfare_protocol::Position;
use tokio::time::Instant;

use crate::archive::Tip;
use crate::channel::{Channel, Want};
use crate::proof::TTL_FLOOR_MS;

/// What the registry knows about a channel beside its shared state.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Each says in which list the channel stands.
pub(super) struct ChannelLog {
    pub(super) channel: Arc<Channel>,
    /// Acknowledged on the current connection of the feed.
    pub(super) subscribed: bool,
    /// The head has to be compared with the archive by a read.
    pub(super) dirty: bool,
    pub(super) dirty_queued: bool,
    pub(super) tip_queued: bool,
    pub(super) page_queued: bool,
    /// The archive failed: no read until the retry timer.
    pub(super) resting: bool,
    /// The head from which a read is in flight.
    pub(super) head_read: Option<Position>,
    /// The want for which a read is in flight.
    pub(super) page_read: Option<Want>,
    /// The want served last: the next read goes to the following one, so that every reader gets its turn.
    last_want: Option<Want>,
    /// Keyspace notifications whose push has not arrived.
    pub(super) awaited: u32,
    /// Since when nobody reads.
    pub(super) idle_since: Option<Instant>,
    /// When the head was last proven to be the stream's end.
    proven: Option<Tip>,
    pub(super) failures: u32,
}

impl ChannelLog {
    pub(super) fn new(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            subscribed: false,
            dirty: false,
            dirty_queued: false,
            tip_queued: false,
            page_queued: false,
            resting: false,
            head_read: None,
            page_read: None,
            last_want: None,
            awaited: 0,
            idle_since: None,
            proven: None,
            failures: 0,
        }
    }

    /// Records that the head was the stream's end.
    pub(super) fn prove(&mut self, tip: Tip) {
        self.proven = Some(tip);
        self.failures = 0;
    }

    /// Whether the stream's absence now is its natural expiry and nothing else: the head was the end less than the TTL
    /// floor ago, so an event published since would still exist, on the same incarnation of a store that does not evict.
    pub(super) fn has_expired(&self, tip: Tip) -> bool {
        self.proven.is_some_and(|proven| {
            !tip.evicts
                && !proven.evicts
                && proven.epoch == tip.epoch
                && tip.now_ms >= proven.now_ms
                && tip.now_ms - proven.now_ms < TTL_FLOOR_MS
        })
    }

    /// The next want in ascending order after the one served last, and around.
    pub(super) fn next_want(&mut self) -> Option<Want> {
        let shared = self.channel.lock();
        let after = self.last_want.map_or(Bound::Unbounded, Bound::Excluded);
        let want = shared.wants.range((after, Bound::Unbounded)).next().or_else(|| shared.wants.first()).copied();
        drop(shared);
        self.last_want = want;
        want
    }
}
