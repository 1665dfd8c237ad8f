//! How many sockets of the node have no request under way.

use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_protocol::limits::{SILENT_SHARE_MIN, SILENT_SHARE_PART};

use super::address::AddressKey;
use super::counts::Counts;

/// Counts silent sockets of the node, and of each address; those of a trusted proxy for the node only. Which of them is closed
/// when there are too many is decided where they wait (`silent_sockets.rs`), since only their own core can.
#[derive(Debug)]
pub(crate) struct SilentCount {
    most: usize,
    /// Their part of the places that the node has.
    share: usize,
    per_address: Option<usize>,
    all: AtomicUsize,
    addresses: Counts<AddressKey>,
}

/// Which bound one more silent socket exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// `admission.silent_per_address`.
    Address,
    /// `admission.max_silent`.
    Node,
}

impl SilentCount {
    /// For a node with so many places.
    pub(super) fn new(most: usize, per_address: Option<usize>, places: usize) -> Self {
        let share = (places / SILENT_SHARE_PART).max(SILENT_SHARE_MIN);
        Self { most, share, per_address, all: AtomicUsize::new(0), addresses: Counts::default() }
    }

    /// Counts one more, and says which bound that exceeds.
    pub(crate) fn add(&self, key: Option<AddressKey>) -> Option<Excess> {
        let all = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        let over_address = self.per_address.zip(key).is_some_and(|(most, key)| self.addresses.add(key) > most);
        if over_address { Some(Excess::Address) } else { (all > self.most).then_some(Excess::Node) }
    }

    /// Whether they have more than their part of the node's places.
    pub(crate) fn is_over_share(&self) -> bool {
        self.get() > self.share
    }

    /// One less.
    pub(crate) fn remove(&self, key: Option<AddressKey>) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        if let (Some(_), Some(key)) = (self.per_address, key) {
            self.addresses.leave(key);
        }
    }

    pub(super) fn get(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}
