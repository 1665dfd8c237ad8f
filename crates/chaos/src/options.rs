//! What to run.

use std::path::PathBuf;
use std::time::Duration;

use crate::fsync::Fsync;
use crate::plan::Plan;
use crate::transport_kind::TransportKind;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the schedule and every choice of clients and publishers.
    pub seed: u64,
    /// How long faults are injected and events published.
    pub duration: Duration,
    /// Number of clients.
    pub clients: usize,
    /// Number of publishers.
    pub publishers: usize,
    /// How Redis syncs; `None` lets the seed decide.
    pub fsync: Option<Fsync>,
    /// How clients and publishers over HTTP talk to nodes.
    pub transport: TransportKind,
    /// Where the logs of a failing run go; `None` for a new temporary directory.
    pub logs: Option<PathBuf>,
    /// Print every action as it is done.
    pub verbose: bool,
}

impl Options {
    /// How Redis syncs.
    pub(crate) fn fsync(&self) -> Fsync {
        let drawn = if self.seed.is_multiple_of(3) { Fsync::Always } else { Fsync::Everysec };
        self.fsync.unwrap_or(drawn)
    }

    /// The faults, and when each is due.
    pub(crate) fn plan(&self) -> Plan {
        Plan::new(self.seed, self.duration)
    }

    /// The schedule, as text.
    pub fn schedule(&self) -> String {
        self.plan().to_string()
    }
}
