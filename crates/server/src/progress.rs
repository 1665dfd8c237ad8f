//! How far the log of revocations has been read: told by its reader, seen by every connection thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How far the log of revocations has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The number of the latest revocation in the set.
    pub(crate) latest: u64,
    /// The [link](fanfare_log::Hub::link) on which the set is complete. `None`: what the log holds is still to be read, or cannot be.
    pub(crate) complete_on: Option<u64>,
    /// How often it was not known any more what the log holds. Who looks late sees so that it was not known meanwhile.
    pub(crate) lapses: u64,
    /// How often the log turned out to be another one than it was.
    pub(crate) resets: u64,
    /// Since the node started the set was complete once.
    pub(crate) was_complete: bool,
    /// The store may evict the log.
    pub(crate) may_vanish: bool,
    /// The store has said once that it does not evict the log.
    pub(crate) was_safe: bool,
}

impl Progress {
    /// The link on which all that is revoked is known. `None`: sessions that need a grant wait.
    pub(crate) fn known_on(self) -> Option<u64> {
        self.complete_on.filter(|_| !self.may_vanish)
    }

    /// From now on it is not known what the log holds.
    pub(crate) fn lapse(&mut self) {
        self.lapses += u64::from(self.complete_on.take().is_some());
    }
}

/// What all threads see of it. A `Notify`, and not a `watch`, whose waiters wake in an order of its own choice: a simulation could not
/// repeat it.
#[derive(Debug, Default)]
pub(crate) struct SharedProgress {
    now: Mutex<Progress>,
    changed: Notify,
}

impl SharedProgress {
    /// How far it is now.
    pub(crate) fn get(&self) -> Progress {
        *self.lock()
    }

    /// Changes it, and wakes who waits for a change if it is one. Returns what came of it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Progress)) -> Progress {
        let mut now = self.lock();
        let before = *now;
        change(&mut now);
        let after = *now;
        drop(now);
        if after != before {
            self.changed.notify_waiters();
        }
        after
    }

    /// Waits until it is not what it was. Cancel-safe.
    pub(crate) async fn differs(&self, before: Progress) {
        loop {
            // Registered before the look: a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.get() != before {
                return;
            }
            changed.await;
        }
    }

    // What is done under the lock cannot panic.
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::{JoinSet, LocalSet};

    use super::*;

    // Fails when a `watch` wakes them.
    #[tokio::test]
    async fn those_who_wait_are_woken_in_the_order_in_which_they_came_and_by_changes_only() {
        let (shared, woken) = (Rc::new(SharedProgress::default()), Rc::new(RefCell::new(Vec::new())));
        let before = shared.get();
        let mut waiters = JoinSet::new();
        let local = LocalSet::new();
        for number in 0..32 {
            let (shared, woken) = (Rc::clone(&shared), Rc::clone(&woken));
            waiters.spawn_local_on(
                async move {
                    shared.differs(before).await;
                    woken.borrow_mut().push(number);
                },
                &local,
            );
        }
        local
            .run_until(async {
                tokio::task::yield_now().await;
                shared.change(|progress| progress.latest = before.latest);
                tokio::task::yield_now().await;
                assert!(woken.borrow().is_empty());
                shared.change(|progress| progress.latest += 1);
                waiters.join_all().await;
            })
            .await;
        assert!(woken.borrow().is_sorted() && woken.borrow().len() == 32, "{:?}", woken.borrow());
        shared.differs(before).await;
    }
}
