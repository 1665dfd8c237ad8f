//! Entries that messages have named, where messages are not believed: what is read shows whether the stream has them.
//!
//! The message of an entry comes out of the transaction that stored it, so that a read which began behind the message has the entry, or
//! the stream has lost it since (retracted, trimmed, deleted, a failover), or it was never there: then the message is of another
//! database, or forged.

use fanfare_protocol::limits::ANNOUNCED_MAX;
use fanfare_protocol::{EntryId, Position};

use super::effect::Effect;
use crate::archive::Snapshot;
use crate::proof::{id_of, prev_of};

/// An entry as a message named it, and its predecessor.
type Named = (EntryId, Option<EntryId>);

/// What messages of one channel have named and no read has shown yet; a bounded number.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// In the order in which they came.
    named: Vec<Named>,
    /// So many of them came before the last read of the head began.
    asked: usize,
    /// A message has come since the last read of the head began, be it one that is not remembered.
    is_named: bool,
    /// One came before that read began, and none that reached the stream's end has been answered since.
    was_named: bool,
}

impl Announced {
    /// A message names an entry that is not in the tail.
    pub(super) fn add(&mut self, id: EntryId, prev: Option<EntryId>) {
        self.is_named = true;
        if self.named.len() < ANNOUNCED_MAX {
            self.named.push((id, prev));
        }
    }

    /// A read of the head begins.
    pub(super) fn begin_read(&mut self) {
        self.asked = self.named.len();
        self.was_named |= std::mem::take(&mut self.is_named);
    }

    /// Messages were lost, and perhaps the server with what it had: what was named before proves nothing about what is read now.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether the read that began last, and is not compared yet, is to show what messages have named.
    pub(super) fn was_asked(&self) -> bool {
        self.was_named
    }

    /// Compares what was named before the read began with what it has shown from this position on. What it has not come to stays for
    /// the next one.
    pub(super) fn compare(&mut self, from: Position, snapshot: &Snapshot) -> Option<Effect> {
        self.was_named &= !snapshot.complete;
        let later = self.named.split_off(self.asked.min(self.named.len()));
        let (mut count, mut first) = (0, None);
        for named in std::mem::take(&mut self.named) {
            match look_up(named, from, snapshot) {
                Found::Entry | Found::Unknown => {}
                Found::Nothing => {
                    count += 1;
                    first = first.or(Some(named.0));
                }
                Found::Later => self.named.push(named),
            }
        }
        self.named.extend(later);
        first.map(|id| Effect::Unfounded { count, id })
    }
}

/// What a read shows of an entry that a message named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The stream has it, with that predecessor if it tells any.
    Entry,
    /// The stream does not have it.
    Nothing,
    /// It would stand before what was read, or before what the stream still holds.
    Unknown,
    /// It would stand behind what was read.
    Later,
}

fn look_up((id, prev): Named, from: Position, snapshot: &Snapshot) -> Found {
    if let Ok(index) = snapshot.entries.binary_search_by_key(&id, id_of) {
        let is_other = prev_of(&snapshot.entries[index]).is_some_and(|stored| Some(stored) != prev);
        return if is_other { Found::Nothing } else { Found::Entry };
    }
    match (from, snapshot.tip.position) {
        (Position::At(from), _) if id <= from => Found::Unknown,
        (_, Position::Absent { .. }) => Found::Nothing,
        (_, Position::At(last)) if id > last => Found::Nothing,
        // It may have been trimmed since, as a short MAXLEN does in a burst.
        _ if snapshot.first.is_none_or(|first| id < first.id) => Found::Unknown,
        _ if snapshot.complete => Found::Nothing,
        _ if snapshot.entries.last().is_none_or(|entry| id_of(entry) < id) => Found::Later,
        _ => Found::Nothing,
    }
}

#[cfg(test)]
mod tests;
