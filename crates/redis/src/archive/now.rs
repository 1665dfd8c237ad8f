//! The moment of a read.

use fanfare_log::Tip;
use fanfare_protocol::{EntryId, Epoch, Position};

use super::lives::Life;
use super::reply::StreamInfo;
use crate::eviction::Eviction;

/// What is true of the whole server at the moment of a read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) ms: u64,
    pub(super) epoch: Epoch,
    pub(super) eviction: Eviction,
}

impl Now {
    /// Where a stream ends that was read then.
    pub(super) fn tip(self, info: Option<&StreamInfo>, life: Life) -> Tip {
        let position = match info {
            Some(info) if info.last_generated != EntryId::ZERO => Position::At(info.last_generated),
            // A stream that never had an entry (`XGROUP CREATE … MKSTREAM`) proves as much as none, and 0-0 proves nothing.
            _ => Position::Absent { at_ms: self.ms, epoch: self.epoch },
        };
        let evicts = self.eviction.takes(life.expires);
        let is_by_promise = self.eviction == Eviction::Expiring && life.is_promised;
        let min_life = if is_by_promise { life.min_life.if_permanent() } else { life.min_life };
        Tip { position, now_ms: self.ms, epoch: self.epoch, evicts, min_life }
    }
}
