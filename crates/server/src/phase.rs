//! The one piece of state that all threads of a server share: whether it runs, drains or has stopped.

use tokio::sync::watch;

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

/// Moves the phase.
#[derive(Debug)]
pub(crate) struct PhaseSwitch(watch::Sender<Phase>);

/// Sees the phase.
#[derive(Debug, Clone)]
pub(crate) struct PhaseWatch(watch::Receiver<Phase>);

pub(crate) fn phase() -> (PhaseSwitch, PhaseWatch) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (PhaseSwitch(sender), PhaseWatch(receiver))
}

impl PhaseSwitch {
    /// Moves on to `phase`, unless that would be backwards. Returns whether anything changed.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        self.0.send_if_modified(|current| {
            let forward = *current < phase;
            if forward {
                *current = phase;
            }
            forward
        })
    }

    pub(crate) fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.0.subscribe())
    }
}

impl PhaseWatch {
    pub(crate) fn get(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until the phase is at least `phase`. A server that is gone has stopped. Cancel-safe.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }

    /// Waits for the drain to begin. Cancel-safe.
    pub(crate) async fn left_running(&mut self) {
        self.reached(Phase::Draining).await;
    }
}
