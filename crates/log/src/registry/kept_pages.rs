//! The part of the node's budget that pages may have.
//!
//! A page that was taken stays in memory for other readers at the same place. But a single reader that reads a long stream from
//! its beginning would fill the whole budget with pages that nobody asks for again.

use std::collections::VecDeque;

use fanfare_protocol::limits::PAGES_BUDGET_PART;

use super::directory::Directory;
use crate::options::Options;
use crate::pages::Page;

/// Pages that are spared in one turn. What is left over is looked at in the next.
const SPARED_MAX: usize = 64;

/// A page: its channel's key, its number, its bytes.
type Kept = (usize, u64, usize);

/// Pages in the order in which they were read. Some may have left memory since, and count until it is their turn.
#[derive(Debug)]
pub(super) struct KeptPages {
    limit: usize,
    bytes: usize,
    pages: VecDeque<Kept>,
}

impl KeptPages {
    /// A target: pages that readers wait for stay in any case.
    pub(super) fn new(options: &Options) -> Self {
        // As many as may be read at a time, and as many that were read just before.
        let least = options.page_bytes.saturating_mul(options.archive_concurrency.max(1)).saturating_mul(2);
        Self { limit: (options.budget / PAGES_BUDGET_PART).max(least), bytes: 0, pages: VecDeque::new() }
    }

    pub(super) fn add(&mut self, channel: usize, page: &Page) {
        self.bytes += page.bytes();
        self.pages.push_back((channel, page.number, page.bytes()));
    }

    /// Removes the oldest pages beyond the limit, but none that a reader waits for and not the newest. Returns the bytes of each.
    pub(super) fn beyond_limit(&mut self, logs: &Directory) -> Vec<usize> {
        let (mut released, mut spared) = (Vec::new(), Vec::new());
        while self.bytes > self.limit
            && self.pages.len() > 1
            && spared.len() < SPARED_MAX
            && let Some((channel, number, bytes)) = self.pages.pop_front()
        {
            let mut shared = logs.get(channel).map(|log| log.channel.lock());
            if shared.as_ref().is_some_and(|shared| shared.pages.is_awaited(number)) {
                spared.push((channel, number, bytes));
                continue;
            }
            self.bytes -= bytes;
            released.extend(shared.as_mut().and_then(|shared| shared.pages.remove(number)));
        }
        spared.into_iter().rev().for_each(|page| self.pages.push_front(page));
        released
    }
}
