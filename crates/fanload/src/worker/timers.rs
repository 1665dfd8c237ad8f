//! What has to happen later.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// What has to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection comes back, if it still is at this attempt.
    Back { connection: usize, attempt: u32 },
    /// A connection that is not primed by now, at this attempt, has taken too long.
    Late { connection: usize, attempt: u32 },
    /// Time to say how it goes.
    Progress,
    /// Time to read a little from the slow connections.
    Slow,
    /// Time to cut some connections.
    Churn,
}

/// A queue ordered by time. At most a few entries per connection.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn after(&mut self, delay: Duration, timer: Timer) {
        self.heap.push(Reverse((Instant::now() + delay, timer)));
    }

    /// How long nothing is due; `None` when nothing ever is.
    pub(crate) fn rest(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| at.saturating_duration_since(Instant::now()))
    }

    /// Takes one that is due.
    pub(crate) fn due(&mut self) -> Option<Timer> {
        let Reverse((at, _)) = self.heap.peek()?;
        (*at <= Instant::now()).then(|| self.heap.pop().map(|Reverse((_, timer))| timer)).flatten()
    }
}
