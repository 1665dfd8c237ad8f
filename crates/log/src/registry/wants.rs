//! What the archive answers to readers who are behind.

use fanfare_protocol::Position;
use tokio::time::Instant;

use super::Registry;
use crate::absence;
use crate::archive::{ArchiveError, Newest, Snapshot};
use crate::budget::Charge;
use crate::channel::Want;
use crate::pages::Page;
use crate::tail::Tail;

impl Registry {
    /// A page for readers that are behind.
    pub fn on_page(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        self.reads -= 1;
        let Some(log) = self.logs.get_mut(&key) else { return };
        let Some(Want::Page(after)) = log.page_read.take() else { return };
        let snapshot = match answer {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.allowance.refund(self.options.page_bytes);
                self.on_failure(key, &error, now);
                return;
            }
        };
        log.failures = 0;
        if std::mem::take(&mut log.page_is_stale) {
            self.queue_page(key);
            return;
        }
        let mut shared = log.channel.lock();
        let released = shared.pages.agree(snapshot.tip.position);
        released.into_iter().for_each(|bytes| self.budget.release(bytes));
        let number = shared.pages.allocate();
        let page = Page::new(number, &log.channel.name, after, &snapshot);
        self.allowance.refund(self.options.page_bytes);
        self.allowance.spend(page.bytes());
        let behind =
            page.is_empty() && shared.tail.as_mut().is_some_and(|tail| is_behind(tail, after, &page, &snapshot));
        if !page.is_fleeting() {
            self.budget.charge(Charge::Page { channel: key, number }, page.bytes());
            self.untaken.add(shared.pages.insert(page), now + self.options.page_patience);
            if let Some(bytes) = shared.pages.bound() {
                self.budget.release(bytes);
            }
        }
        // Whoever is not served by this page wants again when it is woken; the rest shared one read.
        self.stats.shared_reads.add(shared.wants.len().saturating_sub(1) as u64);
        shared.wants.clear();
        drop(shared);
        if behind {
            // The archive would answer the same until the tail has caught up.
            log.ahead.insert(after);
            self.queue_dirty(key);
        }
        self.mark(key);
    }

    /// A read of the head has ended, whatever came of it: whoever waited for it may ask again. After a failure they do so
    /// when the archive has rested.
    pub(super) fn release_ahead(&mut self, key: usize) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let ahead = std::mem::take(&mut log.ahead);
        if log.resting || ahead.is_empty() {
            return;
        }
        // Whom the tail has reached needs no page any more; the others want again when they are woken.
        log.channel.lock().wants.retain(|want| !matches!(want, Want::Page(position) if ahead.contains(position)));
        self.mark(key);
    }

    /// Where the newest entries begin.
    pub fn on_newest(&mut self, key: usize, answer: Result<Newest, ArchiveError>, now: Instant) {
        self.reads -= 1;
        let Some(log) = self.logs.get_mut(&key) else { return };
        let Some(Want::Newest(count)) = log.page_read.take() else { return };
        match answer {
            Ok(newest) => {
                log.failures = 0;
                if std::mem::take(&mut log.page_is_stale) {
                    self.queue_page(key);
                    return;
                }
                let mut shared = log.channel.lock();
                shared.newest.insert(count, newest);
                shared.wants.clear();
                drop(shared);
                self.mark(key);
            }
            Err(error) => self.on_failure(key, &error, now),
        }
    }
}

/// Whether the tail has to catch up before it can place a reader for whom the archive has no entries: either nothing
/// follows the position, or what follows is a gap and nothing else.
fn is_behind(tail: &mut Tail, after: Position, page: &Page, snapshot: &Snapshot) -> bool {
    match (tail.head(), after, snapshot.tip.position) {
        (_, Position::Absent { at_ms, epoch }, Position::Absent { at_ms: now_ms, .. }) if page.is_fleeting() => {
            !tail.widen_absence(at_ms, now_ms, epoch)
        }
        (head @ Position::Absent { epoch, .. }, _, absence @ Position::Absent { .. }) => {
            epoch != snapshot.tip.epoch || !absence::leads_on(head, after, absence)
        }
        (head, _, tip) => head != tip,
    }
}
