//! The part of the node's budget that pages may have.
//!
//! A page that was taken stays in memory for other readers at the same place. But a single reader that reads a long stream from
//! its beginning would fill the whole budget with pages that nobody asks for again.

use std::collections::VecDeque;

use fanfare_protocol::limits::{PAGES_BUDGET_PART, PINNED_PAGES_MAX};

use super::directory::Directory;
use super::spared_pages::SparedPages;
use crate::options::Options;
use crate::pages::Page;

/// Pages that are spared in one turn. What is left over is looked at in the next.
const SPARED_MAX: usize = 2 * PINNED_PAGES_MAX;

/// A page: its channel's key, its number, its bytes.
type Kept = (usize, u64, usize);

/// Pages in the order in which they were read. Some may have left memory since, and count until it is their turn.
#[derive(Debug)]
pub(super) struct KeptPages {
    limit: usize,
    /// What of them stays in any case.
    spared: SparedPages,
    bytes: usize,
    pages: VecDeque<Kept>,
}

impl KeptPages {
    /// A target: pages that readers wait for stay in any case.
    pub(super) fn new(options: &Options) -> Self {
        let concurrency = options.archive_concurrency.max(1);
        // As many as may be read at a time, and as many that were read just before.
        let least = options.page_bytes.saturating_mul(concurrency).saturating_mul(2);
        let limit = (options.budget / PAGES_BUDGET_PART).max(least);
        let spared = SparedPages::new(limit, concurrency, options.budget);
        Self { limit, spared, bytes: 0, pages: VecDeque::new() }
    }

    /// What of the pages stays in any case; none has been looked at yet.
    pub(super) fn spared(&self) -> SparedPages {
        self.spared
    }

    pub(super) fn add(&mut self, channel: usize, page: &Page) {
        self.bytes += page.bytes();
        self.pages.push_back((channel, page.number, page.bytes()));
    }

    /// Removes the oldest pages beyond the limit, but none that is to be spared and not the newest. Returns the bytes of each.
    pub(super) fn beyond_limit(&mut self, logs: &Directory) -> Vec<usize> {
        let (mut released, mut spared) = (Vec::new(), Vec::new());
        let mut spared_pages = self.spared();
        while self.bytes > self.limit
            && self.pages.len() > 1
            && spared.len() < SPARED_MAX
            && let Some((channel, number, bytes)) = self.pages.pop_front()
        {
            let mut shared = logs.get(channel).map(|log| log.channel.lock());
            let page = shared.as_ref().and_then(|shared| shared.pages.get(number));
            if page.is_some_and(|page| spared_pages.spares(page)) {
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
