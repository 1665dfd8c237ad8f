//! The handle by which any thread begins the end of a server.

use std::sync::Arc;

use tracing::info;

use crate::admission::Admission;
use crate::phase::{Phase, PhaseSwitch};

/// Begins the end of a server, from whatever thread; cloning it makes another handle. Waits for nothing.
#[derive(Debug, Clone)]
pub struct Drainer {
    admission: Arc<Admission>,
    phase: Arc<PhaseSwitch>,
}

impl Drainer {
    pub(crate) const fn new(admission: Arc<Admission>, phase: Arc<PhaseSwitch>) -> Self {
        Self { admission, phase }
    }

    /// Begins to end the server politely (see [`crate::drain`]); returns at once. Calling it again does nothing.
    pub fn drain(&self) {
        self.admission.begin_drain();
        if self.phase.advance(Phase::Draining) {
            info!(sessions = self.admission.sessions(), "draining");
        }
    }
}
