//! The tail: the recent part of a channel's log, in memory and contiguous.
//!
//! Items have an **index**, counted from 1 for as long as the node follows the channel; it never goes back, so a cursor
//! that holds an index can tell at once whether its next item is still here. Ids are looked up only within the current
//! **segment**, the items after the last [`Seam`]: after history was rewritten, new ids may be lower than old ones.

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_protocol::{EntryId, Frame, GapReason, Position};

use crate::proof;

/// A place where the log is not contiguous: readers that pass it are told by a `$gap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seam {
    /// Why.
    pub reason: GapReason,
    /// The last position before the seam.
    pub after: Position,
    /// A position from which a reader that has been told can resume, when nothing follows yet.
    pub resume: Position,
}

/// One thing to deliver.
#[derive(Debug, Clone)]
pub enum Item {
    /// A durable event.
    Entry {
        /// Its id.
        id: EntryId,
        /// Its encoding.
        frame: Frame,
    },
    /// An event without id: delivered to whoever is here.
    Ephemeral {
        /// The newest id when it arrived (`0-0` if none); it orders the item among entries.
        after: EntryId,
        /// Its encoding.
        frame: Frame,
    },
    /// A discontinuity.
    Seam(Arc<Seam>),
}

impl Item {
    /// Bytes charged to the budget.
    #[must_use]
    pub fn cost(&self) -> usize {
        let heap = match self {
            Self::Entry { frame, .. } | Self::Ephemeral { frame, .. } => frame.heap_bytes(),
            Self::Seam(_) => size_of::<Seam>(),
        };
        heap + size_of::<Self>()
    }

    fn order(&self) -> EntryId {
        match self {
            Self::Entry { id, .. } => *id,
            Self::Ephemeral { after, .. } => *after,
            Self::Seam(_) => EntryId::ZERO,
        }
    }
}

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
    items: VecDeque<Item>,
    /// Index of `items[0]`.
    first: u64,
    /// Index of the first item of the current segment.
    segment: u64,
    /// Position right before the first item that is here and in the current segment.
    floor: Position,
    head: Position,
    /// While `floor` is `Empty`: the time since which the stream has been known not to exist, in store milliseconds.
    absent_since: u64,
    /// The newest id of the current segment, whatever became of the stream since.
    newest: EntryId,
    bytes: usize,
}

impl Tail {
    /// A tail that begins at `head` and holds nothing.
    #[must_use]
    pub fn new(head: Position) -> Self {
        Self {
            items: VecDeque::new(),
            first: 1,
            segment: 1,
            floor: head,
            head,
            absent_since: absent_ms(head),
            newest: newest_of(head),
            bytes: 0,
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
        self.first
    }

    /// Index that the next item will get.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Number of items here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no item is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes charged for the items here.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The item at an index, if it is still (or already) here.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<&Item> {
        self.items.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// Items from an index on. Empty if the index is not here.
    pub fn from(&self, index: u64) -> impl Iterator<Item = &Item> {
        let skip = index.checked_sub(self.first).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        self.items.range(skip.min(self.items.len())..)
    }

    /// Appends the entry that follows `head`; the caller has proven that it does. Returns its cost in bytes.
    pub fn push_entry(&mut self, id: EntryId, frame: Frame) -> usize {
        debug_assert!(id > self.newest, "the caller proves that an entry follows");
        self.head = Position::At(id);
        self.newest = id;
        self.push(Item::Entry { id, frame })
    }

    /// Appends an ephemeral event. Returns its cost in bytes.
    pub fn push_ephemeral(&mut self, frame: Frame) -> usize {
        self.push(Item::Ephemeral { after: self.newest, frame })
    }

    /// Ends the segment: what follows is not contiguous with what was. Returns the cost in bytes.
    pub fn push_seam(&mut self, seam: Seam) -> usize {
        let resume = seam.resume;
        let cost = self.push(Item::Seam(Arc::new(seam)));
        self.segment = self.end();
        self.floor = resume;
        self.absent_since = absent_ms(resume);
        self.head = resume;
        self.newest = newest_of(resume);
        cost
    }

    /// Moves the head without an item: the archive proved that nothing readable lies between (a retracted last entry, a
    /// stream that expired, a later proof of absence).
    pub fn move_head(&mut self, head: Position) {
        if self.floor == self.head {
            self.floor = head;
            if !matches!((self.head, head), (Position::Empty { .. }, Position::Empty { .. })) {
                self.absent_since = absent_ms(head);
            }
        }
        self.head = head;
        if let Position::At(id) = head {
            self.newest = id;
        }
    }

    /// Drops the oldest item. Returns the bytes released.
    pub fn pop_front(&mut self) -> usize {
        let Some(item) = self.items.pop_front() else { return 0 };
        let cost = item.cost();
        if self.first >= self.segment
            && let Item::Entry { id, .. } = item
        {
            self.floor = Position::At(id);
        }
        self.first += 1;
        self.bytes -= cost;
        // With nothing of the segment left, the floor is the head, whatever moved it.
        if self.is_empty() {
            self.floor = self.head;
            self.absent_since = absent_ms(self.head);
        }
        cost
    }

    /// Finds what follows a position, within the current segment.
    #[must_use]
    pub fn locate(&self, position: Position) -> Located {
        if position == self.head {
            return Located::Next(self.end());
        }
        let start = self.segment.max(self.first);
        match position {
            Position::Empty { at_ms, epoch } => match self.floor {
                Position::Empty { at_ms: last, epoch: ours }
                    if ours == epoch && (self.absent_since..=last).contains(&at_ms) =>
                {
                    Located::Next(start)
                }
                _ => Located::Unknown,
            },
            Position::At(_) if position == self.floor => Located::Next(start),
            Position::At(id) => self.locate_entry(id, start),
        }
    }

    /// Where the newest `count` entries begin: the index of the first one and the exact position before it. `None` if the
    /// tail does not reach back so far. A count of 0 is the end.
    #[must_use]
    pub fn newest_from(&self, count: usize) -> Option<(u64, Position)> {
        let start = self.segment.max(self.first);
        let mut left = count;
        let mut index = self.end();
        while left > 0 && index > start {
            index -= 1;
            if matches!(self.get(index), Some(Item::Entry { .. })) {
                left -= 1;
            }
        }
        if index == self.end() && count == 0 {
            return Some((index, self.head));
        }
        if left > 0 {
            // The whole stream is here if it did not exist at the floor.
            let whole = matches!(self.floor, Position::Empty { .. }) && matches!(self.head, Position::At(_));
            return whole.then_some((start, self.floor));
        }
        let before = self.from(start).take(usize::try_from(index - start).ok()?).filter_map(|item| match item {
            Item::Entry { id, .. } => Some(*id),
            _ => None,
        });
        Some((index, before.last().map_or(self.floor, Position::At)))
    }

    /// Whether an entry with this very id is in the current segment.
    #[must_use]
    pub fn contains(&self, id: EntryId) -> bool {
        matches!(self.locate_entry(id, self.segment.max(self.first)), Located::Next(_))
    }

    /// Brings a copy in line with its source: drops what the source dropped, takes what it appended. Calls `fresh` for each
    /// new item.
    pub fn catch_up(&mut self, source: &Self, mut fresh: impl FnMut(&Item)) {
        if self.end() < source.first || self.end() > source.end() {
            self.items.clear();
            self.bytes = 0;
            self.first = source.first;
        }
        while self.first < source.first {
            let Some(item) = self.items.pop_front() else { break };
            self.bytes -= item.cost();
            self.first += 1;
        }
        for item in source.from(self.end()) {
            fresh(item);
            self.bytes += item.cost();
            self.items.push_back(item.clone());
        }
        if self.items.is_empty() && self.items.capacity() > 64 {
            self.items.shrink_to(0);
        }
        self.segment = source.segment;
        self.floor = source.floor;
        self.head = source.head;
        self.absent_since = source.absent_since;
        self.newest = source.newest;
    }

    fn locate_entry(&self, id: EntryId, start: u64) -> Located {
        let Some(skip) = start.checked_sub(self.first).and_then(|n| usize::try_from(n).ok()) else {
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

    fn push(&mut self, item: Item) -> usize {
        let cost = item.cost();
        self.bytes += cost;
        self.items.push_back(item);
        cost
    }
}

/// Whether an entry may follow `head` directly, judged by what its publisher recorded.
#[must_use]
pub(crate) fn follows(head: Position, newest: EntryId, id: EntryId, prev: Option<EntryId>) -> bool {
    match head {
        Position::At(last) => prev == Some(last) && id > last,
        Position::Empty { at_ms, .. } => id > newest && proof::created_after(at_ms, id, prev),
    }
}

fn absent_ms(position: Position) -> u64 {
    match position {
        Position::Empty { at_ms, .. } => at_ms,
        Position::At(_) => 0,
    }
}

fn newest_of(position: Position) -> EntryId {
    match position {
        Position::At(id) => id,
        Position::Empty { .. } => EntryId::ZERO,
    }
}
