//! Clients with channels of their own, each delivery of which is checked.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::voice::Voice;
use crate::fleet::{Fleet, Plan, Total};
use crate::publish::Publisher;
use crate::stage::Stage;
use crate::target::{Resume, Target};

/// How long anything may take before it counts as silent or failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Connections on their way at a time.
const AT_ONCE: usize = 64;

/// How many clients there are, and what they listen to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) connections: usize,
    pub(super) channels: usize,
    pub(super) channels_per_connection: usize,
    /// Bytes of an event's data.
    pub(super) bytes: usize,
}

/// Clients and their publisher.
#[derive(Debug)]
pub(super) struct Audience {
    pub(super) fleet: Fleet,
    pub(super) voice: Voice,
    /// What the names of its channels begin with; the index follows.
    pub(super) prefix: String,
    /// Whether a client lacks the last event that was waited for.
    missed: bool,
}

impl Audience {
    /// Opens all connections and publishes one event in each channel, so that buffers have grown.
    ///
    /// # Errors
    /// When they cannot be opened, or nothing can be published.
    pub(super) fn gather(stage: &Stage, title: &str, target: &Target, shape: Shape) -> Result<Self> {
        let prefix = format!("fanload-{:08x}-", fastrand::u32(..));
        let publish = target.publish.as_ref().context("nothing can be published")?;
        let publisher = Publisher::connect(publish, &prefix, stage)?;
        let plan = Plan {
            addresses: target.addresses.clone(),
            protocol: target.protocol.clone(),
            subscribe: target.subscribe.clone(),
            prefix: prefix.clone(),
            channels: shape.channels,
            channels_per_connection: shape.channels_per_connection,
            worker: 0,
            first: 0,
            bytes: shape.bytes,
            slow: 0.0,
            slow_bytes: 1,
            resumes: target.subscribe.resume != Resume::Never,
            at_once: AT_ONCE,
            patience_ms: PATIENCE.as_millis() as u64,
            away_ms: 0,
            seed: 1,
        };
        let fleet = Fleet::start(stage, title, &plan, shape.connections, 0)?;
        let voice = Voice { publisher, channels: shape.channels, bytes: shape.bytes, published: 0 };
        let mut audience = Self { fleet, voice, prefix, missed: false };
        audience.fleet.open(shape.connections, PATIENCE)?;
        audience.round()?;
        Ok(audience)
    }

    /// Publishes a round of events and waits until all clients have it. `false`: one has not, within [`PATIENCE`].
    ///
    /// # Errors
    /// When Redis or a worker fails.
    pub(super) fn round(&mut self) -> Result<bool> {
        let last = self.voice.round()?;
        self.fleet.watch(last, true)?;
        let reached = self.fleet.reached(last, PATIENCE)?;
        self.missed = !reached;
        Ok(reached)
    }

    /// Everything that its clients have seen; who lacks the last event that was waited for counts as silent.
    ///
    /// # Errors
    /// When a worker does not report.
    pub(super) fn report(&mut self) -> Result<Total> {
        let mut total = self.fleet.report(PATIENCE)?;
        if self.missed {
            total.integrity.silent = total.behind;
        }
        Ok(total)
    }
}
