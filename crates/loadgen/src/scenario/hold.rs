//! Idle connections: what each of them holds, and how fast they are accepted.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::run::Run;
use crate::reading::Reading;

/// Memory counts as settled when it moves by less than one part in this many between two looks.
const SETTLED: u64 = 500;
const LOOK: Duration = Duration::from_millis(500);
/// Memory is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the baseline, then the rest, and measures the opening of the rest. Numbers: `rss_bytes_per_connection`,
/// `kernel_bytes_per_connection` (objects and buffers of both ends, if the target is on this machine; roughly, see
/// [`Reading::slab`]), `opened_per_second`,
/// `opened_per_cpu_second` (accepted and primed, per second of the server's CPU).
pub(super) fn hold(run: &mut Run<'_>) -> Result<()> {
    let (baseline, connections) = (run.parameters.baseline, run.parameters.connections);
    if baseline >= connections {
        bail!("hold measures between --baseline {baseline} and --connections {connections}: the second must be larger");
    }
    run.fleet.open(baseline, run.parameters.patience)?;
    let few = settled(run)?;
    let measuring = run.measure()?;
    let (begun, cpu) = (Instant::now(), run.reading()?.cpu);
    run.fleet.open(connections, run.parameters.patience)?;
    let (elapsed, cpu) = (begun.elapsed().as_secs_f64(), run.reading()?.cpu.since(&cpu).total());
    run.measured(&measuring)?;
    let many = settled(run)?;
    let opened = (connections - baseline) as f64;
    let mut note = |name: &str, value: f64| run.numbers.insert(name.to_owned(), value);
    note("rss_bytes_per_connection", (many.rss as f64 - few.rss as f64) / opened);
    note("kernel_bytes_per_connection", ((many.kernel + many.slab) as f64 - (few.kernel + few.slab) as f64) / opened);
    note("opened_per_second", opened / elapsed);
    if cpu > 0.0 {
        note("opened_per_cpu_second", opened / cpu);
    }
    Ok(())
}

/// Reads the server's memory once it has settled.
fn settled(run: &mut Run<'_>) -> Result<Reading> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = run.reading()?;
    loop {
        std::thread::sleep(LOOK);
        run.fleet.glance()?;
        let now = run.reading()?;
        if now.rss.abs_diff(before.rss) * SETTLED <= now.rss || Instant::now() > deadline {
            return Ok(now);
        }
        before = now;
    }
}
