//! Large answers in turns.
//!
//! Redis has one thread: whatever arrives while it makes answers waits for all of them. No answer of the archive takes it long, but
//! eight at a time did: an event that was published meanwhile waited for all eight. So of large answers only a few are asked
//! for at a time, and small ones, which cost Redis next to nothing, beside them.

use std::time::Duration;

use fanfare_protocol::limits::{ARCHIVE_LARGE_PATIENCE, ARCHIVE_LARGE_READS_MAX};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Who may ask for a large answer now.
#[derive(Debug)]
pub(super) struct Turns {
    permits: Semaphore,
    patience: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        Self { permits: Semaphore::new(ARCHIVE_LARGE_READS_MAX), patience: ARCHIVE_LARGE_PATIENCE }
    }
}

impl Turns {
    /// Waits for a turn, which ends when the permit is dropped. Turns come in the order of the calls. `None`: those before have not
    /// ended in a long time. Redis does not answer, or the link carries nothing; then nothing is gained by waiting longer.
    /// Cancel-safe: who stops waiting loses its place in the line.
    pub(super) async fn next(&self) -> Option<SemaphorePermit<'_>> {
        timeout(self.patience, self.permits.acquire()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when every read has its turn at once, and when a turn is waited for without end.
    #[tokio::test(start_paused = true)]
    async fn a_few_are_on_at_a_time_and_a_lost_link_holds_nobody_up_for_long() {
        let turns = Turns::default();
        let mut on = Vec::new();
        for _ in 0..ARCHIVE_LARGE_READS_MAX {
            on.push(turns.next().await.expect("nobody is before it"));
        }
        let begun = tokio::time::Instant::now();
        assert!(turns.next().await.is_none());
        assert_eq!(begun.elapsed(), ARCHIVE_LARGE_PATIENCE);
        on.pop();
        assert!(turns.next().await.is_some(), "a turn has ended");
    }
}
