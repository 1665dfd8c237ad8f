//! What is done to a target, and what comes out of it.

mod channels;
mod fanout;
mod hold;
mod large;
mod outcome;
mod parameters;
mod rate;
mod run;
mod storm;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub use outcome::{Latency, Outcome};
pub use parameters::Parameters;

use crate::stage::Stage;
use crate::target::Target;

/// One kind of load. [`Parameters::of`] has the size of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Opens connections and leaves them idle: memory of each, and how fast they are accepted.
    Hold,
    /// One channel, all connections; the next event when all have the last one: CPU per delivery.
    Fanout,
    /// Events as fast as they can be published: deliveries per CPU second.
    Burst,
    /// Events at a fixed rate: latency.
    Rate,
    /// One subscriber on each of many channels: CPU per delivery.
    Many,
    /// All connections are cut, events are published, all come back at once with their old position.
    Storm,
    /// Random cuts while events are published: integrity.
    Churn,
    /// A share of the clients reads a few bytes a second: integrity, and the latency of the others.
    Slow,
    /// A fixed rate with cuts and slow readers, for long.
    Soak,
    /// One channel with all the connections that one worker can hold, at a fixed rate.
    Full,
    /// Many channels on few connections: memory of each, and the time to follow them again after Redis closed the feed.
    Channels,
    /// Few large events to many connections: memory.
    Large,
}

/// Runs one scenario once and measures it. Blocks until it is over; every wait in it has a deadline.
///
/// `server_pids` are the processes whose CPU and memory count (see [`Reading`](crate::reading::Reading)); without any,
/// these readings are zero.
///
/// A breach of integrity is no error: see [`Outcome::integrity`].
///
/// # Errors
/// When the target cannot be reached or refuses, when nothing can be published, when a worker dies, on Ctrl-C.
pub fn run_scenario(
    scenario: Scenario,
    parameters: &Parameters,
    target: &Target,
    server_pids: &[u32],
    stage: &Stage,
) -> Result<Outcome> {
    stage.check()?;
    parameters.check()?;
    let mut run = run::Run::begin(scenario, parameters, target, server_pids, stage)?;
    match scenario {
        Scenario::Hold => hold::hold(&mut run)?,
        Scenario::Fanout | Scenario::Many => fanout::closed_loop(&mut run)?,
        Scenario::Burst => fanout::burst(&mut run)?,
        Scenario::Rate | Scenario::Full | Scenario::Churn | Scenario::Slow | Scenario::Soak => {
            rate::fixed_rate(&mut run)?;
        }
        Scenario::Storm => storm::storm(&mut run)?,
        Scenario::Channels => channels::channels(&mut run)?,
        Scenario::Large => large::large(&mut run)?,
    }
    run.finish()
}
