//! Large answers in turns.
//!
//! Redis has one thread: whatever arrives while it makes answers waits for all of them. No answer of the archive takes it long, but
//! eight at a time did: an event that was published meanwhile waited for all eight. So of large answers only a few are asked
//! for at a time, and small ones, which cost Redis next to nothing, beside them.

use std::pin::pin;
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
    /// Runs a read of a large answer in its turn: waits for that, in the order of the calls, and no longer than the patience. The turn
    /// ends with the read, and after the same time in any case: the answer is made by then, and only under way, or Redis does not make
    /// it. So two reads that are never answered, again and again, hold up others for a moment of each attempt, not for its whole time.
    /// Cancel-safe as far as the read is.
    pub(super) async fn hold<T>(&self, read: impl Future<Output = T>) -> T {
        let turn = self.next().await;
        let mut read = pin!(read);
        if turn.is_some()
            && let Ok(answer) = timeout(self.patience, read.as_mut()).await
        {
            return answer;
        }
        drop(turn);
        read.await
    }

    /// `None`: those before have not ended in a long time. Redis does not answer, or the link carries nothing; then nothing is gained
    /// by waiting longer.
    async fn next(&self) -> Option<SemaphorePermit<'_>> {
        timeout(self.patience, self.permits.acquire()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    /// A command's deadline.
    const DEADLINE: Duration = Duration::from_secs(2);
    const QUICK: Duration = Duration::from_millis(10);

    // Seen to fail when every read has its turn at once.
    #[tokio::test(start_paused = true)]
    async fn a_few_are_on_at_a_time() {
        let (turns, on, most) = (Turns::default(), Cell::new(0), Cell::new(0));
        let read = || {
            turns.hold(async {
                on.set(on.get() + 1);
                most.set(most.get().max(on.get()));
                sleep(QUICK).await;
                on.set(on.get() - 1);
            })
        };
        tokio::join!(read(), read(), read(), read(), read());
        assert_eq!(most.get(), ARCHIVE_LARGE_READS_MAX);
    }

    // Seen to fail when a turn is waited for without end.
    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_patience_however_many_are_before() {
        let turns = Turns::default();
        let lost = || turns.hold(pending::<()>());
        let other = async {
            sleep(QUICK).await;
            let asked = Instant::now();
            turns.hold(async {}).await;
            asked.elapsed()
        };
        tokio::select! {
            _ = async { tokio::join!(lost(), lost(), lost(), lost(), lost(), lost(), lost()) } => {}
            waited = other => assert!(waited <= ARCHIVE_LARGE_PATIENCE, "{waited:?}"),
        }
    }

    // Seen to fail when a turn lasts as long as its read: 24 seconds in place of one and a half.
    #[tokio::test(start_paused = true)]
    async fn reads_that_are_never_answered_hold_another_up_for_a_moment_of_each_attempt() {
        let turns = Turns::default();
        let unanswered = async || {
            loop {
                let _ = timeout(DEADLINE, turns.hold(pending::<()>())).await;
            }
        };
        let others = async {
            sleep(QUICK).await;
            let begun = Instant::now();
            for _ in 0..100 {
                let asked = Instant::now();
                turns.hold(sleep(QUICK)).await;
                assert!(asked.elapsed() <= ARCHIVE_LARGE_PATIENCE + QUICK);
            }
            begun.elapsed()
        };
        tokio::select! {
            _ = unanswered() => {}
            _ = unanswered() => {}
            took = others => assert!(took <= QUICK * 100 + 2 * ARCHIVE_LARGE_PATIENCE, "{took:?}"),
        }
    }
}
