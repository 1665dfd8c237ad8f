//! A cursor: where a reader is in one channel's log, and nothing else.

use fanfare_protocol::{EntryId, Position};
use slab::Slab;

use crate::payer::Payer;

/// Identifies a reader to whoever wakes it.
pub type ReaderId = u32;

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

/// What a reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    No,
    /// Something new at the end of the tail.
    Tail,
    /// Any change: the tail's growth or an answer of the archive.
    Archive,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    reader: ReaderId,
    armed: Armed,
}

/// The readers of one channel on one thread. A reader with nothing to do is *armed*; a change wakes those that wait for it.
/// A page read for one reader who is behind does not wake the thousands who are not.
#[derive(Debug, Default)]
pub struct CursorSet {
    slots: Slab<Slot>,
}

impl CursorSet {
    /// Adds a reader. Returns its slot.
    pub fn insert(&mut self, reader: ReaderId) -> u32 {
        let slot = Slot { reader, armed: Armed::No };
        u32::try_from(self.slots.insert(slot)).expect("fewer than 2^32 readers on a thread")
    }

    /// Removes a reader.
    pub fn remove(&mut self, slot: u32) {
        self.slots.try_remove(slot as usize);
    }

    /// Asks for a wake when the tail grows.
    pub fn arm(&mut self, slot: u32) {
        self.set(slot, Armed::Tail);
    }

    /// Asks for a wake at the next change of any kind.
    pub fn arm_for_archive(&mut self, slot: u32) {
        self.set(slot, Armed::Archive);
    }

    fn set(&mut self, slot: u32, armed: Armed) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            slot.armed = armed;
        }
    }

    /// Wakes, once, every reader that waits for the archive and, if the tail has grown, every other armed one too.
    pub fn wake(&mut self, grown: bool, mut wake: impl FnMut(ReaderId)) {
        for (_, slot) in &mut self.slots {
            if slot.armed == Armed::Archive || (grown && slot.armed == Armed::Tail) {
                slot.armed = Armed::No;
                wake(slot.reader);
            }
        }
    }

    /// Number of readers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no reader.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(set: &mut CursorSet, grown: bool) -> Vec<ReaderId> {
        let mut woken = Vec::new();
        set.wake(grown, |reader| woken.push(reader));
        woken
    }

    #[test]
    fn a_payer_takes_no_more_than_what_a_cursor_has_to_spare() {
        assert_eq!(size_of::<Cursor>(), 48);
    }

    #[test]
    fn a_page_wakes_those_who_wait_for_one_and_an_event_wakes_everybody_once() {
        let mut set = CursorSet::default();
        let (live, behind, _busy) = (set.insert(1), set.insert(2), set.insert(3));
        set.arm(live);
        set.arm_for_archive(behind);
        assert_eq!(woken(&mut set, false), [2]);
        assert!(woken(&mut set, false).is_empty());
        set.arm_for_archive(behind);
        assert_eq!(woken(&mut set, true), [1, 2]);
        assert!(woken(&mut set, true).is_empty());
    }
}
