//! The items of a tail, in chunks that the ingest's tail and the copies of all threads share.
//!
//! A slot of a chunk is written once, by the tail to which the item was appended; who has the chunk sees it from then on. A
//! copy is a list of chunks and two indexes: its size does not grow with that of the tail, and taking over a new item copies
//! nothing.
//!
//! Memory goes by chunks: that of an evicted item stays until everything in its chunk was evicted, and every copy has followed.
//! A chunk has slots for an eighth of the items that are here, and takes no further item when it has an eighth of their bytes; both
//! within the bounds below.

use std::collections::VecDeque;
use std::iter::{once, repeat_with};
use std::sync::{Arc, OnceLock};

use super::item::Item;

/// Slots of the chunks of a short tail. Each is an allocation, and a pointer in each copy.
const SLOTS_MIN: usize = 4;
/// Slots of the chunks of a long one.
const SLOTS_MAX: usize = 64;
/// Bytes that a chunk takes in any case, if it has slots for them.
const BYTES_MIN: usize = 4 << 10;
/// With so many bytes a chunk takes no further item.
const BYTES_MAX: usize = 64 << 10;
/// A chunk is to be such a part of the tail.
const PART: usize = 8;

#[derive(Debug)]
struct Chunk {
    /// Index of the first slot.
    first: u64,
    slots: Box<[OnceLock<Item>]>,
}

impl Chunk {
    /// A chunk with its first item.
    fn new(first: u64, item: Item, slots: usize) -> Self {
        let free = repeat_with(OnceLock::new).take(slots.saturating_sub(1));
        Self { first, slots: once(OnceLock::from(item)).chain(free).collect() }
    }

    fn slot(&self, index: u64) -> Option<&OnceLock<Item>> {
        self.slots.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }
}

/// Items in a row, each with its index. A clone shares those that are here, and [follows](Items::follow) what becomes of them.
#[derive(Debug, Clone)]
pub(super) struct Items {
    /// Oldest first. Each holds an item that is here.
    chunks: VecDeque<Arc<Chunk>>,
    /// Index of the oldest item that is here.
    first: u64,
    /// Index that the next one will get.
    end: u64,
    /// Bytes of the items that are here.
    bytes: usize,
    /// Bytes of those that were evicted and lie in the oldest chunk.
    evicted: usize,
    /// Bytes of the items in the newest chunk.
    newest: usize,
}

/// What became of the oldest item.
pub(super) struct Popped {
    pub(super) item: Item,
    /// The memory that was released: that of a whole chunk, or nothing.
    pub(super) released: usize,
}

impl Items {
    /// No items; the first one will have the index 1.
    pub(super) fn new() -> Self {
        Self { chunks: VecDeque::new(), first: 1, end: 1, bytes: 0, evicted: 0, newest: 0 }
    }

    /// Index of the oldest item here.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Index that the next item will get.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.end - self.first).unwrap_or(usize::MAX)
    }

    /// Bytes of the items here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of chunks.
    #[cfg(test)]
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes that their chunks hold: also those of evicted items.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.evicted
    }

    /// The item at an index, if it is here. In constant time if it is in the newest chunk.
    pub(super) fn get(&self, index: u64) -> Option<&Item> {
        if index < self.first || index >= self.end {
            return None;
        }
        let newest = self.chunks.back().filter(|chunk| chunk.first <= index);
        let chunk = newest.or_else(|| {
            let later = self.chunks.partition_point(|chunk| chunk.first <= index);
            self.chunks.get(later.checked_sub(1)?)
        });
        chunk?.slot(index)?.get()
    }

    /// The items from an index on. None if it is not here.
    pub(super) fn from(&self, index: u64) -> impl Iterator<Item = &Item> {
        let later = self.chunks.partition_point(|chunk| chunk.first <= index);
        let at = if index < self.first { self.chunks.len() } else { later.saturating_sub(1) };
        let ends = self.chunks.range(at..).skip(1).map(|next| next.first).chain(once(self.end));
        self.chunks.range(at..).zip(ends).flat_map(move |(chunk, end)| {
            let number = |index: u64| usize::try_from(index.saturating_sub(chunk.first)).unwrap_or(usize::MAX);
            chunk.slots.iter().take(number(end)).skip(number(index)).filter_map(OnceLock::get)
        })
    }

    /// Appends an item. Returns its cost in bytes.
    pub(super) fn push(&mut self, item: Item) -> usize {
        let cost = item.cost();
        // A slot is taken if it belongs to another tail of which this one was a copy.
        let refused = match self.chunks.back().and_then(|chunk| chunk.slot(self.end)) {
            Some(slot) if self.newest < (self.bytes / PART).clamp(BYTES_MIN, BYTES_MAX) => slot.set(item).err(),
            _ => Some(item),
        };
        if let Some(item) = refused {
            let slots = (self.len() / PART).clamp(SLOTS_MIN, SLOTS_MAX);
            self.chunks.push_back(Arc::new(Chunk::new(self.end, item, slots)));
            self.newest = 0;
        }
        self.newest += cost;
        self.bytes += cost;
        self.end += 1;
        cost
    }

    /// Drops the oldest item.
    pub(super) fn pop_front(&mut self) -> Option<Popped> {
        let item = self.get(self.first)?.clone();
        let cost = item.cost();
        self.first += 1;
        self.bytes -= cost;
        self.evicted += cost;
        let is_empty = self.first == self.end;
        let mut released = 0;
        if is_empty || self.chunks.get(1).is_some_and(|next| next.first <= self.first) {
            self.chunks.pop_front();
            released = std::mem::take(&mut self.evicted);
        }
        Some(Popped { item, released })
    }

    /// Brings a copy in line with its source: lets go of the chunks that the source let go of, and shares the new ones. The items
    /// that are new have the indexes from the former end, or from the source's first, on.
    pub(super) fn follow(&mut self, source: &Self) {
        if self.end > source.end {
            // No copy of this one.
            self.chunks.clear();
        }
        let oldest = source.chunks.front().map_or(u64::MAX, |chunk| chunk.first);
        while self.chunks.pop_front_if(|chunk| chunk.first < oldest).is_some() {}
        let newest = self.chunks.back().map_or(0, |chunk| chunk.first + 1);
        let from = source.chunks.partition_point(|chunk| chunk.first < newest);
        self.chunks.extend(source.chunks.range(from..).cloned());
        if self.chunks.is_empty() {
            self.chunks.shrink_to(0);
        }
        let Self { chunks: _, first, end, bytes, evicted, newest } = *source;
        (self.first, self.end, self.bytes, self.evicted, self.newest) = (first, end, bytes, evicted, newest);
    }
}
