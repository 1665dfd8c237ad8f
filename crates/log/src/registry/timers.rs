//! The heap of timers. Timers are not cancelled: when one fires, the channel's present state decides.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use tokio::time::Instant;

use super::reads::ReadKind;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// The push that belongs to a keyspace notification should have arrived.
    Keyspace,
    /// The archive may be asked again.
    Retry(ReadKind),
    /// What was told of an entry that cannot be read is to be tried again.
    Unreadable,
    /// A stream that does not exist is looked for again: its absence is a position that ages.
    Absence,
}

/// Timers of channels, by key.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize, Timer)>>,
    /// Those of which a channel has one at a time.
    single: HashSet<(usize, Timer)>,
}

impl Timers {
    /// Sets a timer beside those that are set.
    pub(super) fn set(&mut self, at: Instant, key: usize, timer: Timer) {
        self.heap.push(Reverse((at, key, timer)));
    }

    /// Sets a timer unless the channel has one of that kind, however often readers come and go. `at` is asked only then.
    pub(super) fn set_once(&mut self, key: usize, timer: Timer, at: impl FnOnce() -> Instant) {
        if self.single.insert((key, timer)) {
            self.set(at(), key, timer);
        }
    }

    /// Forgets the timers of closed channels, once they outnumber those of `open` ones. Amortized constant time per timer.
    pub(super) fn compact(&mut self, open: usize, is_open: impl Fn(usize) -> bool) {
        if self.heap.len() > 6 * open + 1024 {
            self.heap.retain(|Reverse((_, key, _))| is_open(*key));
            self.single.retain(|(key, _)| is_open(*key));
        }
    }

    /// The number of timers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When the next one fires.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes one that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(usize, Timer)> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((_, key, timer)) = self.heap.pop()?;
        self.single.remove(&(key, timer));
        Some((key, timer))
    }
}
