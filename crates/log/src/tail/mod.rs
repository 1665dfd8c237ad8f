//! The tail: the recent part of a channel's log, in memory and contiguous.
//!
//! Items have an **index**, counted from 1 for as long as the node follows the channel; it never goes back, so a cursor
//! that holds an index can tell at once whether its next item is still here. Ids are looked up only within the current
//! **segment**, the items after the last [`Seam`]: after history was rewritten, new ids may be lower than old ones.
//!
//! The ingest has the one tail to which items are appended and from which they are evicted. A thread's copy shares its [`items`].

mod item;
mod items;

use std::sync::Arc;

use fanfare_protocol::{EntryId, Epoch, Frame, Position};

pub use item::{Item, Seam};

use crate::absence::Absence;
use items::{Items, Popped};

/// Where a position stands relative to a tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// The next item for a reader at that position has this index (which may be the end: nothing yet).
    Next(u64),
    /// The tail alone cannot place it: ask the archive.
    Unknown,
}

/// The recent items of a log: every entry with `floor < id <= head` is here.
#[derive(Debug, Clone)]
pub struct Tail {
    items: Items,
    /// Index of the first item of the current segment.
    segment: u64,
    /// Position right before the first item that is here and in the current segment.
    floor: Position,
    /// Whether the floor may leave the node: it is a position that the store had.
    floor_is_exact: bool,
    head: Position,
    /// The last absence of the stream in the current segment, while what followed it is here.
    absence: Option<Absence>,
    /// Index of the item that follows the absence.
    after_absence: u64,
    /// The newest id of the current segment, whatever became of the stream since.
    newest: EntryId,
}

impl Tail {
    /// A tail that begins at `head` and holds nothing.
    #[must_use]
    pub fn new(head: Position) -> Self {
        Self {
            items: Items::new(),
            segment: 1,
            floor: head,
            floor_is_exact: true,
            head,
            absence: Absence::of(head),
            after_absence: 1,
            newest: newest_of(head),
        }
    }

    /// Position of the newest durable entry (or the stream's absence).
    #[must_use]
    pub fn head(&self) -> Position {
        self.head
    }

    /// The newest id of the current segment.
    #[must_use]
    pub fn newest(&self) -> EntryId {
        self.newest
    }

    /// Index of the oldest item here.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.items.first()
    }

    /// Index that the next item will get.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.items.end()
    }

    /// Number of items here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no item is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.len() == 0
    }

    /// Bytes of the items here.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.items.bytes()
    }

    /// Bytes that are charged to the budget: those of the items here, and of evicted ones whose memory was not released yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.items.held_bytes()
    }

    /// The item at an index, if it is still (or already) here.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<&Item> {
        self.items.get(index)
    }

    /// Items from an index on. Empty if the index is not here.
    pub fn from(&self, index: u64) -> impl Iterator<Item = &Item> {
        self.items.from(index)
    }

    /// Appends the entry that follows `head`; the caller has proven that it does. Returns its cost in bytes.
    pub fn push_entry(&mut self, id: EntryId, frame: Frame) -> usize {
        debug_assert!(id > self.newest, "the caller proves that an entry follows");
        self.head = Position::At(id);
        self.newest = id;
        self.items.push(Item::Entry { id, frame })
    }

    /// Appends an ephemeral event. Returns its cost in bytes.
    pub fn push_ephemeral(&mut self, frame: Frame) -> usize {
        self.items.push(Item::Ephemeral { after: self.newest, frame })
    }

    /// Ends the segment: what follows is not contiguous with what was. `is_exact` says whether `seam.resume` is a position
    /// that the store had. Returns the cost in bytes.
    pub fn push_seam(&mut self, seam: Seam, is_exact: bool) -> usize {
        let resume = seam.resume;
        let cost = self.items.push(Item::Seam(Arc::new(seam)));
        self.segment = self.end();
        self.floor = resume;
        self.floor_is_exact = is_exact;
        self.head = resume;
        self.absence = Absence::of(resume);
        self.after_absence = self.segment;
        self.newest = newest_of(resume);
        cost
    }

    /// Moves the head without an item: the archive proved that nothing readable lies between (a retracted last entry, a
    /// stream that expired, a later proof of absence).
    pub fn move_head(&mut self, head: Position) {
        if self.floor == self.head {
            self.floor = head;
            self.floor_is_exact = true;
        }
        if let Position::Absent { at_ms, epoch } = head {
            let was_absent = self.head.is_absent();
            let goes_on = was_absent && self.absence.as_mut().is_some_and(|absence| absence.extend(at_ms, epoch));
            if !goes_on {
                self.absence = Absence::of(head);
                self.after_absence = self.end();
            }
        }
        self.head = head;
        if let Position::At(id) = head {
            self.newest = id;
        }
    }

    /// Learns that the stream did not exist from `since_ms` to `until_ms` either, while it does not exist. Only times that
    /// touch what is known already extend it. Returns whether a reader at `since_ms` is placed by now.
    pub fn widen_absence(&mut self, since_ms: u64, until_ms: u64, epoch: Epoch) -> bool {
        let is_absent = self.head.is_absent();
        is_absent && self.absence.as_mut().is_some_and(|absence| absence.widen(since_ms, until_ms, epoch))
    }

    /// Drops the oldest item. Returns the bytes released, which are those of several items or none (see [`items`]).
    pub fn pop_front(&mut self) -> usize {
        let index = self.first();
        let Some(Popped { item, released }) = self.items.pop_front() else { return 0 };
        let is_entry = matches!(item, Item::Entry { .. });
        if index >= self.segment
            && let Item::Entry { id, .. } = item
        {
            self.floor = Position::At(id);
            self.floor_is_exact = true;
        }
        if self.absence.is_some() && self.after_absence == index {
            self.after_absence += 1;
            if is_entry {
                self.absence = None;
            }
        }
        // With nothing of the segment left, the floor is the head, whatever moved it.
        if self.is_empty() {
            self.floor = self.head;
            self.floor_is_exact = true;
        }
        released
    }

    /// Brings a copy in line with its source: drops what the source dropped, takes what it appended. Calls `fresh` for each
    /// new item.
    pub fn catch_up(&mut self, source: &Self, fresh: impl FnMut(&Item)) {
        let had = if self.end() > source.end() { 0 } else { self.end() };
        self.items.follow(&source.items);
        self.from(had.max(self.first())).for_each(fresh);
        self.segment = source.segment;
        self.floor = source.floor;
        self.floor_is_exact = source.floor_is_exact;
        self.head = source.head;
        self.absence = source.absence;
        self.after_absence = source.after_absence;
        self.newest = source.newest;
    }

    /// Finds what follows a position, within the current segment.
    #[must_use]
    pub fn locate(&self, position: Position) -> Located {
        if position == self.head {
            return Located::Next(self.end());
        }
        match position {
            Position::Absent { at_ms, epoch } => self
                .absence
                .filter(|absence| absence.covers(at_ms, epoch))
                .map_or(Located::Unknown, |_| Located::Next(self.after_absence)),
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
            return self.absence.map(|absence| (self.after_absence, absence.position()));
        }
        let before = (start..index).rev().find_map(|index| match self.get(index) {
            Some(Item::Entry { id, .. }) => Some(Position::At(*id)),
            _ => None,
        });
        match before {
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
        self.segment.max(self.first())
    }

    fn locate_entry(&self, id: EntryId) -> Located {
        let (mut low, mut high) = (self.start(), self.end());
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.get(middle).is_some_and(|item| item.order() < id) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        // Ephemeral items carry the id before them: skip those that only neighbour the entry.
        match self.get(low) {
            Some(Item::Entry { id: found, .. }) if *found == id => Located::Next(low + 1),
            _ => Located::Unknown,
        }
    }
}

fn newest_of(position: Position) -> EntryId {
    match position {
        Position::At(id) => id,
        Position::Absent { .. } => EntryId::ZERO,
    }
}

#[cfg(test)]
mod tests;
