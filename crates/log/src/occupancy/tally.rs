//! A counted channel.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use fanfare_protocol::ChannelName;

/// What a node knows of a counted channel. There is one while the channel has readers on the node, or the store has not been told that it
/// has none any more.
#[derive(Debug)]
pub struct Tally {
    name: ChannelName,
    /// Names it among all that there are now.
    slot: usize,
    /// On this node.
    readers: AtomicU32,
    /// What the store was told last in this life of the node.
    told: AtomicU32,
    /// One more than the readers on all nodes, as the store has just said. 0: that is not known.
    total: AtomicU64,
    /// The reporter has been told, and has not looked yet.
    is_changed: AtomicBool,
}

impl Tally {
    pub(super) fn new(name: ChannelName, slot: usize) -> Self {
        Self {
            name,
            slot,
            readers: AtomicU32::new(0),
            told: AtomicU32::new(0),
            total: AtomicU64::new(0),
            is_changed: AtomicBool::new(false),
        }
    }

    /// The channel.
    #[must_use]
    pub fn name(&self) -> &ChannelName {
        &self.name
    }

    /// A number that no other tally of the node has while this one is kept.
    #[must_use]
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Sessions of this node that follow the channel.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.readers.load(Ordering::Acquire)
    }

    /// Those of all nodes, as the store said in the latest round; `None` if it was not asked, or did not answer.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total.load(Ordering::Acquire).checked_sub(1)
    }

    pub(super) fn set_total(&self, total: Option<u64>) {
        self.total.store(total.map_or(0, |total| total.saturating_add(1)), Ordering::Release);
    }

    pub(super) fn enter(&self) {
        self.readers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn leave(&self) {
        self.readers.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn told(&self) -> u32 {
        self.told.load(Ordering::Relaxed)
    }

    pub(super) fn set_told(&self, told: u32) {
        self.told.store(told, Ordering::Relaxed);
    }

    /// Marks it for the reporter. Returns whether it was not.
    pub(super) fn mark(&self) -> bool {
        !self.is_changed.swap(true, Ordering::AcqRel)
    }

    /// The reporter looks at it. A later change marks it again.
    pub(super) fn unmark(&self) {
        // Read and written in one: what is looked at next is no older than a mark that is missed here.
        self.is_changed.swap(false, Ordering::AcqRel);
    }

    pub(super) fn is_marked(&self) -> bool {
        self.is_changed.load(Ordering::Acquire)
    }
}
