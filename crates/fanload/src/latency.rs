//! How long deliveries took.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told from longer ones, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;

/// A histogram of latencies in microseconds, three significant digits. What is longer than ten minutes counts as ten
/// minutes.
#[derive(Clone, Debug)]
pub struct Latency(pub Histogram<u64>);

impl Latency {
    /// An empty one.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order"))
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Serialize for Latency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Summary {
            count: u64,
            mean_us: f64,
            p50_us: u64,
            p90_us: u64,
            p99_us: u64,
            p999_us: u64,
            max_us: u64,
        }
        let at = |quantile| self.0.value_at_quantile(quantile);
        Summary {
            count: self.0.len(),
            mean_us: self.0.mean(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max(),
        }
        .serialize(serializer)
    }
}
