//! One stream as Redis keeps it: entries, the last generated id, and how many were ever added.

use std::collections::VecDeque;

use fanfare_protocol::{Decoded, Entry, EntryId};

use crate::archive::FirstEntry;

/// A stream's key. It exists as long as this value does, with or without entries.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    entries: VecDeque<Entry>,
    last: EntryId,
    added: u64,
    bytes: usize,
    /// When the key expires, in store milliseconds; `None`: never.
    pub(super) expires_at: Option<u64>,
}

/// Entries from a position on.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) entries: Vec<Decoded>,
    pub(super) complete: bool,
}

impl Stream {
    /// The `last-generated-id`.
    pub(super) fn last(&self) -> EntryId {
        self.last
    }

    /// Whether the key's time has come.
    pub(super) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now_ms)
    }

    /// The id that an entry gets at a time: ids grow even if the clock does not.
    pub(super) fn next_id(&self, now_ms: u64) -> EntryId {
        if now_ms > self.last.ms {
            EntryId { ms: now_ms, seq: 0 }
        } else {
            EntryId { ms: self.last.ms, seq: self.last.seq + 1 }
        }
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.last = entry.id;
        self.added += 1;
        self.bytes += cost(&entry);
        self.entries.push_back(entry);
    }

    /// Drops the oldest entries until at most `max_len` are left and they fit into `max_bytes`; the newest stays.
    pub(super) fn trim(&mut self, max_len: usize, max_bytes: usize) {
        while self.entries.len() > max_len || (self.bytes > max_bytes && self.entries.len() > 1) {
            let Some(entry) = self.entries.pop_front() else { break };
            self.bytes -= cost(&entry);
        }
    }

    /// Drops the entries that are older than this.
    pub(super) fn forget_before(&mut self, ms: u64) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.id.ms < ms) {
            self.bytes -= cost(&entry);
        }
    }

    /// `XDEL`: retracts one entry.
    #[cfg(feature = "testing")]
    pub(super) fn remove(&mut self, id: EntryId) -> bool {
        let Ok(index) = self.entries.binary_search_by_key(&id, |entry| entry.id) else { return false };
        if let Some(entry) = self.entries.remove(index) {
            self.bytes -= cost(&entry);
        }
        true
    }

    pub(super) fn first(&self) -> Option<FirstEntry> {
        self.entries.front().map(|entry| FirstEntry { id: entry.id, prev: entry.prev })
    }

    /// Whether nothing was ever removed: `entries-added` equals the length.
    pub(super) fn untouched(&self) -> bool {
        self.added == self.entries.len() as u64
    }

    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entries from `from` on, inclusive: at most `max_entries` after it, and about `max_bytes`; at least one after it.
    pub(super) fn range(&self, from: EntryId, max_entries: usize, max_bytes: usize, max_event: usize) -> Range {
        let start = self.entries.partition_point(|entry| entry.id < from);
        let (mut count, mut bytes, mut entries) = (0, 0, Vec::new());
        for entry in self.entries.range(start..) {
            if entry.id > from {
                bytes += cost(entry);
                if count == max_entries || (count > 0 && bytes > max_bytes) {
                    return Range { entries, complete: false };
                }
                count += 1;
            }
            entries.push(decoded(entry, max_event));
        }
        Range { entries, complete: true }
    }
}

fn cost(entry: &Entry) -> usize {
    entry.event.data.len() + size_of::<Entry>()
}

fn decoded(entry: &Entry, max_event: usize) -> Decoded {
    let bytes = entry.event.data.len();
    if bytes > max_event {
        Decoded::TooLarge { id: entry.id, prev: entry.prev, bytes }
    } else {
        Decoded::Entry(entry.clone())
    }
}
