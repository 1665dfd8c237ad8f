//! Which pages stay although memory is short: those that a reader waits for, and those of which a session is in the middle of an
//! entry.
//!
//! The first are few, since reads wait for room ([`held_pages`](super::held_pages)). The second are as many as clients that take a
//! part of an entry and no more, so they stay only as far as there is room for pages at all. The oldest stay: who has begun first
//! comes to the end of its entry, and only those beyond have theirs read again.

use fanfare_protocol::limits::PINNED_PAGES_MAX;

use crate::pages::Page;

/// How many pages may stay for sessions that are in the middle of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct SparedPages {
    /// Bytes of all of them,
    bytes: usize,
    /// unless they are no more than this.
    least: usize,
    /// Those that were spared in this turn.
    spared: (usize, usize),
}

impl SparedPages {
    /// So many bytes, or `least` pages, however large these are.
    pub(super) fn new(bytes: usize, least: usize) -> Self {
        Self { bytes, least: least.min(PINNED_PAGES_MAX), spared: (0, 0) }
    }

    /// Whether a page stays. They are asked about from the oldest on, each once.
    pub(super) fn spares(&mut self, page: &Page) -> bool {
        if page.is_awaited() {
            return true;
        }
        let (pages, bytes) = (self.spared.0 + 1, self.spared.1.saturating_add(page.bytes()));
        let fits = page.is_pinned() && pages <= PINNED_PAGES_MAX && (bytes <= self.bytes || pages <= self.least);
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
    fn spared(bytes: usize, least: usize, pages: usize) -> usize {
        let (mut spared, pages) = (SparedPages::new(bytes, least), (0..pages).map(|_| page()).collect::<Vec<_>>());
        let pins: Vec<_> = pages.iter().map(PagePin::of).collect();
        let count = pages.iter().filter(|page| spared.spares(page)).count();
        drop(pins);
        assert!(!pages.iter().any(|page| spared.spares(page)), "nobody needs them any more");
        count
    }

    #[test]
    fn pinned_pages_stay_within_bytes_and_a_number_but_for_the_least() {
        let size = page().bytes();
        assert_eq!(spared(3 * size, 1, 5), 3);
        assert_eq!(spared(0, 2, 5), 2);
        assert_eq!(spared(usize::MAX, 1, PINNED_PAGES_MAX + 5), PINNED_PAGES_MAX);
        assert_eq!(spared(0, usize::MAX, PINNED_PAGES_MAX + 5), PINNED_PAGES_MAX);
    }

    #[test]
    fn what_a_reader_waits_for_stays_in_any_case_and_takes_no_room_of_pinned_pages() {
        let (mut spared, page) = (SparedPages::new(0, 0), page());
        page.await_reader();
        assert!(spared.spares(&page));
        page.take();
        assert!(!spared.spares(&page));
    }
}
