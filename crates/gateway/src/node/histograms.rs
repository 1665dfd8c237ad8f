//! Histograms of a node: what its threads have counted in buckets of their own, added up.

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::stats::{DURATION_BOUNDS, DurationCounts};
use fanfare_server::{CoreStats, LAG_BOUNDS_MS};

use crate::metrics::Buckets;

/// One histogram of several counts.
pub(super) fn durations(of: impl IntoIterator<Item = DurationCounts>) -> Buckets {
    let (mut counts, mut all) = (vec![0; DURATION_BOUNDS.len() + 1], Duration::ZERO);
    for (each, sum) in of {
        counts.iter_mut().zip(each).for_each(|(count, more)| *count += more);
        all += sum;
    }
    let bounds = DURATION_BOUNDS.iter().map(Duration::as_secs_f64).collect();
    histogram(bounds, counts, all.as_secs_f64())
}

/// From publishing to writing, on all connection threads.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
pub(super) fn lag(cores: &[Arc<CoreStats>]) -> Buckets {
    let mut counts = vec![0; LAG_BOUNDS_MS.len() + 1];
    let mut sum_ms = 0;
    for core in cores {
        let (buckets, sum) = core.lag.snapshot();
        counts.iter_mut().zip(buckets).for_each(|(count, more)| *count += more);
        sum_ms += sum;
    }
    let bounds = LAG_BOUNDS_MS.iter().map(|ms| *ms as f64 / 1000.0).collect();
    histogram(bounds, counts, sum_ms as f64 / 1000.0)
}

/// The last of the counts is of what is above all bounds.
fn histogram(bounds: Vec<f64>, mut counts: Vec<u64>, sum: f64) -> Buckets {
    let total = counts.iter().sum();
    counts.truncate(bounds.len());
    Buckets { bounds, counts, total, sum }
}
