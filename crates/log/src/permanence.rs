//! The operator's promise that streams do not expire (`redis.streams_expire = false`), and who has seen that one does.
//!
//! A policy of the kind `volatile-*` evicts keys that expire and no others. Where no stream expires none is evicted, so that the absence
//! of a stream proves there what it proves on a Redis that evicts nothing.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_protocol::LogName;
use fanfare_protocol::limits::EXPIRING_CHANNELS_MAX;

/// What is promised and how it is kept. Cheap to clone; clones share what is known.
#[derive(Debug, Clone, Default)]
pub struct Permanence(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_promised: bool,
    broken: Mutex<Broken>,
    count: AtomicU64,
    is_told: AtomicBool,
}

/// Channels whose streams were seen to expire. For as long as the node runs nothing is promised about them: who has given one stream a
/// life will do it again, perhaps unseen.
#[derive(Debug, Default)]
struct Broken {
    /// A bounded number of them.
    channels: HashSet<LogName>,
    /// There were more: nothing is promised about any.
    all: bool,
}

impl Permanence {
    /// Promised, or not.
    #[must_use]
    pub fn new(is_promised: bool) -> Self {
        Self(Arc::new(Inner { is_promised, ..Inner::default() }))
    }

    /// Whether it is promised of all channels. The gateway's own logs are no part of it.
    #[must_use]
    pub fn is_promised(&self) -> bool {
        self.0.is_promised
    }

    /// Whether it is promised of a log.
    #[must_use]
    pub fn covers(&self, log: &LogName) -> bool {
        self.0.is_promised && matches!(log, LogName::Channel(_))
    }

    /// Whether streams of a log do not expire, by all that is known now.
    #[must_use]
    pub fn holds(&self, log: &LogName) -> bool {
        if !self.covers(log) {
            return false;
        }
        let broken = self.lock();
        !broken.all && !broken.channels.contains(log)
    }

    /// A stream of the log expires in so many milliseconds. Counts a channel of which that was not known, and says so once.
    pub fn note_expiring(&self, log: &LogName, left_ms: u64) {
        if !self.holds(log) {
            return;
        }
        self.lock().note(log);
        self.0.count.fetch_add(1, Ordering::Relaxed);
        if !self.0.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel = %log,
                left = ?Duration::from_millis(left_ms),
                "a stream expires though redis.streams_expire is false: until this node restarts an absence of such a channel proves \
                 nothing where Redis evicts (told once; see fanfare_streams_expire_broken_total)"
            );
        }
    }

    /// How many channels were seen to break the promise.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Broken> {
        self.0.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broken {
    fn note(&mut self, log: &LogName) {
        if self.channels.len() >= EXPIRING_CHANNELS_MAX {
            self.channels = HashSet::new();
            self.all = true;
        } else {
            self.channels.insert(log.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::ChannelName;

    use super::*;

    fn log(name: &str) -> LogName {
        LogName::from(ChannelName::parse(name).unwrap())
    }

    #[test]
    fn a_channel_whose_stream_expires_is_counted_once_and_believed_no_longer() {
        let permanence = Permanence::new(true);
        assert!(permanence.holds(&log("a")) && !permanence.holds(&LogName::probe()));
        permanence.note_expiring(&log("a"), 5);
        permanence.note_expiring(&log("a"), 4);
        assert_eq!((permanence.holds(&log("a")), permanence.holds(&log("b")), permanence.broken()), (false, true, 1));
    }

    // Seen to fail when what is not remembered any more is forgotten.
    #[test]
    fn more_channels_than_are_remembered_break_it_for_all() {
        let permanence = Permanence::new(true);
        for n in 0..=EXPIRING_CHANNELS_MAX {
            assert!(permanence.holds(&log("kept")));
            permanence.note_expiring(&log(&n.to_string()), 5);
        }
        assert!(!permanence.holds(&log("kept")) && !permanence.holds(&log("0")));
    }

    #[test]
    fn without_a_promise_none_is_broken() {
        let permanence = Permanence::new(false);
        permanence.note_expiring(&log("a"), 5);
        assert_eq!((permanence.covers(&log("a")), permanence.broken()), (false, 0));
    }
}
