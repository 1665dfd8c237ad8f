//! Looking a tail up: by position, by id, from the end.

use fanfare_protocol::{EntryId, Position};

use super::{Item, Tail};

/// Where a position stands relative to a tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// The next item for a reader at that position has this index (which may be the end: nothing yet).
    Next(u64),
    /// The tail alone cannot place it: ask the archive.
    Unknown,
}

impl Tail {
    /// Finds what follows a position, within the current segment.
    #[must_use]
    pub fn locate(&self, position: Position) -> Located {
        if position == self.head {
            return Located::Next(self.end());
        }
        match position {
            Position::Absent { at_ms, epoch } => self
                .absence
                .filter(|absence| absence.epoch == epoch && (absence.since..=absence.until).contains(&at_ms))
                .map_or(Located::Unknown, |absence| Located::Next(absence.next)),
            // A floor that was made up may be the id of an entry that was lost.
            Position::At(_) if position == self.floor && self.floor_is_exact => Located::Next(self.start()),
            Position::At(id) => self.locate_entry(id),
        }
    }

    /// Finds an entry itself, for a reader that is placed right before it. If it is not here, this reader has been promised
    /// nothing and has no place among the others.
    #[must_use]
    pub(crate) fn locate_before(&self, id: EntryId) -> Located {
        match self.locate_entry(id) {
            Located::Next(after) => Located::Next(after - 1),
            Located::Unknown => Located::Unknown,
        }
    }

    /// Where the newest `count` entries begin: the index of the first one and the exact position before it. `None` if the
    /// tail does not reach back so far. A count of 0 is the end.
    #[must_use]
    pub fn newest_from(&self, count: usize) -> Option<(u64, Position)> {
        if count == 0 {
            return Some((self.end(), self.head));
        }
        let start = self.start();
        let (mut left, mut index) = (count, self.end());
        while left > 0 && index > start {
            index -= 1;
            if matches!(self.get(index), Some(Item::Entry { .. })) {
                left -= 1;
            }
        }
        if left > 0 {
            // All that the stream holds is here if it did not exist before.
            return self.absence.map(|absence| (absence.next, absence.position()));
        }
        let before = self.from(start).take(usize::try_from(index - start).ok()?).filter_map(|item| match item {
            Item::Entry { id, .. } => Some(Position::At(*id)),
            _ => None,
        });
        match before.last() {
            Some(position) => Some((index, position)),
            // It must be one that a reader can come back to.
            None if self.floor_is_exact && self.locate(self.floor) != Located::Unknown => Some((index, self.floor)),
            None => None,
        }
    }

    /// Whether an entry with this very id is in the current segment.
    #[must_use]
    pub fn contains(&self, id: EntryId) -> bool {
        matches!(self.locate_entry(id), Located::Next(_))
    }

    /// Index of the first item here that belongs to the current segment.
    fn start(&self) -> u64 {
        self.segment.max(self.first)
    }

    fn locate_entry(&self, id: EntryId) -> Located {
        let Some(skip) = self.start().checked_sub(self.first).and_then(|n| usize::try_from(n).ok()) else {
            return Located::Unknown;
        };
        let (mut low, mut high) = (skip.min(self.items.len()), self.items.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.items[middle].order() < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        // Ephemeral items carry the id before them: skip those that only neighbour the entry.
        match self.items.get(low) {
            Some(Item::Entry { id: found, .. }) if *found == id => Located::Next(self.first + low as u64 + 1),
            _ => Located::Unknown,
        }
    }
}
