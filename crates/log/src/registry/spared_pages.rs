//! Which pages stay although memory is short: those that a reader waits for, and those of which a session is in the middle of an
//! entry.
//!
//! The first are few, since reads wait for room ([`held_pages`](super::held_pages)). The second are as many as clients that take a
//! part of an entry and no more, so they have half of the room for pages: the other half is for pages that many readers share. If entries
//! are so large that this holds fewer than may be read at a time, they have as many, but never more than half of the budget: the
//! other half is for tails, without which no live event would reach anybody but by a read. The oldest stay: who has begun first comes
//! to the end of its entry, and only those beyond have theirs read again.

use fanfare_protocol::limits::PINNED_PAGES_MAX;

use crate::pages::Page;

/// How many pages may stay for sessions that are in the middle of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct SparedPages {
    /// Bytes of all of them.
    bytes: usize,
    /// So many may have more,
    least: usize,
    /// but not more than this.
    most_bytes: usize,
    /// Those that were spared in this turn.
    spared: (usize, usize),
}

impl SparedPages {
    /// Half of the room for pages, or `least` pages with half of the budget.
    pub(super) fn new(room: usize, least: usize, budget: usize) -> Self {
        let most_bytes = budget / 2;
        Self { bytes: (room / 2).min(most_bytes), least: least.min(PINNED_PAGES_MAX), most_bytes, spared: (0, 0) }
    }

    /// Whether a page stays. They are asked about from the oldest on, each once.
    pub(super) fn spares(&mut self, page: &Page) -> bool {
        if page.is_awaited() {
            return true;
        }
        let (pages, bytes) = (self.spared.0 + 1, self.spared.1.saturating_add(page.bytes()));
        let may_have = if pages <= self.least { self.most_bytes } else { self.bytes };
        let fits = page.is_pinned() && pages <= PINNED_PAGES_MAX && bytes <= may_have;
        if fits {
            self.spared = (pages, bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanfare_protocol::{EntryId, GapReason, Position};

    use super::*;
    use crate::pages::PagePin;
    use crate::tail::Seam;

    fn page() -> Arc<Page> {
        let at = Position::At(EntryId { ms: 1, seq: 0 });
        Arc::new(Page::of_gap(1, Seam { reason: GapReason::Unavailable, after: at, resume: at }))
    }

    /// Which of so many pinned pages of one size are spared.
    fn spared(room: usize, least: usize, budget: usize, pages: usize) -> usize {
        let (mut spared, pages) =
            (SparedPages::new(room, least, budget), (0..pages).map(|_| page()).collect::<Vec<_>>());
        let pins: Vec<_> = pages.iter().map(|page| PagePin::of(page)).collect();
        let count = pages.iter().filter(|page| spared.spares(page)).count();
        drop(pins);
        assert!(!pages.iter().any(|page| spared.spares(page)), "nobody needs them any more");
        count
    }

    #[test]
    fn pinned_pages_have_half_the_room_of_pages_the_least_half_the_budget_and_there_are_never_too_many() {
        let (size, ample) = (page().bytes(), usize::MAX);
        assert_eq!(spared(6 * size, 1, ample, 5), 3);
        assert_eq!(spared(0, 2, ample, 5), 2);
        assert_eq!(spared(ample, 1, ample, PINNED_PAGES_MAX + 5), PINNED_PAGES_MAX);
        assert_eq!(spared(0, ample, ample, PINNED_PAGES_MAX + 5), PINNED_PAGES_MAX);
        assert_eq!(spared(0, ample, 6 * size, 5), 3, "tails have the other half of the budget");
        assert_eq!(spared(ample, 1, 6 * size, 5), 3, "as well");
    }

    #[test]
    fn what_a_reader_waits_for_stays_in_any_case_and_takes_no_room_of_pinned_pages() {
        let (mut spared, page) = (SparedPages::new(0, 0, 0), page());
        page.await_reader();
        assert!(spared.spares(&page));
        page.take();
        assert!(!spared.spares(&page));
    }
}
