//! The warnings of the feed that are given once.

use std::sync::atomic::{AtomicBool, Ordering};

/// Which warnings were given already and need not be repeated at every reconnect.
#[derive(Default)]
pub(super) struct Warnings {
    probe_refused: AtomicBool,
    pub(super) keyspace: AtomicBool,
}

impl Warnings {
    pub(super) fn probe_refused(&self, channel: &str) {
        if !self.probe_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel,
                "the ACL forbids the probe channel: a PING proves the connection, but not that messages arrive; \
                 allow +publish and the Pub/Sub channel"
            );
        }
    }
}
