//! What the other clients, the node and Redis showed in one part of a run.

use serde::Serialize;

use super::openings::Openings;
use crate::latency::Latency;

/// One part of a run: undisturbed, or under attack.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Observation {
    pub(super) seconds: f64,
    /// Of the events of the other clients, from the time at which they should have been published.
    pub(super) latency: Latency,
    pub(super) openings: Openings,
    /// Bytes of the node's resident memory when the part began.
    pub(super) rss_before: u64,
    /// The most of it in the part.
    pub(super) rss_most: u64,
    /// Seconds of CPU that the node used.
    pub(super) node_cpu: f64,
    /// Bytes that Redis sent, to the node and to all others.
    pub(super) redis_sent: u64,
    /// How often the node opened its feed again.
    pub(super) feed_cuts: f64,
}

impl Observation {
    /// Milliseconds that the given share of the events took at most.
    pub(super) fn latency_ms(&self, share: f64) -> f64 {
        self.latency.0.value_at_quantile(share) as f64 / 1e3
    }

    /// MB that the node's memory grew at most.
    pub(super) fn growth_mb(&self) -> f64 {
        self.rss_most.saturating_sub(self.rss_before) as f64 / 1e6
    }

    /// Percent of a core that the node used.
    pub(super) fn node_cpu_percent(&self) -> f64 {
        100.0 * self.node_cpu / self.seconds
    }

    /// MB a second that Redis sent.
    pub(super) fn redis_mb_per_second(&self) -> f64 {
        self.redis_sent as f64 / 1e6 / self.seconds
    }
}
