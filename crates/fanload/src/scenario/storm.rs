//! All clients come back at once.

use std::time::Instant;

use anyhow::Result;

use super::run::Run;
use crate::fleet::Order;

/// Cuts all clients, publishes, and lets them come back with their old positions. Measured from the first
/// reconnect; the events are those published before it.
/// Number: `caught_up_seconds` (until the last one has the last event).
pub(super) fn storm(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    let first = run.publish_round()?;
    run.all_have(first)?;
    run.fleet.cut_all(run.parameters.patience)?;
    let (published, mut last) = (run.events.published, first);
    for _ in 0..run.parameters.rounds() {
        last = run.publish_round()?;
    }
    run.measure_what_follows(published)?;
    let begun = Instant::now();
    run.fleet.watch(last, false)?;
    run.fleet.order(&Order::Return)?;
    let caught_up = run.fleet.reached(last, run.parameters.patience)?;
    let elapsed = begun.elapsed().as_secs_f64();
    run.measured()?;
    if caught_up {
        run.numbers.insert("caught_up_seconds".to_owned(), elapsed);
    }
    Ok(())
}
