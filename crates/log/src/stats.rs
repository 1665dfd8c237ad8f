//! Counters that are written by one thread and read by another.

use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_protocol::GapReason;

/// A number with a single writer. Writing is a plain store, never a locked instruction; readers see a recent value.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds `n`. Only the thread that owns the cell may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets the value. Only the thread that owns the cell may call this.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Reads a recent value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter per gap reason.
#[derive(Debug, Default)]
pub struct GapCells([Cell; GapReason::ALL.len()]);

impl GapCells {
    /// The counter of a reason.
    #[must_use]
    pub fn of(&self, reason: GapReason) -> &Cell {
        &self.0[match reason {
            GapReason::Trimmed => 0,
            GapReason::Reset => 1,
            GapReason::UnknownPosition => 2,
            GapReason::TooLarge => 3,
            GapReason::Lagging => 4,
            GapReason::Unavailable => 5,
        }]
    }
}

/// What the ingest counts. All are totals since start unless they say "now".
#[derive(Debug, Default)]
pub struct IngestStats {
    /// Turns of the ingest's loop: at least one in [`TURN_AT_LEAST`](fanfare_protocol::limits::TURN_AT_LEAST), also where nothing happens.
    pub turns: Cell,
    /// Channels followed now.
    pub channels: Cell,
    /// Channels that were asked for and had no place.
    pub channels_refused: Cell,
    /// Bytes held for tails and pages now.
    pub tail_bytes: Cell,
    /// Durable events taken from pushes.
    pub pushes: Cell,
    /// Ephemeral events.
    pub ephemerals: Cell,
    /// Pushes of entries that were already there.
    pub duplicates: Cell,
    /// Pushes and notifications that asked for a read of the archive.
    pub doorbells: Cell,
    /// Pushes with the marker that did not parse.
    pub malformed: Cell,
    /// Pushes dropped because the feed queue was full (their channels were read instead), counted per channel and turn.
    pub overflows: Cell,
    /// Ephemeral events that the feed queue had no room for: they are gone.
    pub shed: Cell,
    /// Entries that came from the archive instead of a push.
    pub repaired: Cell,
    /// Reads of the archive to repair or extend a tail.
    pub head_reads: Cell,
    /// Reads of the archive for readers that are behind.
    pub page_reads: Cell,
    /// Readers' wants answered by a read that another want had caused.
    pub shared_reads: Cell,
    /// Reads that failed and were tried again.
    pub failed_reads: Cell,
    /// Comparisons of a head with its stream.
    pub reconciles: Cell,
    /// Comparisons that found a difference.
    pub reconcile_misses: Cell,
    /// Items and pages evicted for the budget.
    pub evictions: Cell,
    /// Discontinuities found in followed logs, by reason.
    pub seams: GapCells,
    /// 1 while the feed is connected.
    pub connected: Cell,
    /// Times the feed connected.
    pub connects: Cell,
    /// Subscriptions refused by the store now.
    pub refused: Cell,
    /// When a round trip through the feed was last proven: milliseconds since the registry began, plus one. 0: never.
    pub proven_ms: Cell,
}
