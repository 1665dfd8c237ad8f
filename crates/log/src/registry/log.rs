//! One followed channel, as the registry keeps it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use fanfare_protocol::{EntryId, Position};
use tokio::time::Instant;

use crate::absence::{self, LIFE_MIN_MS};
use crate::archive::{Snapshot, Tip};
use crate::channel::{Channel, Want};
use crate::proof::{self, Verdict};
use crate::tail::Tail;

/// What the registry knows about a channel beside its shared state.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Each says in which list the channel stands.
pub(super) struct ChannelLog {
    pub(super) channel: Arc<Channel>,
    /// In the desired set. `false` for a channel over the node's limit.
    pub(super) followed: bool,
    /// Acknowledged on the current connection of the feed.
    pub(super) subscribed: bool,
    /// The head was the stream's end at some time since which every message has arrived, as far as anybody can know.
    unbroken: bool,
    /// Reads of the tip in flight.
    pub(super) tips_in_flight: u32,
    /// Some of them began before the feed last lost something; nobody can tell which.
    stale_tips: bool,
    /// Nothing was published that is not in the tail since the oldest of them began.
    quiet_tips: bool,
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
    /// Positions after which the archive had nothing although the tail ends elsewhere: their readers wait for the next read
    /// of the head. Not empty only while the log is dirty or its head is being read, so that nobody waits for ever.
    pub(super) ahead: BTreeSet<Position>,
    /// History turned out to be another while that read was under way.
    pub(super) page_is_stale: bool,
    /// The want served last: the next read goes to the following one, so that every reader gets its turn.
    last_want: Option<Want>,
    /// Keyspace notifications whose push has not arrived.
    pub(super) awaited: u32,
    /// Readers have been told that the key holds another type now.
    pub(super) usurped: bool,
    /// Since when nobody reads.
    pub(super) idle_since: Option<Instant>,
    /// A linger timer is set.
    pub(super) lingering: bool,
    /// A timer runs that renews an absence.
    pub(super) renewing: bool,
    /// When the head was last proven to be the stream's end.
    proven: Option<Tip>,
    pub(super) failures: u32,
}

impl ChannelLog {
    pub(super) fn new(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            followed: false,
            subscribed: false,
            unbroken: false,
            tips_in_flight: 0,
            stale_tips: false,
            quiet_tips: false,
            dirty: false,
            dirty_queued: false,
            tip_queued: false,
            page_queued: false,
            resting: false,
            head_read: None,
            page_read: None,
            ahead: BTreeSet::new(),
            page_is_stale: false,
            last_want: None,
            awaited: 0,
            usurped: false,
            idle_since: None,
            lingering: false,
            renewing: false,
            proven: None,
            failures: 0,
        }
    }

    /// Records that the head was the stream's end.
    pub(super) fn prove(&mut self, tip: Tip) {
        self.proven = Some(tip);
        self.failures = 0;
        self.usurped = false;
    }

    /// A read of the tip begins.
    pub(super) fn tip_asked(&mut self) {
        self.quiet_tips |= self.tips_in_flight == 0;
        self.tips_in_flight += 1;
    }

    /// Some messages may not have arrived: what was asked for before now proves nothing about that.
    pub(super) fn doubt(&mut self) {
        self.rang();
        self.stale_tips = self.tips_in_flight > 0;
        // Where the newest entries begin may change with the store, too: what had been trimmed may be back.
        self.channel.lock().newest.clear();
        self.page_is_stale |= matches!(self.page_read, Some(Want::Newest(_)));
    }

    /// Something was published that is not in the tail: should the stream be gone when the archive is read, it was there.
    pub(super) fn rang(&mut self) {
        self.unbroken = false;
        self.quiet_tips = false;
    }

    /// Whether a pushed entry certainly follows the head directly. For one that created the stream the archive has to tell
    /// whether no other life of the stream lies between; where streams are evicted it cannot, and only messages can.
    pub(super) fn follows(&self, tail: &Tail, id: EntryId, prev: Option<EntryId>) -> bool {
        match tail.head() {
            Position::At(last) => prev == Some(last) && last != EntryId::ZERO && id > last,
            Position::Absent { at_ms, .. } => {
                let evicts = self.proven.is_some_and(|proven| proven.evicts);
                evicts && self.unbroken && id > tail.newest() && absence::is_created_after(at_ms, id, prev)
            }
        }
    }

    /// Records the answer of a read of the tip. Returns whether it was certainly asked for after the feed last lost something.
    pub(super) fn tip_answered(&mut self) -> bool {
        self.tips_in_flight = self.tips_in_flight.saturating_sub(1);
        let fresh = !self.stale_tips;
        self.stale_tips &= self.tips_in_flight > 0;
        fresh
    }

    /// As [`ChannelLog::prove`], with a tip that was asked for after the feed last lost something.
    pub(super) fn prove_afresh(&mut self, tip: Tip) {
        self.prove(tip);
        self.unbroken = self.subscribed && self.quiet_tips;
    }

    /// Whether the stream's absence now is its natural expiry and nothing else: the head was the end less than the TTL
    /// floor ago, so an event published since would still exist, on the same incarnation of a store that does not evict.
    /// The floor holds only for those who publish through the function: others may add to a stream that is about to expire,
    /// so no message may have been missed either. And the head itself has lived its time: a younger one did not expire but
    /// was deleted or rolled back.
    pub(super) fn has_expired(&self, head: EntryId, tip: Tip) -> bool {
        self.unbroken
            && tip.now_ms >= head.ms.saturating_add(LIFE_MIN_MS)
            && self.proven.is_some_and(|proven| {
                !tip.evicts && !proven.evicts && proven.epoch == tip.epoch && absence::still(proven.now_ms, tip.now_ms)
            })
    }

    /// Whether a stream that did not exist at `head` has not existed since.
    pub(super) fn is_still_absent(&self, head: Position, tip: Tip) -> bool {
        let Position::Absent { at_ms, epoch } = head else { return false };
        epoch == tip.epoch && absence::still(at_ms, tip.now_ms) && !self.may_miss(tip)
    }

    /// Whether the head continues in a snapshot.
    pub(super) fn verdict(&self, head: Position, snapshot: &Snapshot) -> Verdict {
        proof::prove_where(head, snapshot, self.may_miss(snapshot.tip))
    }

    /// Whether a stream may have come and gone unnoticed. On a store that evicts it may, but then its messages would have
    /// arrived: without this, every quiet channel of such a store would announce a gap at every reconcile.
    fn may_miss(&self, tip: Tip) -> bool {
        tip.evicts && !self.unbroken
    }

    /// The next want in ascending order after the one served last, and around; none that waits for the head.
    pub(super) fn next_want(&mut self) -> Option<Want> {
        let shared = self.channel.lock();
        let after = self.last_want.map_or(Bound::Unbounded, Bound::Excluded);
        let following = shared.wants.range((after, Bound::Unbounded)).find(|want| self.is_due(want));
        let want = following.or_else(|| shared.wants.iter().find(|want| self.is_due(want))).copied();
        drop(shared);
        self.last_want = want;
        want
    }

    /// Whether there is a want that does not wait for the head.
    pub(super) fn is_wanting(&self) -> bool {
        self.channel.lock().wants.iter().any(|want| self.is_due(want))
    }

    fn is_due(&self, want: &Want) -> bool {
        !matches!(want, Want::Page(position) if self.ahead.contains(position))
    }
}
