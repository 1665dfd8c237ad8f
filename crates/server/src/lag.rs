//! How late events are.

use fanfare_log::stats::Cell;

/// Upper bounds of the lag histogram, in milliseconds; a last bucket has none.
pub const LAG_BOUNDS_MS: [u64; 14] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];

/// How long events were under way: from the entry's id (the store's clock) to the write, in milliseconds. Counted per
/// delivery, for events that were live for their reader; not cumulative.
#[derive(Debug, Default)]
pub struct Lag {
    buckets: [Cell; LAG_BOUNDS_MS.len() + 1],
    sum_ms: Cell,
}

impl Lag {
    /// Counts one delivery.
    pub(crate) fn record(&self, lag_ms: u64) {
        let bucket = LAG_BOUNDS_MS.partition_point(|bound| *bound < lag_ms);
        self.buckets[bucket].add(1);
        self.sum_ms.add(lag_ms);
    }

    /// The number of deliveries in each bucket, and the sum of their lags in milliseconds.
    #[must_use]
    pub fn snapshot(&self) -> ([u64; LAG_BOUNDS_MS.len() + 1], u64) {
        (std::array::from_fn(|i| self.buckets[i].get()), self.sum_ms.get())
    }
}
