//! The size of a scenario.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::kind::Scenario;
use crate::payload::Payload;

/// Channels of a run: for each, the publisher keeps a number.
const CHANNELS_MOST: usize = 10_000_000;
/// Bytes of an event: `proto-max-bulk-len` of Redis.
const BYTES_MOST: usize = 512 << 20;
/// Events a second: nothing publishes more over one connection, and a run does not wait longer for one.
const RATES: RangeInclusive<f64> = 0.001..=1e6;

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
    /// Whether the same load is first measured with the same connections while none is cut or slow. Only the scenarios
    /// with a fixed rate do that.
    pub compare: bool,
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
            compare: false,
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
            // As many requests as events.
            Scenario::Requests => Self { connections: 1, events: 20_000, ..common },
        }
    }

    /// How many events each channel gets, in the scenarios that publish in all channels in turns.
    pub fn rounds(&self) -> u64 {
        (self.events / self.channels as u64).max(1)
    }

    /// Whether the numbers fit together and make a run of `scenario` that says something.
    ///
    /// # Errors
    /// When they do not; the message says which and why.
    pub fn check(&self, scenario: Scenario) -> Result<()> {
        self.check_sizes()?;
        self.check_load()?;
        match scenario {
            Scenario::Hold => self.check_hold(),
            Scenario::Fanout | Scenario::Burst | Scenario::Many | Scenario::Storm | Scenario::Large => {
                self.check_events(scenario)
            }
            Scenario::Rate | Scenario::Full | Scenario::Churn | Scenario::Slow | Scenario::Soak => {
                self.check_rate(scenario)
            }
            Scenario::Channels | Scenario::Requests => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<()> {
        let Self { connections, channels, channels_per_connection, bytes, .. } = *self;
        if connections == 0 || channels == 0 || channels_per_connection == 0 {
            bail!("connections, channels and channels per connection must be at least 1");
        }
        if channels > CHANNELS_MOST {
            bail!("{channels} channels are too many: {CHANNELS_MOST} are the most");
        }
        if channels_per_connection > channels {
            bail!("{channels} channels cannot give {channels_per_connection} to each connection");
        }
        if connections.saturating_mul(channels_per_connection) < channels {
            bail!(
                "{connections} connections with {channels_per_connection} each leave some of {channels} channels without \
                 anybody who listens (see --connections, --channels, --channels-per-connection)"
            );
        }
        if bytes < Payload::SHORTEST {
            bail!("an event needs at least {} bytes for its number and time", Payload::SHORTEST);
        }
        if bytes > BYTES_MOST {
            bail!("an event of {bytes} bytes is too large: Redis takes {BYTES_MOST}");
        }
        Ok(())
    }

    fn check_load(&self) -> Result<()> {
        if !RATES.contains(&self.rate) {
            bail!("the rate must be {} to {} events a second", RATES.start(), RATES.end());
        }
        if !(0.0..=0.9).contains(&self.slow) || !(0.0..=1e6).contains(&self.cuts) {
            bail!("the share of slow clients must be 0 to 0.9, and the cuts a second 0 to 1000000");
        }
        if self.at_once == 0 {
            bail!("at least one connection must be on its way at a time");
        }
        if self.patience.is_zero() {
            bail!("with no patience everything counts as silent or failed");
        }
        Ok(())
    }

    fn check_hold(&self) -> Result<()> {
        let Self { baseline, connections, .. } = *self;
        if baseline >= connections {
            bail!(
                "hold measures between --baseline {baseline} and --connections {connections}: the second must be larger"
            );
        }
        Ok(())
    }

    fn check_events(&self, scenario: Scenario) -> Result<()> {
        let Self { events, channels, .. } = *self;
        if events < channels as u64 {
            bail!("{} publishes in every channel: {events} events are not one for each of {channels}", scenario.name());
        }
        Ok(())
    }

    fn check_rate(&self, scenario: Scenario) -> Result<()> {
        if self.events == 0 && self.duration.is_zero() {
            bail!("no event would be published: say how many, or for how long");
        }
        if scenario == Scenario::Churn && self.cuts == 0.0 {
            bail!("churn without cuts is rate: --cuts says how many connections are cut each second");
        }
        // As `Plan::is_slow` counts them.
        if scenario == Scenario::Slow && self.connections as f64 * self.slow < 1.0 {
            bail!(
                "a share of {} of {} connections is nobody: raise --slow or --connections",
                self.slow,
                self.connections
            );
        }
        Ok(())
    }
}
