//! What a delivery costs on a connection with many channels, against one with one channel.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::scene::Scene;
use crate::scenario::{Parameters, Scenario, run_scenario};

pub(super) const CASE: Case = Case {
    name: "many-channels",
    title: "the same deliveries on connections with 64 channels and with 1 channel",
    settings: &[],
    link: None,
    tls: false,
    run,
};

const CHANNELS: usize = 64;
/// Deliveries of one event, in every measurement.
const READERS: usize = 100;
/// Events a second, one by one.
const RATE: f64 = 100.0;
/// Events of a burst.
const BURST: u64 = 1_280;

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let one = cost(scene, Scenario::Rate, 1)?;
    let many = cost(scene, Scenario::Rate, CHANNELS)?;
    let burst = cost(scene, Scenario::Burst, 1)?;
    let burst_of_many = cost(scene, Scenario::Burst, CHANNELS)?;
    Ok(vec![
        Figure::shown("CPU per delivery, 1 channel", one, "µs"),
        Figure::shown("CPU per delivery, 64 channels", many, "µs"),
        Figure::bound("64 channels / 1 channel", many / one, "×", Bound::Most(1.3)),
        Figure::shown("in a burst: CPU per delivery, 1 channel", burst, "µs"),
        Figure::shown("in a burst: CPU per delivery, 64 channels", burst_of_many, "µs"),
    ])
}

/// Microseconds of the node's CPU per delivery.
fn cost(scene: &Scene, scenario: Scenario, channels: usize) -> Result<f64> {
    let ground = &scene.ground;
    let parameters = Parameters {
        connections: READERS,
        channels,
        channels_per_connection: channels,
        events: if scenario == Scenario::Burst { BURST } else { 0 },
        rate: RATE,
        duration: ground.size.pick(Duration::from_secs(8), Duration::from_secs(4)),
        ..Parameters::of(scenario)
    };
    let outcome = run_scenario(scenario, &parameters, &scene.target, &[ground.pid], &ground.stage)?;
    outcome.cpu_per_delivery().context("nothing was delivered")
}
