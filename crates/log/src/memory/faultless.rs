//! A store and a network that never fail: the product's. With the feature `testing`, `faults.rs` takes this place.

use fanfare_protocol::LogName;

use crate::archive::{ArchiveError, ReadRequest, Snapshot};
use crate::feed::{FeedEvent, FeedSink};

/// None.
#[derive(Debug, Default)]
pub(super) struct Faults {}

impl Faults {
    pub(super) fn is_offline(&self) -> bool {
        false
    }

    pub(super) fn evicts(&self) -> bool {
        false
    }

    pub(super) fn is_unproven(&self) -> bool {
        false
    }

    pub(super) fn on_read(&mut self) -> Result<(), ArchiveError> {
        Ok(())
    }

    pub(super) fn on_page(&self, _: &ReadRequest, snapshot: Snapshot) -> Result<Snapshot, ArchiveError> {
        Ok(snapshot)
    }

    pub(super) fn begin_message(&mut self) {}
}

/// The way of messages to one node: each arrives once, in order.
#[derive(Debug, Default)]
pub(super) struct Lane {}

impl Lane {
    pub(super) fn carry(&mut self, _: &LogName, event: &FeedEvent, _: &mut Faults, to: &FeedSink) {
        to.send(event.clone());
    }

    pub(super) fn clear(&mut self) {}
}
