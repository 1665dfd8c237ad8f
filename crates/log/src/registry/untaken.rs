//! Pages that have been read and that no reader has taken yet.
//!
//! A connection thread may be busy when a page comes, or wait until more is due (`delivery.coalesce_ms`). If the page that
//! another reader waits for could push it out meanwhile, each of the two would find its page gone, and ask for it again,
//! without end. So a page stays until it was taken, and no more are read than the budget can hold.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::limits;
use tokio::time::Instant;

use crate::pages::Page;

/// A reader that has not come by then is gone. No thread lets what is due wait for half as long.
const PATIENCE: Duration = limits::COALESCE_MAX.saturating_mul(2);

/// In the order in which they were read; some may have been taken since.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    pages: VecDeque<(Instant, Arc<Page>)>,
    bytes: usize,
}

impl Untaken {
    pub(super) fn add(&mut self, page: Arc<Page>, now: Instant) {
        page.await_reader();
        self.bytes += page.bytes();
        self.pages.push_back((now + PATIENCE, page));
    }

    /// Lets go of what was taken, and of what nobody came for. A page behind one that still waits may have to wait with it.
    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((_, page)) = self.pages.pop_front_if(|(until, page)| *until <= now || !page.is_awaited()) {
            page.take();
            self.bytes -= page.bytes();
        }
    }

    /// Whether pages of so many bytes may be read: they fit into `limit` together with those that wait for their readers.
    pub(super) fn leaves_room(&mut self, bytes: usize, limit: usize) -> bool {
        if self.bytes.saturating_add(bytes) > limit {
            self.pages.retain(|(_, page)| page.is_awaited());
            self.bytes = self.pages.iter().map(|(_, page)| page.bytes()).sum();
        }
        self.bytes.saturating_add(bytes) <= limit
    }

    /// Whether nobody is waited for, as far as was looked.
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}
