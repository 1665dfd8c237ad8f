//! The command line.

mod duration;
mod load;
mod url;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::load::Load;
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::worker;

/// Puts load on an event-stream server and checks every delivery.
///
/// Exit code 0: everything arrived. 1: something was lost, doubled, out of order, damaged or silent. 2: the run could
/// not be made, or not to its end. 130 (Ctrl-C) and 143 (SIGTERM): it was ended, after a report on what came so far, in
/// which nothing was wrong; a second signal ends it at once, without a report.
#[derive(Debug, Parser)]
#[command(name = "fanload", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Idle connections: memory of each, and how fast they are accepted
    Hold(Load),
    /// One channel; the next event when all connections have the last one: CPU per delivery
    Fanout(Load),
    /// Events as fast as they can be published: deliveries per CPU second
    Burst(Load),
    /// A fixed rate: latency
    Rate(Load),
    /// One subscriber on each of many channels: CPU per delivery
    Many(Load),
    /// All connections are cut and come back at once with an old position
    Storm(Load),
    /// Random cuts while events are published
    Churn(Load),
    /// Some clients read a few bytes a second: the latency of the others, before and meanwhile
    Slow(Load),
    /// A fixed rate with cuts and slow clients, for long
    Soak(Load),
    /// One channel with 15,000 connections at 100 events a second
    Full(Load),
    /// Many channels on few connections, and Redis closes the feeds of the nodes
    Channels(Load),
    /// Large events to many connections: memory
    Large(Load),
    /// Serve events with a bare loop: the least that any server can do for the same work
    Floor(crate::floor::Arguments),
    /// Run all scenarios for Fanfare (with Redis) and the floor, in turns, and compare them
    ///
    /// Starts everything itself, with the server alone on one core. Figures are medians with their extremes and ratios to
    /// the floor.
    Bench(crate::bench::Arguments),
    /// Attack a node in ten ways and measure what its other clients feel of it, against the same node undisturbed
    ///
    /// Starts node and Redis itself, fresh ones for each run. Attacks go to 127.0.0.1 only.
    Hostile(crate::hostile::Arguments),
    /// A part of a run; started by the other commands
    #[command(hide = true)]
    Worker,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Worker => worker::run().map(|()| ExitCode::SUCCESS),
        Command::Floor(arguments) => crate::floor::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => compare(|stage| crate::bench::run(&arguments, stage)),
        Command::Hostile(arguments) => compare(|stage| crate::hostile::run(&arguments, stage)),
        Command::Hold(load) => load.run(Scenario::Hold),
        Command::Fanout(load) => load.run(Scenario::Fanout),
        Command::Burst(load) => load.run(Scenario::Burst),
        Command::Rate(load) => load.run(Scenario::Rate),
        Command::Many(load) => load.run(Scenario::Many),
        Command::Storm(load) => load.run(Scenario::Storm),
        Command::Churn(load) => load.run(Scenario::Churn),
        Command::Slow(load) => load.run(Scenario::Slow),
        Command::Soak(load) => load.run(Scenario::Soak),
        Command::Full(load) => load.run(Scenario::Full),
        Command::Channels(load) => load.run(Scenario::Channels),
        Command::Large(load) => load.run(Scenario::Large),
    };
    result.unwrap_or_else(|error| {
        eprintln!("fanload: {error:#}");
        ExitCode::from(2)
    })
}

/// Runs something that measures several servers or cases, and says whether the promises were kept.
fn compare(run: impl FnOnce(&Stage) -> Result<bool>) -> Result<ExitCode> {
    let stage = Stage::new(true)?;
    match (run(&stage), stage.asked_to_end()) {
        (Err(error), Some(code)) => {
            eprintln!("fanload: {error:#}");
            Ok(ExitCode::from(code))
        }
        (kept, _) => Ok(if kept? { ExitCode::SUCCESS } else { ExitCode::from(1) }),
    }
}
