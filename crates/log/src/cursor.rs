//! A cursor: where a reader is in one channel's log, and nothing else.

use fanfare_protocol::limits::CHANNELS_PER_CONNECTION_MAX;
use fanfare_protocol::{EntryId, Position};

use crate::payer::Payer;

/// Identifies a reader to what wakes it. The log hands it back and makes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderId {
    /// The session, by the number that its thread gave it.
    pub session: u32,
    /// Which of the session's channels the reader reads.
    pub channel: u8,
}

const _: () = assert!(CHANNELS_PER_CONNECTION_MAX <= 1 << u8::BITS, "a reader's channel is one byte");

/// The reader of a session's first channel.
impl From<u32> for ReaderId {
    fn from(session: u32) -> Self {
        Self { session, channel: 0 }
    }
}

/// Where a reader begins, and then stands: the last thing handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At an exact position, which may leave the node.
    At(Position),
    /// Right before an entry whose predecessor is not recorded. Nothing has been promised yet.
    Before(EntryId),
    /// At the newest n entries, wherever they begin. Nothing has been promised yet.
    Newest(u32),
}

/// Where a reader is in a channel's log.
///
/// "Live", "behind" and "unknown" are not stored: they follow from comparing the cursor with the tail. `index` only caches
/// the comparison, and `0` means that it has to be made again.
#[derive(Debug)]
pub struct Cursor {
    pub(crate) at: Start,
    pub(crate) index: u64,
    /// Ephemeral items before this index were published before the reader came.
    pub(crate) ephemeral_from: u64,
    pub(crate) slot: u32,
    /// Who pays for what is read of the archive.
    pub(crate) payer: Payer,
}

impl Cursor {
    pub(crate) fn new(start: Start, slot: u32, payer: Payer) -> Self {
        Self { at: start, index: 0, ephemeral_from: 0, slot, payer }
    }

    /// The exact position, once there is one: what stands in `id:`.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self.at {
            Start::At(position) => Some(position),
            Start::Before(_) | Start::Newest(_) => None,
        }
    }

    /// Records that the tail item at `index` was handed out; `position` is the item's, if it has one.
    pub fn advance_tail(&mut self, index: u64, position: Option<Position>) {
        self.index = index + 1;
        if let Some(position) = position {
            self.at = Start::At(position);
        }
    }

    /// Records that an entry of a page was handed out, or that a gap was announced up to a position.
    pub fn advance_to(&mut self, position: Position) {
        self.index = 0;
        self.at = Start::At(position);
    }

    /// Whether an ephemeral item at `index` is for this reader.
    #[must_use]
    pub fn wants_ephemeral(&self, index: u64) -> bool {
        index >= self.ephemeral_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_takes_no_more_than_what_a_cursor_has_to_spare() {
        assert_eq!(size_of::<Cursor>(), 48);
    }
}
