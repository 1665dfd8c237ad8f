//! Comparing heads with their streams: a lost last push has no successor to reveal it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::random::Random;

/// Number of sweeps in one reconcile interval; each compares its share of the channels, which spreads the load.
const SWEEPS: u32 = 32;

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Reconcile {
    interval: Duration,
    /// Keys in the order of the next comparison. Closed channels are still among them.
    turns: VecDeque<usize>,
    next_sweep: Instant,
    /// Shares of a channel that no sweep has used yet.
    credit: usize,
    /// Keys whose stream was proven absent in this turn.
    absent: Vec<usize>,
}

impl Reconcile {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, turns: VecDeque::new(), next_sweep: now + interval / SWEEPS, credit: 0, absent: Vec::new() }
    }

    /// A channel is followed from now on.
    pub(super) fn add(&mut self, key: usize) {
        self.turns.push_back(key);
    }

    /// Forgets closed channels, once they outnumber those that are `followed`. Amortized constant time per channel.
    pub(super) fn compact(&mut self, followed: usize, is_open: impl Fn(usize) -> bool) {
        if self.turns.len() > 2 * followed + 1024 {
            self.turns.retain(|key| is_open(*key));
        }
    }

    /// The channels in the order of their turns. Closed ones are among them.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        self.turns.iter().copied()
    }

    /// The number of turns, those of closed channels included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// A stream was proven absent, which is a position that ages.
    pub(super) fn note_absence(&mut self, key: usize) {
        self.absent.push(key);
    }

    /// The keys of streams that were proven absent in this turn.
    pub(super) fn take_absent(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.absent)
    }

    /// When the next sweep is due.
    pub(super) fn next_sweep(&self) -> Instant {
        self.next_sweep
    }

    /// The keys to compare now, if a sweep is due: the share of `followed` channels. Each gets its turn once an interval.
    pub(super) fn sweep(
        &mut self,
        now: Instant,
        random: &Random,
        followed: usize,
        is_open: impl Fn(usize) -> bool,
    ) -> Option<Vec<usize>> {
        if self.next_sweep > now {
            return None;
        }
        self.next_sweep = now + random.spread(self.interval / SWEEPS);
        // Whole channels only: what is left over counts for the next sweep.
        self.credit += followed;
        let share = self.credit / SWEEPS as usize;
        self.credit %= SWEEPS as usize;
        let mut due = Vec::with_capacity(share);
        while let Some(key) = self.turns.pop_front() {
            // A closed channel does not count against the share.
            if !is_open(key) {
                continue;
            }
            if due.len() == share {
                self.turns.push_front(key);
                break;
            }
            self.turns.push_back(key);
            due.push(key);
        }
        Some(due)
    }
}
