//! How much to ask for: `XRANGE … COUNT n` bounds entries, not bytes, and 400 entries have been 400 MB.
//!
//! What is asked is bounded before it is asked, by what is known of the channel's stream:
//!
//! | known | asked |
//! |---|---|
//! | lately: all entries seen were small, and the whole stream is no more than one answer may be ([`PLAIN_STREAM_BYTES_MAX`]) | [`Ask::Plain`]: one transaction, which costs Redis a fraction of a function |
//! | lately: the whole stream is no more than the page may be, whatever its entries are | the same |
//! | anything else, and the last read did not arrive | [`Ask::Bounded`]: a function that stops by size |
//!
//! A look at one entry tells how large the whole stream is, and nothing of the other entries: two small ones may have 15 MB between them.
//!
//! Of a stream of which nothing is known the function is asked for a few entries ([`ENTRIES_ASKED_AT_FIRST_MAX`]): it tells the size of the
//! whole stream as well, and most often what follows can be read in the cheap way.
//!
//! No signal tells this table of an outage, and none is needed: whatever the link did, while it was away nothing was read, and what is
//! known grows old ([`ENTRY_SIZES_FRESH`]). A channel that is newly followed, and one that is quiet or lives from pushes, are in the same case.
//! To be wrong costs one call of the function.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use fanfare_protocol::limits::{
    ARCHIVE_LARGE_BYTES, ENTRIES_ASKED_AT_FIRST_MAX, ENTRIES_ASKED_UNKNOWN_MAX, ENTRY_SIZES_FRESH,
    ENTRY_SIZES_TRACKED_MAX, LOST_PLACE_REMEMBERED, PAGE_SHRINK, PAGE_SHRINKS_MAX, PLAIN_STREAM_BYTES_MAX,
    TIP_BYTES_PLAIN_MAX, UNREADABLE_PLACES_MAX,
};
use fanfare_protocol::{EntryId, LogName};
use tokio::time::Instant;

/// Where no function can be run, a page may hold so many times what the page before it has held.
const GROWTH: usize = 4;

/// No stream's ends are suspected to be larger, in bytes: such a stream is asked for alone long before.
const ENDS_SUSPECTED_MAX: usize = 1 << 30;

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// So many entries, in one transaction.
    Plain { count: usize },
    /// At most so many entries and bytes, by a function. Where none can be run: `count` entries in one transaction, since nothing
    /// better is known.
    Bounded { entries: usize, bytes: usize, count: usize },
}

impl Ask {
    /// Whether there is nothing smaller to ask for.
    pub(super) fn is_single(self) -> bool {
        matches!(self, Self::Bounded { entries: 1, .. } | Self::Plain { count: 1 })
    }
}

/// A place from which the last page did not arrive.
#[derive(Debug, Clone)]
struct LostPlace {
    start: EntryId,
    /// Pages from here that did not arrive.
    shrinks: u32,
    at: Instant,
}

#[derive(Debug, Clone, Default)]
struct Estimate {
    /// The largest entry seen lately, in bytes.
    largest: usize,
    /// Entries of the last page.
    page_entries: usize,
    /// The last page did not reach the stream's end.
    has_more: bool,
    /// When a page told of sizes last.
    read_at: Option<Instant>,
    /// Memory of the whole stream, in bytes, and when that was told.
    whole: Option<(usize, Instant)>,
    /// Reads that did not arrive, less those that did since.
    shrinks: u32,
    /// The same of pages from these places: what is read elsewhere tells nothing of them.
    lost: Vec<LostPlace>,
    /// Size of the oldest and the newest entry together, in bytes.
    ends: usize,
    /// [`Table::uses`] when this was looked at last.
    used: u64,
}

impl Estimate {
    /// Reads from `start` on that did not arrive. While there are more such places than are remembered, one that is not takes the
    /// highest number of those that are: most often all are before one and the same entry, and a page that is made smaller at none
    /// of them for long would never be small enough.
    fn shrinks_from(&self, start: EntryId, now: Instant) -> u32 {
        let fresh = || self.lost.iter().filter(|lost| now.saturating_duration_since(lost.at) <= LOST_PLACE_REMEMBERED);
        let shrinks = match fresh().find(|lost| lost.start == start) {
            Some(lost) => lost.shrinks,
            None if fresh().count() >= UNREADABLE_PLACES_MAX => fresh().map(|lost| lost.shrinks).max().unwrap_or(0),
            None => 0,
        };
        self.shrinks.max(shrinks)
    }

    /// Whether the whole stream was lately seen to take no more than this.
    fn is_within(&self, bytes: usize, now: Instant) -> bool {
        self.whole.is_some_and(|(whole, at)| whole <= bytes && is_fresh(Some(at), now))
    }

    /// See [`Sizes::ask`].
    fn ask(&self, max_entries: usize, max_bytes: usize, now: Instant) -> Ask {
        let largest = self.largest.max(1);
        let fit = (max_bytes / largest).max(1);
        let none_is_large = fit >= ENTRIES_ASKED_AT_FIRST_MAX;
        let are_small = is_fresh(self.read_at, now) && none_is_large;
        let is_small = self.is_within(max_bytes, now) || are_small && self.is_within(PLAIN_STREAM_BYTES_MAX, now);
        // The transaction would bring both ends along.
        let has_large_ends = self.ends > TIP_BYTES_PLAIN_MAX;
        if none_is_large && is_small && !has_large_ends && self.shrinks == 0 {
            return Ask::Plain { count: fit.clamp(1, max_entries.max(1)) };
        }
        let most = match are_small {
            true => (self.page_entries * GROWTH).max(ENTRIES_ASKED_AT_FIRST_MAX),
            false => ENTRIES_ASKED_UNKNOWN_MAX,
        };
        let part = PAGE_SHRINK.pow(self.shrinks.min(PAGE_SHRINKS_MAX));
        let at_first = if is_fresh(self.read_at, now) { max_entries } else { ENTRIES_ASKED_AT_FIRST_MAX };
        let entries = (max_entries.min(at_first) / part).max(1);
        let count = (fit.min(most) / part).clamp(1, entries);
        Ask::Bounded { entries, bytes: (max_bytes / part).max(1), count }
    }

    /// Without this a read would fail again before it succeeds. All else costs one careful read.
    fn is_warning(&self) -> bool {
        self.shrinks > 0 || !self.lost.is_empty() || self.ends > TIP_BYTES_PLAIN_MAX
    }
}

#[derive(Debug, Default)]
struct Table {
    channels: HashMap<LogName, Estimate>,
    uses: u64,
}

impl Table {
    fn get(&mut self, channel: &LogName) -> Option<&mut Estimate> {
        self.uses += 1;
        let known = self.channels.get_mut(channel)?;
        known.used = self.uses;
        Some(known)
    }

    fn get_or_add(&mut self, channel: &LogName) -> &mut Estimate {
        if self.channels.len() >= ENTRY_SIZES_TRACKED_MAX && !self.channels.contains_key(channel) {
            self.forget();
        }
        self.uses += 1;
        let known = self.channels.entry(channel.clone()).or_default();
        known.used = self.uses;
        known
    }

    /// Forgets a quarter, so that this is rare: those that warn of nothing first, and of each kind those not looked at for longest.
    fn forget(&mut self) {
        let rank = |known: &Estimate| (known.is_warning(), known.used);
        let mut ranks: Vec<_> = self.channels.values().map(rank).collect();
        let quarter = ranks.len() / 4;
        let (_, last, _) = ranks.select_nth_unstable(quarter);
        let last = *last;
        self.channels.retain(|_, known| rank(known) > last);
    }
}

fn is_fresh(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) <= ENTRY_SIZES_FRESH)
}

/// Remembers, for a bounded number of channels, how large their entries are.
#[derive(Debug, Default)]
pub(super) struct Sizes(Mutex<Table>);

impl Sizes {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn get(&self, channel: &LogName) -> Estimate {
        self.lock().get(channel).map(|known| known.clone()).unwrap_or_default()
    }

    fn change(&self, channel: &LogName, change: impl FnOnce(&mut Estimate)) {
        change(self.lock().get_or_add(channel));
    }

    /// The same of a channel of which something is known. Of any other there is nothing to remember: it is read with care anyway,
    /// and names that somebody makes up do not displace channels that exist.
    fn change_known(&self, channel: &LogName, change: impl FnOnce(&mut Estimate)) {
        if let Some(known) = self.lock().get(channel) {
            change(known);
        }
    }

    /// How to ask for at most `max_entries` that together aim at `max_bytes`.
    pub(super) fn ask(&self, channel: &LogName, max_entries: usize, max_bytes: usize, now: Instant) -> Ask {
        self.get(channel).ask(max_entries, max_bytes, now)
    }

    /// The same for a page from `start` on.
    pub(super) fn ask_from(
        &self,
        channel: &LogName,
        start: EntryId,
        (max_entries, max_bytes): (usize, usize),
        now: Instant,
    ) -> Ask {
        let known = self.get(channel);
        Estimate { shrinks: known.shrinks_from(start, now), ..known }.ask(max_entries, max_bytes, now)
    }

    /// Whether the answer is expected to be large: to hold more than [`ARCHIVE_LARGE_BYTES`], or more entries than a function tells in a
    /// moment. A channel whose last page reached the stream's end is expected to have no more than that page.
    pub(super) fn expects_much(&self, channel: &LogName, ask: Ask) -> bool {
        let known = self.get(channel);
        let (count, is_slow) = match ask {
            Ask::Plain { count } => (count, false),
            Ask::Bounded { entries, .. } => (entries, true),
        };
        let expected = if known.has_more { count } else { count.min(known.page_entries) };
        let bytes = match known.page_entries {
            // Nothing but the size of the whole is known.
            0 => known.whole.map_or(0, |(bytes, _)| bytes),
            _ => expected.saturating_mul(known.largest),
        };
        bytes > ARCHIVE_LARGE_BYTES || (is_slow && expected > ENTRIES_ASKED_AT_FIRST_MAX)
    }

    /// Whether `XINFO STREAM` would bring much: the size of the oldest and the newest entry, in bytes.
    pub(super) fn large_ends(&self, channel: &LogName) -> Option<usize> {
        Some(self.get(channel).ends).filter(|bytes| *bytes > TIP_BYTES_PLAIN_MAX)
    }

    /// Learns the sizes of a stream's oldest and newest entry. What made an outage worth a read may be what came during it.
    pub(super) fn learn_ends(&self, channel: &LogName, oldest: usize, newest: usize) {
        let ends = oldest + newest;
        let learn = |known: &mut Estimate| {
            known.ends = ends;
            known.largest = known.largest.max(newest);
        };
        if ends > TIP_BYTES_PLAIN_MAX {
            self.change(channel, learn);
        } else {
            self.change_known(channel, learn);
        }
    }

    /// The answer that brings the oldest and the newest entry did not arrive: they may be large, and larger than was thought. The
    /// next answer tells.
    pub(super) fn suspect_ends(&self, channel: &LogName) {
        self.change(channel, |known| {
            known.ends = match known.ends > TIP_BYTES_PLAIN_MAX {
                true => known.ends.saturating_mul(GROWTH).min(ENDS_SUSPECTED_MAX.max(known.ends)),
                false => TIP_BYTES_PLAIN_MAX + 1,
            };
        });
    }

    /// Learns the memory of the whole stream, in bytes; 0 if there is none.
    pub(super) fn learn_whole(&self, channel: &LogName, bytes: usize, now: Instant) {
        let learn = |known: &mut Estimate| known.whole = Some((bytes, now));
        if bytes > 0 {
            self.change(channel, learn);
        } else {
            self.change_known(channel, learn);
        }
    }

    /// Whether the memory of the whole stream was told lately.
    pub(super) fn knows_whole(&self, channel: &LogName, now: Instant) -> bool {
        self.get(channel).is_within(usize::MAX, now)
    }

    /// Learns from a page that came: how many entries it held, the size of the largest (or of the one
    /// that comes next, if the page ended before it for its size), and whether there are more.
    pub(super) fn learn(&self, channel: &LogName, (entries, largest, has_more): (usize, usize, bool), now: Instant) {
        if entries == 0 {
            return self.change_known(channel, |known| known.shrinks = known.shrinks.saturating_sub(1));
        }
        self.change(channel, |known| {
            known.shrinks = known.shrinks.saturating_sub(1);
            // Growth is believed at once, shrinking by halves: a few small entries do not hide the large ones.
            known.largest = largest.max(known.largest / 2);
            (known.page_entries, known.has_more) = (entries, has_more);
            known.read_at = Some(now);
        });
    }

    /// Learns from a page that did not come in time, or that broke off: this channel is asked for less.
    pub(super) fn shrink(&self, channel: &LogName) {
        self.change(channel, |known| known.shrinks = (known.shrinks + 1).min(PAGE_SHRINKS_MAX));
    }

    /// The same of a page from `start` on: from there less is asked for until a page arrives, whatever is read elsewhere meanwhile.
    pub(super) fn shrink_from(&self, channel: &LogName, start: EntryId, now: Instant) {
        self.change(channel, |known| {
            let shrinks = (known.shrinks_from(start, now) + 1).min(PAGE_SHRINKS_MAX);
            known.lost.retain(|lost| lost.start != start);
            // The one that was not asked for for longest.
            if known.lost.len() >= UNREADABLE_PLACES_MAX {
                known.lost.remove(0);
            }
            known.lost.push(LostPlace { start, shrinks, at: now });
        });
        self.shrink(channel);
    }

    /// A page from `start` on arrived.
    pub(super) fn note_arrived(&self, channel: &LogName, start: EntryId) {
        self.change_known(channel, |known| known.lost.retain(|lost| lost.start != start));
    }
}

#[cfg(test)]
mod tests;
