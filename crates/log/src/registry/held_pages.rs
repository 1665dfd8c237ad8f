//! Pages that have been read and that no reader has taken yet.
//!
//! A connection thread may be busy when a page comes, or wait until more is due (`delivery.coalesce_ms`). If the page that
//! another reader waits for could push it out meanwhile, each of the two would find its page gone, and ask for it again,
//! without end. So a page stays until it was taken, or until its reader has had time enough: it may be gone, or its socket full.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use crate::pages::Page;

/// In the order in which they were read; some may have been taken since.
#[derive(Debug, Default)]
pub(super) struct HeldPages {
    pages: VecDeque<(Instant, Arc<Page>)>,
    bytes: usize,
}

impl HeldPages {
    /// Keeps a page that awaits its reader until then.
    pub(super) fn add(&mut self, page: Arc<Page>, until: Instant) {
        self.bytes += page.bytes();
        self.pages.push_back((until, page));
    }

    /// Releases pages that were taken or whose time is over, from the front. A page behind one that is still held stays as well.
    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((_, page)) = self.pages.pop_front_if(|(until, page)| *until <= now || !page.is_awaited()) {
            page.take();
            self.bytes -= page.bytes();
        }
    }

    /// Whether `pages` more pages of `bytes` together may be read: they fit into `limit` beside the held ones, or all of them are at
    /// most `least` pages.
    pub(super) fn leaves_room(&mut self, (pages, bytes): (usize, usize), least: usize, limit: usize) -> bool {
        let fits =
            |held: &Self| held.bytes.saturating_add(bytes) <= limit || held.pages.len().saturating_add(pages) <= least;
        if !fits(self) {
            self.pages.retain(|(_, page)| page.is_awaited());
            self.bytes = self.pages.iter().map(|(_, page)| page.bytes()).sum();
        }
        fits(self)
    }

    /// When there is room again at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        self.pages.front().map(|(until, _)| *until)
    }
}
