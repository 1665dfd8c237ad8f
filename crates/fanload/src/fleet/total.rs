//! The reports of all workers together.

use super::message::Report;
use crate::disturbances::Disturbances;
use crate::integrity::Integrity;
use crate::latency::Latency;

/// The reports of all workers together.
#[derive(Clone, Debug)]
pub struct Total {
    /// The verdict, except for what is silent.
    pub integrity: Integrity,
    /// What happened to connections.
    pub disturbances: Disturbances,
    /// Deliveries since measuring began.
    pub measured: u64,
    /// Pairs of connection and channel that have not got what is watched for.
    pub behind: u64,
    /// Connections that are primed now.
    pub live: usize,
    /// The last thing that went wrong.
    pub trouble: Option<String>,
    /// Latencies since measuring began, in microseconds.
    pub latencies: Latency,
}

impl Total {
    /// The total of no report.
    pub(super) fn new() -> Self {
        Self {
            integrity: Integrity::default(),
            disturbances: Disturbances::default(),
            measured: 0,
            behind: 0,
            live: 0,
            trouble: None,
            latencies: Latency::new(),
        }
    }

    /// Adds the report of one worker.
    pub(super) fn add(&mut self, report: &Report) {
        self.integrity.add(&report.integrity);
        self.disturbances.add(&report.disturbances);
        self.measured += report.measured;
        self.behind += report.behind;
        self.live += report.live;
        self.trouble = self.trouble.take().or_else(|| report.trouble.clone());
        for &(value, count) in &report.latencies {
            self.latencies.0.saturating_record_n(value, count);
        }
    }
}
