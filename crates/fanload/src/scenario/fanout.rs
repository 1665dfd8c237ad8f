//! Deliveries one by one or in bulk: what one costs.

use anyhow::Result;

use super::run::Run;

/// The next event of each channel when all clients have the last one.
pub(super) fn closed_loop(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    // All clients get one event before anything is measured: buffers grow once.
    let first = run.publish_round()?;
    if !run.all_have(first)? {
        run.measure()?;
        return run.measured();
    }
    run.measure()?;
    for _ in 0..run.parameters.rounds() {
        let sequence = run.publish_round()?;
        if !run.all_have(sequence)? {
            break;
        }
    }
    run.measured()
}

/// All events as fast as they can be published. `publish_seconds`: how long the publisher took.
pub(super) fn burst(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    let first = run.publish_round()?;
    run.all_have(first)?;
    run.measure()?;
    let begun = std::time::Instant::now();
    for round in 0..run.parameters.rounds() {
        if round % 1_000 == 999 {
            run.stage.check()?;
        }
        for channel in 0..run.parameters.channels {
            run.publish(channel)?;
        }
    }
    run.flush()?;
    run.numbers.insert("publish_seconds".to_owned(), begun.elapsed().as_secs_f64());
    let last = run.level()?;
    run.all_have(last)?;
    run.measured()
}
