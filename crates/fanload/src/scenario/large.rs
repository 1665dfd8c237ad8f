//! Few large events.

use anyhow::Result;

use super::fanout;
use super::run::Run;

/// A closed loop with large events. Numbers: `peak_rss_bytes` (highest since the server started), and how far resident
/// and kernel memory rose over what they were before the events: `rss_rise_bytes`, `kernel_after_bytes`.
pub(super) fn large(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    let before = run.reading()?;
    fanout::closed_loop(run)?;
    let after = run.reading()?;
    run.numbers.insert("peak_rss_bytes".to_owned(), after.peak_rss as f64);
    run.numbers.insert("rss_rise_bytes".to_owned(), after.peak_rss as f64 - before.rss as f64);
    run.numbers.insert("kernel_after_bytes".to_owned(), after.kernel as f64);
    Ok(())
}
