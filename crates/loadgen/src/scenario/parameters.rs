//! The size of a scenario.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Scenario;
use crate::payload::Payload;

/// The size of a scenario. What a scenario has no use for is ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Connections over all workers.
    pub connections: usize,
    /// Connections at the first of two measurements of memory (`hold`).
    pub baseline: usize,
    /// Channels over all connections.
    pub channels: usize,
    /// Channels that each connection subscribes to. Connection `n` takes `n * this` and the following ones, modulo
    /// [`channels`](Self::channels).
    pub channels_per_connection: usize,
    /// Events to publish and measure, over all channels. 0: as many as fit into [`duration`](Self::duration).
    pub events: u64,
    /// Bytes of an event's data.
    pub bytes: usize,
    /// Events a second over all channels, for the scenarios with a fixed rate.
    pub rate: f64,
    /// How long events are published, where [`events`](Self::events) does not say it.
    pub duration: Duration,
    /// Connections that are cut each second (`churn`, `soak`).
    pub cuts: f64,
    /// Share of slow connections, 0 to 1 (`slow`, `soak`).
    pub slow: f64,
    /// Worker processes; 0 for as few as can hold the connections.
    pub processes: usize,
    /// Connections that one worker has on their way at a time, from the connect to the first position.
    pub at_once: usize,
    /// How long anything may take before it counts as silent or failed.
    pub patience: Duration,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Parameters {
    /// The size at which a scenario is usually measured.
    pub fn of(scenario: Scenario) -> Self {
        let common = Self {
            connections: 1_000,
            baseline: 2_000,
            channels: 1,
            channels_per_connection: 1,
            events: 0,
            bytes: 200,
            rate: 50.0,
            duration: Duration::from_secs(10),
            cuts: 0.0,
            slow: 0.0,
            processes: 0,
            at_once: 256,
            patience: Duration::from_secs(60),
            seed: 1,
        };
        match scenario {
            Scenario::Hold => Self { connections: 15_000, ..common },
            Scenario::Fanout => Self { connections: 5_000, events: 100, ..common },
            Scenario::Burst => Self { connections: 500, events: 1_000, ..common },
            Scenario::Rate => common,
            Scenario::Many => Self { connections: 10_000, channels: 10_000, events: 100_000, ..common },
            Scenario::Storm => Self { connections: 15_000, events: 100, ..common },
            Scenario::Churn => Self { connections: 400, cuts: 60.0, rate: 100.0, ..common },
            Scenario::Slow => Self { slow: 0.05, ..common },
            Scenario::Soak => Self { cuts: 10.0, slow: 0.02, duration: Duration::from_secs(600), ..common },
            Scenario::Full => Self { connections: 15_000, rate: 100.0, ..common },
            Scenario::Channels => Self { connections: 2_500, channels: 100_000, channels_per_connection: 40, ..common },
            Scenario::Large => Self { connections: 5_000, events: 1, bytes: 1 << 20, ..common },
        }
    }

    /// Whether the numbers fit together.
    ///
    /// # Errors
    /// When they do not; the message says which and why.
    pub fn check(&self) -> Result<()> {
        if self.connections == 0 || self.channels == 0 || self.channels_per_connection == 0 {
            bail!("connections, channels and channels per connection must be at least 1");
        }
        if self.channels_per_connection > self.channels {
            bail!("{} channels cannot give {} to each connection", self.channels, self.channels_per_connection);
        }
        if self.bytes < Payload::SHORTEST {
            bail!("an event needs at least {} bytes for its number and time", Payload::SHORTEST);
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            bail!("the rate must be more than 0 events a second");
        }
        if !(0.0..=0.9).contains(&self.slow) || !(0.0..=1e6).contains(&self.cuts) {
            bail!("the share of slow clients must be 0 to 0.9, and the cuts a second 0 to 1000000");
        }
        if self.events == 0 && self.duration.is_zero() {
            bail!("no event would be published: say how many, or for how long");
        }
        if self.at_once == 0 {
            bail!("at least one connection must be on its way at a time");
        }
        Ok(())
    }
}
