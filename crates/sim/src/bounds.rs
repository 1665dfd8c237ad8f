//! What a node may cost: bytes and reads that it asks of Redis for those who are behind, and memory. Computed from its options, and compared
//! with what it did.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use fanfare_log::IngestStats;
use tokio::time::Instant;

use crate::setup::Setup;

/// The place of an item in a tail or a page, and the fields of its block beside its data, in bytes.
pub(crate) const ITEM_BYTES: usize = 1_000;

/// A chunk of a short tail, which is released as a whole, in bytes.
const CHUNK_BYTES: usize = 4 << 10;

/// Channels of which there are events: what strangers make up has none.
const CHANNELS_WITH_EVENTS: usize = 5;

/// What the runs of one node on one place have cost.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// Bytes that ended runs were allowed to ask for.
    allowed: Cell<u64>,
    breaches: RefCell<Vec<String>>,
}

impl Bounds {
    /// A run ends, or is looked at: it began then, and counted this. What it was allowed to ask for of the stock, in bytes of data:
    /// - `archive.bytes_per_second` for as long as it ran, with a second's worth at the beginning, and what the reads in flight
    ///   may take beyond that;
    /// - one page for each read that failed: Redis may have answered nevertheless.
    ///
    /// No read of a head brings anything of it: the stock lies before all heads.
    fn allows(setup: &Setup, began: Instant, stats: &IngestStats) -> u64 {
        let page = setup.page_bytes_max() as u64;
        let ran_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let of_allowance = setup.log.archive_bytes_per_second.saturating_mul(ran_ms + 1_000) / 1_000;
        let pages = setup.log.archive_concurrency as u64 + stats.failed_reads.get();
        of_allowance.saturating_add(pages * page)
    }

    /// A run ends.
    pub(crate) fn end(&self, setup: &Setup, began: Instant, stats: &IngestStats) {
        self.allowed.set(self.allowed.get().saturating_add(Self::allows(setup, began, stats)));
    }

    /// Looks at the memory that a run's own counters tell, in the moment between two turns of its ingest.
    pub(crate) fn look(&self, setup: &Setup, stats: &IngestStats) {
        let channels = usize::try_from(stats.channels.get()).unwrap_or(usize::MAX);
        let item = setup.redis.event_bytes + ITEM_BYTES;
        // Beside the budget: pages that wait for their readers, chunks of which a part was evicted, an item that always fits.
        let pages = 2 * (setup.log.archive_concurrency + 1) * (setup.page_bytes_max() + 2 * ITEM_BYTES);
        let chunks = setup.log.budget / 8 + channels.min(CHANNELS_WITH_EVENTS) * (CHUNK_BYTES + 2 * item);
        let (held, bound) = (stats.tail_bytes.get(), setup.log.budget + pages + chunks);
        if held > bound as u64 {
            self.blame(format!("{held} bytes of tails and pages, with a budget of {}: over {bound}", setup.log.budget));
        }
        let places = setup.log.max_channels.saturating_add(setup.log.max_channels / 16);
        if channels > places {
            self.blame(format!("{channels} channels, and places for {places}"));
        }
    }

    fn blame(&self, what: String) {
        let mut breaches = self.breaches.borrow_mut();
        if breaches.is_empty() {
            breaches.push(what);
        }
    }

    /// What was exceeded, at the end: the node has asked for so many bytes in all of its runs, the last of which still runs,
    /// and had so many reads of entries under way at a time.
    pub(crate) fn verdict(
        &self,
        setup: &Setup,
        [asked, reading]: [usize; 2],
        running: Option<(Instant, &Arc<IngestStats>)>,
    ) -> Vec<String> {
        let present = running.map_or(0, |(began, stats)| Self::allows(setup, began, stats));
        let allowed = self.allowed.get().saturating_add(present);
        let mut breaches = self.breaches.take();
        if asked as u64 > allowed {
            breaches.push(format!("it asked for {asked} bytes of the stock, and {allowed} were allowed"));
        }
        let most = setup.log.archive_concurrency.max(1);
        if reading > most {
            breaches.push(format!("{reading} reads of entries were under way at a time, and {most} were allowed"));
        }
        breaches
    }
}
