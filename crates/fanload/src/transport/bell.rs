//! Wakers for futures that a readiness loop polls by hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// What has been woken since the last look. All of it happens on one thread; the lock is for the signature of
/// [`Waker`].
pub(crate) struct Bells<T> {
    rung: Arc<Mutex<Vec<Arc<Bell<T>>>>>,
}

/// One thing that can be woken. It stands in the list at most once, so the list has a bound: the number of bells.
struct Bell<T> {
    whose: T,
    is_rung: AtomicBool,
    rung: Arc<Mutex<Vec<Arc<Self>>>>,
}

impl<T: Copy + Send + Sync + 'static> Bells<T> {
    /// No bell yet.
    pub(crate) fn new() -> Self {
        Self { rung: Arc::default() }
    }

    /// A waker for `whose`.
    pub(crate) fn waker(&self, whose: T) -> Waker {
        let rung = Arc::clone(&self.rung);
        Waker::from(Arc::new(Bell { whose, is_rung: AtomicBool::new(false), rung }))
    }

    /// Takes everything that has been woken, in the order in which it was.
    pub(crate) fn take(&self) -> Vec<T> {
        let rung = std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
        let whose = rung.iter().map(|bell| {
            bell.is_rung.store(false, Ordering::Relaxed);
            bell.whose
        });
        whose.collect()
    }
}

impl<T: Copy + Send + Sync + 'static> Wake for Bell<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::Relaxed) {
            self.rung.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(self));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when `take` leaves `is_rung` as it was.
    #[test]
    fn what_is_woken_twice_is_told_once_and_can_be_woken_again() {
        let bells = Bells::new();
        let (one, two) = (bells.waker(1), bells.waker(2));
        two.wake_by_ref();
        one.wake_by_ref();
        two.wake_by_ref();
        assert_eq!(bells.take(), [2, 1]);
        assert!(bells.take().is_empty());
        two.wake();
        assert_eq!(bells.take(), [2]);
    }
}
