//! How many entries make a page: `XRANGE … COUNT n` bounds entries, not bytes, and 100 entries have been 100 MiB.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use fanfare_protocol::LogName;
use fanfare_protocol::limits::ENTRY_SIZES_TRACKED_MAX;

/// Entries of a first page, of which nothing is known yet. Eight of the largest events that are delivered by default
/// are 8 MiB.
const FIRST_COUNT: usize = 8;

/// A page may hold so many times what a page of this channel has held before.
const GROWTH: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Estimate {
    /// Expected size of an entry, in bytes, at least 1.
    bytes: usize,
    /// The most entries that one page held.
    proven: usize,
}

/// Remembers, for a bounded number of channels, how large their entries are.
#[derive(Debug, Default)]
pub(super) struct Sizes(Mutex<HashMap<LogName, Estimate>>);

impl Sizes {
    fn lock(&self) -> MutexGuard<'_, HashMap<LogName, Estimate>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many entries to ask for: at least 1, at most `max_entries`, aiming at `max_bytes`.
    pub(super) fn count(&self, channel: &LogName, max_entries: usize, max_bytes: usize) -> usize {
        let count = match self.lock().get(channel) {
            None => FIRST_COUNT,
            Some(estimate) => (max_bytes / estimate.bytes).min((estimate.proven * GROWTH).max(FIRST_COUNT)),
        };
        count.clamp(1, max_entries.max(1))
    }

    /// Learns that the newest entry is so large. What made an outage worth a read may be what came during it.
    pub(super) fn learn_newest(&self, channel: &LogName, bytes: usize) {
        let mut channels = self.lock();
        let estimate = entry(&mut channels, channel, Estimate { bytes: bytes.max(1), proven: 1 });
        estimate.bytes = estimate.bytes.max(bytes);
    }

    /// Learns from a page.
    pub(super) fn learn(&self, channel: &LogName, entries: usize, bytes: usize) {
        if entries == 0 {
            return;
        }
        let seen = (bytes / entries).max(1);
        let mut channels = self.lock();
        let estimate = entry(&mut channels, channel, Estimate { bytes: seen, proven: entries });
        // Growth is believed at once, shrinking by halves: a few small entries do not hide the large ones.
        estimate.bytes = seen.max(estimate.bytes / 2);
        estimate.proven = estimate.proven.max(entries);
    }
}

fn entry<'a>(channels: &'a mut HashMap<LogName, Estimate>, channel: &LogName, first: Estimate) -> &'a mut Estimate {
    if channels.len() >= ENTRY_SIZES_TRACKED_MAX && !channels.contains_key(channel) {
        // Forgetting a channel costs a small page.
        channels.clear();
    }
    channels.entry(channel.clone()).or_insert(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> LogName {
        LogName::from(fanfare_protocol::ChannelName::parse(name).unwrap())
    }

    #[test]
    fn an_unknown_channel_is_read_in_a_small_page_and_a_known_one_in_pages_of_the_wanted_size() {
        let (sizes, channel) = (Sizes::default(), name("a"));
        assert_eq!(sizes.count(&channel, 1000, 262_144), FIRST_COUNT);
        assert_eq!(sizes.count(&channel, 3, 262_144), 3);
        sizes.learn(&channel, 8, 8 * 200);
        assert_eq!(sizes.count(&channel, 1000, 262_144), 64, "grows by steps");
        sizes.learn(&channel, 64, 64 * 200);
        sizes.learn(&channel, 512, 512 * 200);
        assert_eq!(sizes.count(&channel, 1000, 262_144), 1000);
        assert_eq!(sizes.count(&channel, 10_000, 262_144), 1310);
    }

    #[test]
    fn large_entries_shrink_pages_at_once_and_small_ones_grow_them_by_steps() {
        let (sizes, channel) = (Sizes::default(), name("a"));
        sizes.learn(&channel, 1000, 1000 * 200);
        sizes.learn(&channel, 1, 1_000_000);
        assert_eq!(sizes.count(&channel, 1000, 262_144), 1);
        let mut counts = Vec::new();
        for _ in 0..8 {
            sizes.learn(&channel, 1, 200);
            counts.push(sizes.count(&channel, 1000, 262_144));
        }
        assert!(counts.is_sorted() && counts[0] == 1 && *counts.last().unwrap() > 32, "{counts:?}");
    }

    #[test]
    fn a_larger_newest_entry_shrinks_pages_and_a_smaller_one_changes_nothing() {
        let (sizes, channel) = (Sizes::default(), name("a"));
        sizes.learn(&channel, 1000, 1000 * 200);
        sizes.learn_newest(&channel, 10);
        assert_eq!(sizes.count(&channel, 1000, 262_144), 1000);
        sizes.learn_newest(&channel, 100_000);
        assert_eq!(sizes.count(&channel, 1000, 262_144), 2);
    }

    #[test]
    fn the_number_of_channels_remembered_is_bounded() {
        let sizes = Sizes::default();
        for number in 0..ENTRY_SIZES_TRACKED_MAX + 10 {
            sizes.learn(&name(&number.to_string()), 1, 100);
        }
        assert!(sizes.lock().len() <= ENTRY_SIZES_TRACKED_MAX);
    }
}
