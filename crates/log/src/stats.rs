//! Counters that are written by one thread and read by another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// Upper bounds of the buckets of [`Durations`]; a last bucket has none.
pub const DURATION_BOUNDS: [Duration; 12] = [
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// How many fell into each bucket, the one without a bound last; and their sum.
pub type DurationCounts = ([u64; DURATION_BOUNDS.len() + 1], Duration);

/// How long things took, by size. Any thread may record: for what happens thousands of times a second and not for each delivery.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; DURATION_BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl Durations {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many fell into each bucket, and their sum.
    #[must_use]
    pub fn snapshot(&self) -> DurationCounts {
        let counts = std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed));
        (counts, Duration::from_micros(self.sum_us.load(Ordering::Relaxed)))
    }
}

/// How many channels are in a state that should pass, and since when.
#[derive(Debug, Default)]
pub struct Waiting {
    /// How many now.
    pub channels: Cell,
    /// Since when the first of them is: milliseconds since the registry began, plus one. 0: there is none.
    pub since_ms: Cell,
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
    /// How long the turns took.
    pub turn_lengths: Durations,
    /// The longest turn of the last minute or two, in microseconds.
    pub longest_turn_us: Cell,
    /// Channels followed now.
    pub channels: Cell,
    /// Channels opened.
    pub channels_opened: Cell,
    /// Channels that were asked for and had no place.
    pub channels_refused: Cell,
    /// Channels whose readers have no place yet, since it is not known where the stream ends. Refused ones are not among them.
    pub unprimed: Waiting,
    /// Channels of which a page is wanted that has not been read.
    pub paging: Waiting,
    /// Channels of which a read failed and none of its kind has succeeded since.
    pub failing: Waiting,
    /// Bytes held for tails and pages now.
    pub tail_bytes: Cell,
    /// Durable events that pushes brought, or named where they are not believed.
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
    /// Entries that were read because messages had named entries of their channel ([`FeedEvent::Announced`](crate::FeedEvent)). They
    /// are no repairs.
    pub verified: Cell,
    /// Messages that named an entry which the stream does not have, or with another predecessor. Those that are believed are not looked
    /// at here.
    pub unfounded: Cell,
    /// Reads of the archive to repair or extend a tail.
    pub head_reads: Cell,
    /// Reads of the archive for readers that are behind.
    pub page_reads: Cell,
    /// Payers whose want was answered by a read that another one's had caused.
    pub shared_reads: Cell,
    /// Reads that failed and were tried again.
    pub failed_reads: Cell,
    /// Milliseconds in which readers waited for pages because as much was being read as `archive.bytes_per_second` allows.
    pub throttled_ms: Cell,
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
    /// Channels that the store refuses now.
    pub refused: Cell,
    /// Channels whose keys hold another type than a stream now.
    pub wrong_type: Cell,
    /// When the last round trip through the feed that was proven began: milliseconds since the registry began, plus one. 0: none was.
    pub proven_ms: Cell,
    /// How long it took until its end was noted here, in microseconds. 0: none was.
    pub round_trip_us: Cell,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        durations.record(DURATION_BOUNDS[0]);
        durations.record(DURATION_BOUNDS[0] + Duration::from_micros(1));
        durations.record(Duration::from_secs(31));
        let (counts, sum) = durations.snapshot();
        assert_eq!((counts[0], counts[1], counts[DURATION_BOUNDS.len()], counts.iter().sum()), (1, 1, 1, 3));
        assert_eq!(sum, Duration::from_secs(31) + Duration::from_micros(201));
    }
}
