//! What every request handler of the node shares.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::options::Options;
use crate::store::StoreHandles;

/// One node's configuration, doorkeeper and store.
#[derive(Debug)]
pub(crate) struct NodeState {
    pub(crate) options: Options,
    pub(crate) admission: Arc<Admission>,
    pub(crate) store: StoreHandles,
    /// Bounds the archive reads that history requests cause at once. Never waited for: no place, no answer.
    pub(crate) history_slots: Semaphore,
}

impl NodeState {
    pub(crate) fn new(options: Options, admission: Arc<Admission>, store: StoreHandles) -> Self {
        let history_slots = Semaphore::new(options.history.concurrency);
        Self { options, admission, store, history_slots }
    }
}
