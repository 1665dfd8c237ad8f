//! What kind of Redis it is.

use crate::eviction::Eviction;

/// What this Redis is like for a whole run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    /// It sends keyspace notifications of streams.
    pub(crate) keyspace: bool,
    /// Which keys it may evict.
    pub(crate) eviction: Eviction,
    /// It is older than 7.0: no functions, no `entries-added`.
    pub(crate) old: bool,
    /// Its ACL forbids the nodes' probe channels.
    pub(crate) no_probes: bool,
    /// Its clock goes back when a replica takes over, and when everything is flushed.
    pub(crate) turns_back: bool,
    /// Bytes per second that it can send on one connection.
    pub(crate) bandwidth: Option<u64>,
    /// Messages arrive up to so many milliseconds later than answers that it gave after them.
    pub(crate) feed_lag_ms: u64,
    /// The nodes' limit on the data of an event, for the record.
    pub(crate) event_bytes: usize,
}

impl Nature {
    /// Whether its link is wide, and messages are not later than answers.
    pub(super) fn is_punctual(&self) -> bool {
        self.bandwidth.is_none() && self.feed_lag_ms == 0
    }
}
