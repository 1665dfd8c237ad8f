//! The rounds of the reporter after which there may be something to tell.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts them, and wakes who waits for the next. A `Notify`, and not a `watch`, whose waiters wake in an order of its own choice: a
/// simulation could not repeat it.
#[derive(Debug, Default)]
pub struct Rounds {
    done: AtomicU64,
    changed: Notify,
}

impl Rounds {
    /// How many are over.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Waits until more are over than these, and returns how many. Cancel-safe.
    pub async fn after(&self, seen: u64) -> u64 {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before it looks, so that no round is missed that comes to its end in between.
            changed.as_mut().enable();
            let done = self.done();
            if done != seen {
                return done;
            }
            changed.await;
        }
    }

    /// One more is over.
    pub(super) fn end(&self) {
        self.done.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}
