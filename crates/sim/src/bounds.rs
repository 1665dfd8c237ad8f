//! What a node may cost: bytes that it asks of Redis for those who are behind, and memory. Computed from its options, and compared
//! with what it did.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use fanfare_log::IngestStats;
use tokio::time::Instant;

use crate::setup::Setup;

/// The place of an item in a tail or a page, and the fields of its block beside its data, in bytes.
const ITEM_BYTES: usize = 1_000;

/// A chunk of a short tail, which is released as a whole, in bytes.
const CHUNK_BYTES: usize = 4 << 10;

/// What the runs of one node on one place have cost.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// Bytes that ended runs were allowed to ask for.
    allowed: Cell<u64>,
    breaches: RefCell<Vec<String>>,
}

impl Bounds {
    /// A run ends, or is looked at: it began then, and counted this. What it was allowed to ask for, in bytes of data of entries:
    ///
    /// - `archive.bytes_per_second` for as long as it ran, with a second's worth at the beginning, and what the reads in flight
    ///   may take beyond that;
    /// - one page for each read of a head, and for each read that failed and of which Redis may have answered nevertheless: these
    ///   are the node's own, and of how many there are other verdicts judge.
    fn allows(setup: &Setup, began: Instant, stats: &IngestStats) -> u64 {
        let page = setup.page_bytes_max() as u64;
        let ran_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let of_allowance = setup.log.archive_bytes_per_second * (ran_ms + 1_000) / 1_000;
        let in_flight = setup.log.archive_concurrency as u64 * page;
        let own = (stats.head_reads.get() + stats.failed_reads.get()) * page;
        of_allowance.saturating_add(in_flight + own)
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
        let chunks = setup.log.budget / 8 + channels * (CHUNK_BYTES + 2 * item);
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

    /// What was exceeded, at the end: the node has asked for so many bytes in all of its runs, the last of which still runs.
    pub(crate) fn verdict(
        &self,
        setup: &Setup,
        asked: usize,
        running: Option<(Instant, &Arc<IngestStats>)>,
    ) -> Vec<String> {
        let present = running.map_or(0, |(began, stats)| Self::allows(setup, began, stats));
        let allowed = self.allowed.get().saturating_add(present);
        let mut breaches = self.breaches.take();
        if asked as u64 > allowed {
            breaches.push(format!("it asked for {asked} bytes of entries, and {allowed} were allowed"));
        }
        breaches
    }
}
