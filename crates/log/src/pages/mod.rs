//! Pages read from the archive, shared by every reader that needs the same part of a log.
//!
//! A page is what one proven read brought: the entries that follow a position. It answers for that position, for every
//! position among its entries but the last and, when it begins with the stream's oldest entry, for every older position.
//! So a crowd of readers at scattered positions is served by a handful of reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanfare_protocol::{Decoded, EntryId, Frame, GapReason, LogName, Position};

use crate::archive::Snapshot;
use crate::proof::{self, Verdict, id_of};
use crate::tail::Seam;

/// An entry of a page.
#[derive(Debug, Clone)]
pub struct PageEntry {
    /// Its id.
    pub id: EntryId,
    /// Its encoding.
    pub frame: Frame,
}

/// One proven read of the archive.
#[derive(Debug)]
pub struct Page {
    /// Its number within the channel, for the budget.
    pub(crate) number: u64,
    after: Position,
    seam: Option<Seam>,
    entries: Vec<PageEntry>,
    /// Where a reader goes on if there are no entries although the stream's end is elsewhere: what lay between was retracted.
    skip: Option<Position>,
    /// The stream's oldest entry with what its publisher recorded, if this page begins with it.
    oldest: Option<(EntryId, Option<EntryId>, bool)>,
    bytes: usize,
    /// The reader that it was read for has not taken it yet.
    awaited: AtomicBool,
    /// Each session that is in the middle of one of its entries holds a copy.
    pins: Arc<()>,
}

/// Says that a session is in the middle of an entry of a page: a part of it has gone out, and the rest is looked up when the
/// client takes more. So the page stays in memory, as far as the budget has room for such pages; without that each piece that a slow
/// client takes of a large entry would have it read from the archive again. It keeps nothing of the page alive: what leaves the
/// budget is gone, and is read again.
#[derive(Debug)]
pub struct PagePin(#[expect(dead_code, reason = "that it is there is what it says")] Arc<()>);

impl PagePin {
    /// Pins a page until this is dropped.
    #[must_use]
    pub fn of(page: &Page) -> Self {
        Self(Arc::clone(&page.pins))
    }
}

/// What a reader at some position gets from the pages.
#[derive(Debug, Clone)]
pub struct Served {
    /// The page.
    pub page: Arc<Page>,
    /// Index of the first entry for the reader.
    pub offset: usize,
    /// The gap to announce before it.
    pub seam: Option<Seam>,
}

impl Served {
    /// The entries for the reader, ascending.
    #[must_use]
    pub fn entries(&self) -> &[PageEntry] {
        &self.page.entries[self.offset..]
    }

    /// Where the reader goes on without having been given anything, because nothing is left of what lay between.
    #[must_use]
    pub fn skip(&self) -> Option<Position> {
        self.page.skip
    }
}

impl Page {
    /// Makes a page from a snapshot taken for `after`.
    #[must_use]
    pub fn new(number: u64, log: &LogName, after: Position, snapshot: &Snapshot) -> Self {
        let entries: Vec<PageEntry> = snapshot
            .entries
            .iter()
            .filter(|entry| !matches!(after, Position::At(id) if id_of(entry) <= id))
            .map(|entry| PageEntry { id: id_of(entry), frame: encode(log, entry) })
            .collect();
        let seam = match proof::prove(after, snapshot) {
            Verdict::Continues => None,
            Verdict::Gap(reason) => Some(Seam { reason, after, resume: proof::resume_before(snapshot, after) }),
        };
        let oldest = match (snapshot.first, entries.first()) {
            (Some(first), Some(entry)) if first.id == entry.id => Some((first.id, first.prev, snapshot.untouched)),
            _ => None,
        };
        let nothing = entries.is_empty() && seam.is_none();
        let skip = match (after, snapshot.tip.position) {
            (Position::At(id), tip @ Position::At(last)) if nothing && last > id => Some(tip),
            _ => None,
        };
        let bytes = entries.iter().map(|e| e.frame.heap_bytes() + size_of::<PageEntry>()).sum::<usize>() + 256;
        Self {
            number,
            after,
            seam,
            entries,
            skip,
            oldest,
            bytes,
            awaited: AtomicBool::new(false),
            pins: Arc::default(),
        }
    }

    /// Makes a page that has nothing but a gap, for readers right before an entry that cannot be read.
    pub(crate) fn of_gap(number: u64, seam: Seam) -> Self {
        Self {
            number,
            after: seam.after,
            seam: Some(seam),
            entries: Vec::new(),
            skip: None,
            oldest: None,
            bytes: 256,
            awaited: AtomicBool::new(false),
            pins: Arc::default(),
        }
    }

    /// Bytes charged to the budget.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Some reader waits for the page.
    pub(crate) fn await_reader(&self) {
        self.awaited.store(true, Ordering::Relaxed);
    }

    /// Whether a reader waits for the page.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Whether a session is in the middle of one of its entries.
    pub(crate) fn is_pinned(&self) -> bool {
        Arc::strong_count(&self.pins) > 1
    }

    /// Ends the wait of the reader. Returns whether a reader was waiting.
    pub(crate) fn take(&self) -> bool {
        self.awaited.swap(false, Ordering::Relaxed)
    }

    /// Whether the page has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the position is the stream's end and nothing is wrong: such a page is true only for a moment and is not kept.
    #[must_use]
    pub fn is_fleeting(&self) -> bool {
        self.entries.is_empty() && self.seam.is_none() && self.skip.is_none()
    }

    /// Whether this page and a stream that ends at `tip` can be of one history.
    fn agrees(&self, tip: Position) -> bool {
        let last = self.entries.last().map(|entry| Position::At(entry.id));
        let leads_to = last.or(self.skip).or(self.seam.as_ref().map(|seam| seam.resume));
        match (self.after, leads_to, tip) {
            (Position::At(after), Some(Position::At(to)), Position::At(tip)) => {
                to <= tip && (to >= after || after > tip)
            }
            (Position::Absent { .. }, Some(Position::At(to)), Position::At(tip)) => to <= tip,
            (_, Some(Position::Absent { epoch, .. }), Position::Absent { epoch: now, .. }) => epoch == now,
            _ => false,
        }
    }

    fn serve(self: &Arc<Self>, position: Position) -> Option<Served> {
        if position == self.after {
            return Some(Served { page: Arc::clone(self), offset: 0, seam: self.seam.clone() });
        }
        let Position::At(id) = position else { return None };
        if let Ok(found) = self.entries.binary_search_by_key(&id, |entry| entry.id) {
            let offset = found + 1;
            return (offset < self.entries.len()).then(|| Served { page: Arc::clone(self), offset, seam: None });
        }
        let (oldest, prev, untouched) = self.oldest?;
        if id >= oldest {
            return None;
        }
        let seam = (prev != Some(id) || id == EntryId::ZERO).then(|| {
            let recreated = prev == Some(EntryId::ZERO) || untouched;
            let reason = if recreated { GapReason::Reset } else { GapReason::Trimmed };
            Seam { reason, after: position, resume: proof::before(oldest, prev, position) }
        });
        Some(Served { page: Arc::clone(self), offset: 0, seam })
    }
}

/// The pages of one channel.
#[derive(Debug, Default)]
pub struct Pages {
    by_number: BTreeMap<u64, Arc<Page>>,
    by_last: BTreeMap<EntryId, u64>,
    by_after: HashMap<Position, u64>,
    next_number: u64,
}

/// Pages that one channel keeps. A stream of default length makes a few dozen; positions that no node ever gave make one
/// each, of almost no bytes.
const PAGES_MAX: usize = 1024;

/// Number of overlapping pages tried before the archive is read instead. They are rare.
const PAGES_TRIED: usize = 4;

impl Pages {
    /// The number for the next page.
    pub fn allocate(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Keeps a page. A page that it replaces in an index stays reachable by its number until it is removed.
    pub fn insert(&mut self, page: Page) -> Arc<Page> {
        let page = Arc::new(page);
        if let Some(last) = page.entries.last() {
            self.by_last.insert(last.id, page.number);
        }
        self.by_after.insert(page.after, page.number);
        self.by_number.insert(page.number, Arc::clone(&page));
        page
    }

    /// What a reader at `position` gets, if some page answers for it.
    #[must_use]
    pub fn serve(&self, position: Position) -> Option<Served> {
        if let Some(page) = self.by_after.get(&position).and_then(|number| self.by_number.get(number)) {
            return page.serve(position);
        }
        let Position::At(id) = position else { return None };
        let mut later = self.by_last.range((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded));
        (0..PAGES_TRIED).find_map(|_| self.by_number.get(later.next()?.1)?.serve(position))
    }

    /// Drops a page. Returns its bytes, or `None` if it is already gone.
    pub fn remove(&mut self, number: u64) -> Option<usize> {
        let page = self.by_number.remove(&number)?;
        page.take();
        if let Some(last) = page.entries.last()
            && self.by_last.get(&last.id) == Some(&number)
        {
            self.by_last.remove(&last.id);
        }
        if self.by_after.get(&page.after) == Some(&number) {
            self.by_after.remove(&page.after);
        }
        Some(page.bytes)
    }

    /// Drops every page that another history must have brought, given where the stream ends now: one that goes beyond the
    /// end, and one that says of a position that it is beyond the end although it is not. Pages of different histories
    /// could send a reader round in a circle. Returns the bytes of each.
    pub fn agree(&mut self, tip: Position) -> Vec<usize> {
        self.remove_if(|page| !page.agrees(tip))
    }

    /// Drops every page that says of an entry that it cannot be read: it is true for a while. Returns the bytes of each.
    pub fn remove_unavailable(&mut self) -> Vec<usize> {
        self.remove_if(|page| page.seam.as_ref().is_some_and(|seam| seam.reason == GapReason::Unavailable))
    }

    fn remove_if(&mut self, is_wrong: impl Fn(&Page) -> bool) -> Vec<usize> {
        let wrong: Vec<u64> = self.by_number.values().filter(|page| is_wrong(page)).map(|page| page.number).collect();
        wrong.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// Drops the oldest page if there are too many. Returns its bytes. A reader that waits for it puts its want in again.
    pub fn bound(&mut self) -> Option<usize> {
        if self.by_number.len() <= PAGES_MAX {
            return None;
        }
        let oldest = *self.by_number.first_key_value()?.0;
        self.remove(oldest)
    }

    /// Drops all pages (history was rewritten). Returns the bytes of each.
    pub fn clear(&mut self) -> Vec<usize> {
        self.by_last.clear();
        self.by_after.clear();
        let pages = std::mem::take(&mut self.by_number).into_values();
        pages.inspect(|page| _ = page.take()).map(|page| page.bytes).collect()
    }

    /// Bytes of all pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.by_number.values().map(|page| page.bytes).sum()
    }

    /// The page with this number.
    pub(crate) fn get(&self, number: u64) -> Option<&Page> {
        self.by_number.get(&number).map(|page| &**page)
    }

    /// Whether a page is still here.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.by_number.contains_key(&number)
    }
}

/// Encodes a decoded entry; one over the size limit becomes its `$gap`.
#[must_use]
pub fn encode(log: &LogName, entry: &Decoded) -> Frame {
    match entry {
        Decoded::Entry(entry) => Frame::entry(entry.id, &entry.event),
        Decoded::TooLarge { id, prev, .. } => Frame::too_large(log.name(), *id, *prev),
    }
}

#[cfg(test)]
mod tests;
