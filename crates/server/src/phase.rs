//! The one piece of state that all threads of a server share: whether it runs, drains or has stopped.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The life of a server. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// Serving.
    #[default]
    Running,
    /// Refusing new subscriptions, ending the old ones.
    Draining,
    /// Everything that is still open is dropped.
    Stopped,
}

/// A `Notify`, and not a `watch`, whose waiters wake in an order of its own choice: a simulation could not repeat it.
#[derive(Debug, Default)]
struct Shared {
    phase: Mutex<Phase>,
    moved: Notify,
}

impl Shared {
    fn get(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, phase: Phase) -> bool {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let forward = *current < phase;
        if forward {
            *current = phase;
        }
        drop(current);
        if forward {
            self.moved.notify_waiters();
        }
        forward
    }
}

/// Moves the phase. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct PhaseSwitch(Arc<Shared>);

/// Sees the phase.
#[derive(Debug, Clone)]
pub(crate) struct PhaseWatch(Arc<Shared>);

pub(crate) fn phase() -> (PhaseSwitch, PhaseWatch) {
    let shared = Arc::new(Shared::default());
    (PhaseSwitch(Arc::clone(&shared)), PhaseWatch(shared))
}

impl PhaseSwitch {
    /// Moves on to `phase`, unless that would be backwards. Returns whether anything changed.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        self.0.advance(phase)
    }

    pub(crate) fn watch(&self) -> PhaseWatch {
        PhaseWatch(Arc::clone(&self.0))
    }
}

impl Drop for PhaseSwitch {
    fn drop(&mut self) {
        self.0.advance(Phase::Stopped);
    }
}

impl PhaseWatch {
    pub(crate) fn get(&self) -> Phase {
        self.0.get()
    }

    /// Waits until the phase is at least `phase`. Cancel-safe.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        loop {
            // Registered before the look: a move in between is not missed.
            let mut moved = std::pin::pin!(self.0.moved.notified());
            moved.as_mut().enable();
            if self.get() >= phase {
                return;
            }
            moved.await;
        }
    }

    /// Waits for the drain to begin. Cancel-safe.
    pub(crate) async fn left_running(&mut self) {
        self.reached(Phase::Draining).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_for_a_phase_are_woken_in_the_order_in_which_they_came() {
        let (switch, watch) = phase();
        let woken = Rc::new(RefCell::new(Vec::new()));
        let tasks = LocalSet::new();
        for number in 0..32 {
            let (mut watch, woken) = (watch.clone(), Rc::clone(&woken));
            tasks.spawn_local(async move {
                watch.left_running().await;
                woken.borrow_mut().push(number);
            });
        }
        tasks.run_until(tokio::task::yield_now()).await;
        assert!(switch.advance(Phase::Draining) && !switch.advance(Phase::Running));
        tasks.await;
        assert_eq!(*woken.borrow(), (0..32).collect::<Vec<_>>());
    }

    #[test]
    fn a_switch_that_is_gone_means_that_the_server_has_stopped() {
        let (switch, watch) = phase();
        drop(switch);
        assert_eq!(watch.get(), Phase::Stopped);
    }
}
