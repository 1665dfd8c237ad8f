//! What is done to a target, and what comes out of it.

mod channels;
mod events;
mod fanout;
mod hold;
mod kind;
mod large;
mod measured;
mod outcome;
mod parameters;
mod rate;
mod requests;
mod run;
mod storm;

use anyhow::{Error, Result, bail};

pub use kind::Scenario;
pub use outcome::Outcome;
pub use parameters::Parameters;
pub use requests::can_ask;

use crate::stage::Stage;
use crate::target::Target;

/// A run that is over.
#[derive(Debug)]
pub struct Ended {
    /// What it has yielded; only what came so far, when [`Outcome::cut_short`] says so.
    pub outcome: Outcome,
    /// Why it ended before its time.
    pub error: Option<Error>,
}

/// Runs one scenario once and measures it. Blocks until it is over; every wait in it has a deadline.
///
/// `server_pids` are the processes whose CPU and memory count (see [`Reading`](crate::reading::Reading)); without any,
/// these readings are zero.
///
/// A breach of integrity is no error: see [`Outcome::integrity`].
///
/// # Errors
/// When the target cannot be reached or refuses, when nothing can be published, also for a moment, when a worker dies, on
/// Ctrl-C.
pub fn run_scenario(
    scenario: Scenario,
    parameters: &Parameters,
    target: &Target,
    server_pids: &[u32],
    stage: &Stage,
) -> Result<Outcome> {
    let Ended { outcome, error } = run_as_far_as_possible(scenario, parameters, target, server_pids, stage)?;
    match (error, &outcome.breaks.why) {
        (Some(error), _) => Err(error),
        // Such a run has other figures than one in which everything went well.
        (None, Some(why)) => bail!("the run was disturbed: {why}"),
        (None, None) => Ok(outcome),
    }
}

/// The same; but a run that was disturbed counts, and one that ends before its time, by Ctrl-C or an error, yields what came
/// so far, if that can be said.
///
/// # Errors
/// When nothing has been measured, or the workers cannot say what.
pub fn run_as_far_as_possible(
    scenario: Scenario,
    parameters: &Parameters,
    target: &Target,
    server_pids: &[u32],
    stage: &Stage,
) -> Result<Ended> {
    stage.check()?;
    parameters.check(scenario)?;
    let mut run = run::Run::begin(scenario, parameters, target, server_pids, stage)?;
    let Err(error) = perform(scenario, &mut run).and_then(|()| run.end()) else {
        return Ok(Ended { outcome: run.outcome(None)?, error: None });
    };
    if !run.has_measured() && stage.asked_to_end().is_none() {
        return Err(error);
    }
    match run.outcome(Some(format!("{error:#}"))) {
        Ok(outcome) => Ok(Ended { outcome, error: Some(error) }),
        // The first error is the cause of the second.
        Err(_) => Err(error),
    }
}

fn perform(scenario: Scenario, run: &mut run::Run<'_>) -> Result<()> {
    match scenario {
        Scenario::Hold => hold::hold(run),
        Scenario::Fanout | Scenario::Many => fanout::closed_loop(run),
        Scenario::Burst => fanout::burst(run),
        Scenario::Rate | Scenario::Full | Scenario::Churn | Scenario::Slow | Scenario::Soak => rate::fixed_rate(run),
        Scenario::Storm => storm::storm(run),
        Scenario::Channels => channels::channels(run),
        Scenario::Large => large::large(run),
        Scenario::Requests => requests::requests(run),
    }
}
