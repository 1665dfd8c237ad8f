//! What goes into the memory of a log. All of it is charged to the node's budget, and a tail is kept within its own bounds.

use std::sync::Arc;

use fanfare_protocol::{EntryId, Frame, Position};

use super::evict;
use crate::absence;
use crate::archive::Snapshot;
use crate::budget::{Budget, Charge};
use crate::channel::Channel;
use crate::options::Options;
use crate::pages::Page;
use crate::tail::{Seam, Tail};
use crate::wants::Want;

/// Appends a discontinuity, if there is one, and entries that have been proven to follow. In one step, so that a reader finds a
/// seam together with the entry after it.
pub(super) fn entries(
    channel: &Channel,
    seam: Option<(Seam, bool)>,
    entries: impl IntoIterator<Item = (EntryId, Frame)>,
    budget: &mut Budget,
    options: &Options,
) {
    let mut shared = channel.lock();
    let Some(tail) = &mut shared.tail else { return };
    let mut charge = |index, cost| budget.charge(Charge::Item { channel: channel.key, index }, cost);
    if let Some((seam, is_exact)) = seam {
        charge(tail.end(), tail.push_seam(seam, is_exact));
    }
    for (id, frame) in entries {
        charge(tail.end(), tail.push_entry(id, frame));
    }
    evict::beyond_bounds(tail, budget, options);
    shared.newest.clear();
}

/// Appends an ephemeral event. Returns `false` while the log is not open: no reader has a position yet.
pub(super) fn ephemeral(channel: &Channel, frame: Frame, budget: &mut Budget, options: &Options) -> bool {
    let mut shared = channel.lock();
    let Some(tail) = &mut shared.tail else { return false };
    let index = tail.end();
    budget.charge(Charge::Item { channel: channel.key, index }, tail.push_ephemeral(frame));
    evict::beyond_bounds(tail, budget, options);
    true
}

/// Moves the head without an item.
pub(super) fn head(channel: &Channel, head: Position) {
    let mut shared = channel.lock();
    if let Some(tail) = &mut shared.tail {
        tail.move_head(head);
        shared.newest.clear();
    }
}

/// What became of a page that was read.
pub(super) struct ReadPage {
    /// The page, unless it is fleeting ([`Page::is_fleeting`]).
    pub(super) kept: Option<Arc<Page>>,
    pub(super) bytes: usize,
    /// The page has nothing for its reader until the tail knows of the same end or gap: the reader waits for the head.
    pub(super) is_ahead_of_tail: bool,
    /// How many payers wanted it beside the one that caused the read.
    pub(super) shared: usize,
}

/// Adds a page to its channel, which answers the want that caused it. A reader that the page does not serve repeats its want.
pub(super) fn page(channel: &Channel, after: Position, snapshot: &Snapshot, budget: &mut Budget) -> ReadPage {
    let mut shared = channel.lock();
    let released = shared.pages.agree(snapshot.tip.position);
    released.into_iter().for_each(|bytes| budget.release(bytes));
    let number = shared.pages.allocate();
    let page = Page::new(number, &channel.name, after, snapshot);
    let bytes = page.bytes();
    let is_ahead_of_tail =
        page.is_empty() && shared.tail.as_mut().is_some_and(|tail| is_ahead_of_tail(tail, after, &page, snapshot));
    let kept = (!page.is_fleeting()).then(|| {
        budget.charge(Charge::Page { channel: channel.key, number }, bytes);
        let page = shared.pages.insert(page);
        page.await_reader();
        if let Some(bytes) = shared.pages.bound() {
            budget.release(bytes);
        }
        page
    });
    let answered = shared.wants.answered(&Want::Page(after));
    ReadPage { kept, bytes, is_ahead_of_tail, shared: answered }
}

/// Adds a page that has nothing but a gap for readers at one place, and answers their want.
pub(super) fn skip(channel: &Channel, seam: Seam, budget: &mut Budget) -> Arc<Page> {
    let mut shared = channel.lock();
    let want = Want::Page(seam.after);
    let number = shared.pages.allocate();
    let page = shared.pages.insert(Page::of_gap(number, seam));
    budget.charge(Charge::Page { channel: channel.key, number }, page.bytes());
    page.await_reader();
    if let Some(bytes) = shared.pages.bound() {
        budget.release(bytes);
    }
    shared.wants.answered(&want);
    page
}

/// Whether a page without entries is ahead of the tail: either nothing follows the position, or what follows is a gap and nothing
/// else, and the tail does not know of it yet.
fn is_ahead_of_tail(tail: &mut Tail, after: Position, page: &Page, snapshot: &Snapshot) -> bool {
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
