//! Many followed channels.

use std::time::Instant;

use anyhow::Result;

use super::run::Run;
use crate::target::Publish;

/// Subscribes to all channels, lets Redis cut the nodes' feeds at once, publishes an event in every channel and waits
/// until all clients have theirs. Measured from the cut. Numbers: `rss_bytes_per_channel` (connections included),
/// `followed_again_seconds`. Without Redis nothing is cut.
pub(super) fn channels(run: &mut Run<'_>) -> Result<()> {
    let before = run.reading()?;
    run.open_all()?;
    let first = run.publish_round()?;
    run.all_have(first)?;
    let after = run.reading()?;
    let bytes = (after.rss as f64 - before.rss as f64) / run.parameters.channels as f64;
    run.numbers.insert("rss_bytes_per_channel".to_owned(), bytes);
    run.measure()?;
    let begun = Instant::now();
    if matches!(run.target.publish, Some(Publish::Redis { .. }))
        && let Some(cut) = run.events.cut_feeds()?
    {
        run.numbers.insert("feeds_cut".to_owned(), cut as f64);
    }
    let last = run.publish_round()?;
    if run.all_have(last)? {
        run.numbers.insert("followed_again_seconds".to_owned(), begun.elapsed().as_secs_f64());
    }
    run.measured()
}
