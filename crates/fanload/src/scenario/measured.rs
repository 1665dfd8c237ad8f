//! The measured part of a run.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::run::Run;
use super::{Latency, Scenario};
use crate::admin;
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
    /// Archive reads of the nodes before, where anybody counts them.
    reads: Option<f64>,
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

impl Run<'_> {
    /// Begins the measured part: what is published from now on counts.
    pub(super) fn measure(&mut self) -> Result<()> {
        self.measure_what_follows(self.events.published)
    }

    /// Begins the measured part, in which the events count that were published after the first `published`.
    pub(super) fn measure_what_follows(&mut self, published: u64) -> Result<()> {
        // Asking a node for its metrics touches its memory.
        let asks = !matches!(self.scenario, Scenario::Hold | Scenario::Large);
        let reads = if asks { admin::archive_reads(&self.target.admin)? } else { None };
        self.fleet.measure(self.parameters.patience)?;
        self.measuring = Some(Measuring {
            server: Reading::take(self.server_pids)?.cpu,
            client: Reading::take(&self.fleet.pids())?.cpu,
            published,
            reads,
            begun: Instant::now(),
        });
        Ok(())
    }

    /// Ends the measured part. Number, with the nodes' admin addresses and where memory is not the question:
    /// `archive_reads`.
    pub(super) fn measured(&mut self) -> Result<()> {
        let reads = self.measuring.as_ref().and_then(|measuring| measuring.reads);
        self.measured_within(self.parameters.patience)?;
        if let Some(before) = reads
            && let Some(after) = admin::archive_reads(&self.target.admin)?
        {
            self.numbers.insert("archive_reads".to_owned(), after - before);
        }
        Ok(())
    }

    /// The same, with a bound on how long workers may take to report, and without what only nodes can say.
    pub(super) fn measured_within(&mut self, patience: Duration) -> Result<()> {
        let Some(measuring) = self.measuring.take() else { return Ok(()) };
        let elapsed = measuring.begun.elapsed();
        let after = Reading::take(self.server_pids)?;
        let client = Reading::take(&self.fleet.pids())?.cpu.since(&measuring.client);
        let total = self.fleet.report(patience)?;
        self.part = Some(Part {
            published: self.events.published.saturating_sub(measuring.published),
            deliveries: total.measured,
            elapsed,
            server: after.cpu.since(&measuring.server),
            client,
            after,
            latencies: total.latencies,
        });
        Ok(())
    }

    /// Ends a part that the measured one will be compared with.
    pub(super) fn compared(&mut self) -> Result<()> {
        self.measuring = None;
        self.compared = Some(self.fleet.report(self.parameters.patience)?.latencies);
        Ok(())
    }

    /// Reads the server's processes now.
    pub(super) fn reading(&self) -> Result<Reading> {
        Reading::take(self.server_pids)
    }
}
