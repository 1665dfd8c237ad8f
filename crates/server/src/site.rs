//! What every request handler of the node shares.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::backend::Backend;
use crate::options::Options;

/// One node's configuration, doorkeeper and store.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) options: Options,
    pub(crate) admission: Arc<Admission>,
    pub(crate) backend: Backend,
    /// Bounds the archive reads that history requests cause at once. Never waited for: no place, no answer.
    pub(crate) history_slots: Semaphore,
}

impl Site {
    pub(crate) fn new(options: Options, admission: Arc<Admission>, backend: Backend) -> Self {
        let history_slots = Semaphore::new(options.history.concurrency);
        Self { options, admission, backend, history_slots }
    }
}
