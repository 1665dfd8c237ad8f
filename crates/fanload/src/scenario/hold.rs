//! Idle connections: what each of them holds, and how fast they are accepted.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::run::Run;
use crate::reading::{self, Reading};

/// Memory counts as settled when it moves by less than one part in this many between two looks.
const SETTLED: u64 = 500;
const LOOK: Duration = Duration::from_millis(500);
/// Memory is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Memory at one moment.
struct Memory {
    server: Reading,
    /// See [`reading::socket_objects`].
    objects: Option<u64>,
}

/// Opens the baseline, then the rest, and measures the opening of the rest. Numbers: `rss_bytes_per_connection` (with the
/// server's process ids only), `opened_per_second`, `opened_per_cpu_second` (accepted and primed, per second of the server's
/// CPU), and of the kernel's memory, over all ends of connections that are on this machine (both, if the target is):
///
/// - `kernel_socket_bytes_per_connection`: the objects of its sockets, where they may be read;
/// - `kernel_buffer_bytes_per_connection`: what lies in their buffers;
/// - `kernel_bytes_per_connection`: all objects of the kernel and these buffers; roughly, see [`Reading::slab`].
pub(super) fn hold(run: &mut Run<'_>) -> Result<()> {
    let (baseline, connections) = (run.parameters.baseline, run.parameters.connections);
    run.fleet.open(baseline, run.parameters.patience)?;
    let few = settled(run)?;
    run.measure()?;
    let (begun, cpu) = (Instant::now(), run.reading()?.cpu);
    run.fleet.open(connections, run.parameters.patience)?;
    let (elapsed, cpu) = (begun.elapsed().as_secs_f64(), run.reading()?.cpu.since(&cpu).total());
    run.measured()?;
    let many = settled(run)?;
    let opened = (connections - baseline) as f64;
    let mut note = |name: &str, value: f64| run.numbers.insert(name.to_owned(), value);
    let mut each = |name: &str, few: u64, many: u64| note(name, (many as f64 - few as f64) / opened);
    if many.server.rss > 0 {
        each("rss_bytes_per_connection", few.server.rss, many.server.rss);
    }
    let (small, large) = (few.server, many.server);
    each("kernel_bytes_per_connection", small.kernel + small.slab, large.kernel + large.slab);
    each("kernel_buffer_bytes_per_connection", small.kernel, large.kernel);
    if let Some((few, many)) = few.objects.zip(many.objects) {
        each("kernel_socket_bytes_per_connection", few, many);
    }
    note("opened_per_second", opened / elapsed);
    if cpu > 0.0 {
        note("opened_per_cpu_second", opened / cpu);
    }
    Ok(())
}

/// Reads memory once the server's has settled.
fn settled(run: &mut Run<'_>) -> Result<Memory> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = run.reading()?;
    loop {
        run.stage.rest(LOOK)?;
        run.fleet.glance()?;
        let now = run.reading()?;
        if now.rss.abs_diff(before.rss) * SETTLED <= now.rss || Instant::now() > deadline {
            return Ok(Memory { server: now, objects: reading::socket_objects() });
        }
        before = now;
    }
}
