//! The measured part of a run.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::fleet::Fleet;
use crate::latency::Latency;
use crate::reading::{Cpu, Reading};

/// The measured part, when it has ended.
pub(super) struct Part {
    pub(super) published: u64,
    pub(super) deliveries: u64,
    pub(super) elapsed: Duration,
    pub(super) server: Cpu,
    pub(super) client: Cpu,
    pub(super) after: Reading,
    pub(super) latencies: Latency,
}

/// The measured part while it runs.
pub(super) struct Measuring {
    begun: Instant,
    server: Cpu,
    client: Cpu,
    /// Events published before those that count.
    published: u64,
    /// Archive reads of the nodes before, where they are counted.
    pub(super) reads: Option<f64>,
}

impl Part {
    /// That of a run that ended before it measured anything.
    pub(super) fn nothing(reading: Reading) -> Self {
        Self {
            published: 0,
            deliveries: 0,
            elapsed: Duration::ZERO,
            server: Cpu::default(),
            client: Cpu::default(),
            after: reading,
            latencies: Latency::new(),
        }
    }
}

impl Measuring {
    /// Begins: the fleet forgets what it has measured. `published` events and `reads` of the archive do not count.
    pub(super) fn begin(
        fleet: &mut Fleet,
        server_pids: &[u32],
        patience: Duration,
        published: u64,
        reads: Option<f64>,
    ) -> Result<Self> {
        fleet.measure(patience)?;
        Ok(Self {
            server: Reading::take(server_pids)?.cpu,
            client: Reading::take(&fleet.pids())?.cpu,
            published,
            reads,
            begun: Instant::now(),
        })
    }

    /// Ends it when `published` events have been published in the whole run.
    pub(super) fn end(
        self,
        fleet: &mut Fleet,
        server_pids: &[u32],
        patience: Duration,
        published: u64,
    ) -> Result<Part> {
        let elapsed = self.begun.elapsed();
        let after = Reading::take(server_pids)?;
        let client = Reading::take(&fleet.pids())?.cpu.since(&self.client);
        let total = fleet.report(patience)?;
        Ok(Part {
            published: published.saturating_sub(self.published),
            deliveries: total.measured,
            elapsed,
            server: after.cpu.since(&self.server),
            client,
            after,
            latencies: total.latencies,
        })
    }
}
