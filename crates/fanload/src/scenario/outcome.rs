//! What one run of a scenario yields.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{Parameters, Scenario};
use crate::integrity::{Disturbances, Integrity};
use crate::publish::Breaks;
use crate::reading::{Cpu, Reading};

/// What one run of a scenario yields. "Measured" is what lies between the first published event and the last delivery,
/// without opening the connections and without the last event that looks for silent ones (except where the scenario is
/// about just that; each says so).
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was run.
    pub scenario: Scenario,
    /// At which size.
    pub parameters: Parameters,
    /// Why the run ended before its time; `None` when it did not. What follows is then what came so far, and nobody has
    /// waited for the last event.
    pub cut_short: Option<String>,
    /// Events published while measuring.
    pub published: u64,
    /// Deliveries while measuring.
    pub deliveries: u64,
    /// How long the measured part took.
    pub elapsed: Duration,
    /// What the server's processes used in it.
    pub server_cpu: Cpu,
    /// What the workers used in it.
    pub client_cpu: Cpu,
    /// From the time at which an event was published, or should have been, to its receipt.
    pub latency: Latency,
    /// The latency that this one is to be compared with, where the run has measured both (see [`Parameters::compare`]).
    pub compared: Option<Latency>,
    /// The server's processes before any connection was opened.
    pub before: Reading,
    /// The same at the end of the measured part.
    pub after: Reading,
    /// Over the whole run, the last event included.
    pub integrity: Integrity,
    /// What happened to connections that nobody wanted, over the whole run.
    pub disturbances: Disturbances,
    /// What happened to the connection over which events are published, over the whole run.
    pub breaks: Breaks,
    /// What only this scenario measures. The names say the unit and are listed at each scenario.
    pub numbers: BTreeMap<String, f64>,
}

impl Outcome {
    /// Microseconds of the server's CPU per delivery; `None` when there were none.
    pub fn cpu_per_delivery(&self) -> Option<f64> {
        (self.deliveries > 0).then(|| self.server_cpu.total() * 1e6 / self.deliveries as f64)
    }

    /// Microseconds of the workers' CPU per delivery; `None` when there were none.
    pub fn client_cpu_per_delivery(&self) -> Option<f64> {
        (self.deliveries > 0).then(|| self.client_cpu.total() * 1e6 / self.deliveries as f64)
    }

    /// Deliveries per second of the server's CPU; `None` when it used none that can be seen.
    pub fn deliveries_per_cpu_second(&self) -> Option<f64> {
        (self.server_cpu.total() > 0.0).then(|| self.deliveries as f64 / self.server_cpu.total())
    }
}

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
