//! The node-wide budget for everything that logs keep in memory: tail items and archive pages.
//!
//! The bound is a **target**, met at the end of every ingest turn: within a turn a burst may exceed it by what one turn
//! brings, and a connection thread keeps an evicted item alive until it has looked at the channel again. Nobody is ever
//! waited for: what is evicted can be read again from the archive.

use std::collections::VecDeque;

/// What a charge was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// The tail item of a channel (by key) with this index.
    Item {
        /// The channel's key.
        channel: usize,
        /// The item's index in its tail.
        index: u64,
    },
    /// A page of a channel, by the page's number.
    Page {
        /// The channel's key.
        channel: usize,
        /// The page's number in its channel.
        number: u64,
    },
}

/// Bytes in use against a limit, and the order in which they were charged: the coldest go first.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: usize,
    order: VecDeque<Charge>,
    live: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, used: 0, order: VecDeque::new(), live: 0 }
    }

    /// Records that `bytes` are now held for `charge`.
    pub fn charge(&mut self, charge: Charge, bytes: usize) {
        self.used += bytes;
        self.live += 1;
        self.order.push_back(charge);
    }

    /// Records that the bytes of one charge were released.
    pub fn release(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.used && self.live > 0, "released more than was charged");
        self.used = self.used.saturating_sub(bytes);
        self.live = self.live.saturating_sub(1);
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// The configured bound in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The oldest charge, while the budget is exceeded. It may name something that is already gone: the caller releases what
    /// is still there and asks again. The newest charge always stays: a page larger than the budget must still reach the
    /// reader that waits for it.
    pub fn victim(&mut self) -> Option<Charge> {
        if self.used <= self.limit || self.live <= 1 { None } else { self.order.pop_front() }
    }

    /// Forgets charges that are already gone, once they outnumber the live ones. Amortized constant time per charge.
    pub fn compact(&mut self, mut is_live: impl FnMut(Charge) -> bool) {
        if self.order.len() > 2 * self.live + 1024 {
            self.order.retain(|charge| is_live(*charge));
        }
    }
}
