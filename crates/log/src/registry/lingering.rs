//! Channels without readers, until they are closed.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// In the order in which they lost their last reader. A channel that gets one again, or is closed, is taken out.
#[derive(Debug)]
pub(super) struct Lingering {
    linger: Duration,
    order: BTreeSet<(Instant, usize)>,
}

impl Lingering {
    pub(super) fn new(linger: Duration) -> Self {
        Self { linger, order: BTreeSet::new() }
    }

    /// The channel has had no reader since then.
    pub(super) fn add(&mut self, since: Instant, key: usize) {
        self.order.insert((since, key));
    }

    /// Takes a channel out that has had no reader since then.
    pub(super) fn remove(&mut self, since: Instant, key: usize) {
        self.order.remove(&(since, key));
    }

    /// When the next one is to be closed.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.order.first().map(|(since, _)| *since + self.linger)
    }

    /// Takes one that has had no reader for long enough.
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        if self.next_at()? > now {
            return None;
        }
        self.order.pop_first().map(|(_, key)| key)
    }
}
