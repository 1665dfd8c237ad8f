//! Everybody comes back at once.

use std::time::Instant;

use anyhow::Result;

use super::run::Run;
use crate::admin;
use crate::fleet::Order;

/// Cuts everybody, publishes, and lets everybody come back with the old position. Measured from the first
/// reconnect; the events are those published before it.
/// Numbers: `caught_up_seconds` (until the last one has the last event), and with the nodes' admin addresses
/// `archive_reads`.
pub(super) fn storm(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    let first = run.publish_round()?;
    run.all_have(first)?;
    run.fleet.cut_all(run.parameters.patience)?;
    let published = run.published;
    let rounds = (run.parameters.events / run.parameters.channels as u64).max(1);
    for _ in 0..rounds {
        run.publish_round()?;
    }
    let reads = admin::archive_reads(&run.target.admin)?;
    let last = run.last();
    let mut measuring = run.measure()?;
    measuring.published = published;
    let begun = Instant::now();
    run.fleet.watch(last, false)?;
    run.fleet.order(Order::Return)?;
    let caught_up = run.fleet.reached(last, run.parameters.patience)?;
    let elapsed = begun.elapsed().as_secs_f64();
    run.measured(&measuring)?;
    if caught_up {
        run.numbers.insert("caught_up_seconds".to_owned(), elapsed);
    }
    if let Some((before, after)) = reads.zip(admin::archive_reads(&run.target.admin)?) {
        run.numbers.insert("archive_reads".to_owned(), after - before);
    }
    Ok(())
}
