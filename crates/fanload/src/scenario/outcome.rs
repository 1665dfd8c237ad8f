//! What one run of a scenario yields.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::kind::Scenario;
use super::parameters::Parameters;
use crate::disturbances::Disturbances;
use crate::integrity::Integrity;
use crate::latency::Latency;
use crate::publish::Breaks;
use crate::reading::{Cpu, Reading};
use crate::target::Protocol;

/// What one run of a scenario yields. "Measured" is what lies between the first published event and the last delivery,
/// without opening the connections and without the last event that looks for silent ones (except where the scenario is
/// about just that; each says so).
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was run.
    pub scenario: Scenario,
    /// At which size.
    pub parameters: Parameters,
    /// What clients spoke.
    pub protocol: Protocol,
    /// Why the run ended before its time; `None` when it did not. What follows is then what came so far, and the last
    /// event was not waited for.
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
    /// What happened to connections that the scenario did not ask for, over the whole run.
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
