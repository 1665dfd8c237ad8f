//! The tail: the recent part of a channel's log, in memory and contiguous.
//!
//! Items have an **index**, counted from 1 for as long as the node follows the channel; it never goes back, so a cursor
//! that holds an index can tell at once whether its next item is still here. Ids are looked up only within the current
//! **segment**, the items after the last [`Seam`]: after history was rewritten, new ids may be lower than old ones.

mod item;
mod locate;

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_protocol::{EntryId, Epoch, Frame, Position};

pub use item::{Item, Seam};
pub use locate::Located;

/// The last time that the stream was known not to exist. Every moment between `since` and `until` is a position, and what
/// follows all of them is the item at `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Absence {
    /// Store milliseconds.
    since: u64,
    until: u64,
    epoch: Epoch,
    next: u64,
}

impl Absence {
    fn begin(head: Position, next: u64) -> Option<Self> {
        match head {
            Position::Absent { at_ms, epoch } => Some(Self { since: at_ms, until: at_ms, epoch, next }),
            Position::At(_) => None,
        }
    }

    fn position(self) -> Position {
        Position::Absent { at_ms: self.until, epoch: self.epoch }
    }
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
    /// Whether the floor may leave the node: it is a position that the store had.
    floor_is_exact: bool,
    head: Position,
    /// In the current segment, while what followed it is here.
    absence: Option<Absence>,
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
            floor_is_exact: true,
            head,
            absence: Absence::begin(head, 1),
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

    /// Ends the segment: what follows is not contiguous with what was. `is_exact` says whether `seam.resume` is a position
    /// that the store had. Returns the cost in bytes.
    pub fn push_seam(&mut self, seam: Seam, is_exact: bool) -> usize {
        let resume = seam.resume;
        let cost = self.push(Item::Seam(Arc::new(seam)));
        self.segment = self.end();
        self.floor = resume;
        self.floor_is_exact = is_exact;
        self.head = resume;
        self.absence = Absence::begin(resume, self.segment);
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
        match (self.head, head, &mut self.absence) {
            (Position::Absent { .. }, Position::Absent { at_ms, epoch }, Some(absence)) if absence.epoch == epoch => {
                absence.until = absence.until.max(at_ms);
            }
            (_, Position::Absent { .. }, _) => self.absence = Absence::begin(head, self.end()),
            _ => {}
        }
        self.head = head;
        if let Position::At(id) = head {
            self.newest = id;
        }
    }

    /// Learns that the stream did not exist from `since_ms` to `until_ms` either, while it does not exist. Only times that
    /// touch what is known already extend it. Returns whether a reader at `since_ms` is placed by now.
    pub fn widen_absence(&mut self, since_ms: u64, until_ms: u64, epoch: Epoch) -> bool {
        let (Position::Absent { .. }, Some(absence)) = (self.head, &mut self.absence) else { return false };
        if absence.epoch != epoch || since_ms > absence.until || until_ms < absence.since {
            return false;
        }
        absence.since = absence.since.min(since_ms);
        true
    }

    /// Drops the oldest item. Returns the bytes released.
    pub fn pop_front(&mut self) -> usize {
        let Some(item) = self.items.pop_front() else { return 0 };
        let cost = item.cost();
        let is_entry = matches!(item, Item::Entry { .. });
        if self.first >= self.segment
            && let Item::Entry { id, .. } = item
        {
            self.floor = Position::At(id);
            self.floor_is_exact = true;
        }
        if let Some(absence) = &mut self.absence
            && absence.next == self.first
        {
            absence.next += 1;
            if is_entry {
                self.absence = None;
            }
        }
        self.first += 1;
        self.bytes -= cost;
        // With nothing of the segment left, the floor is the head, whatever moved it.
        if self.is_empty() {
            self.floor = self.head;
            self.floor_is_exact = true;
        }
        cost
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
        self.floor_is_exact = source.floor_is_exact;
        self.head = source.head;
        self.absence = source.absence;
        self.newest = source.newest;
    }

    fn push(&mut self, item: Item) -> usize {
        let cost = item.cost();
        self.bytes += cost;
        self.items.push_back(item);
        cost
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
