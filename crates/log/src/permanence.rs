//! The operator's promise that streams do not expire (`redis.streams_expire = false`), and who has seen that one does.
//!
//! A policy of the kind `volatile-*` evicts keys that expire and no others. Where no stream expires none is evicted, so that the absence
//! of a stream proves there what it proves on a Redis that evicts nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fanfare_protocol::LogName;

use crate::broken_channels::BrokenChannels;

/// What is promised and how it is kept. Cheap to clone; clones share what is known.
#[derive(Debug, Clone, Default)]
pub struct Permanence(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_promised: bool,
    /// Channels whose streams were seen to expire. For as long as the node runs nothing is promised about them: who has given one stream
    /// a life will do it again, perhaps unseen.
    broken: BrokenChannels,
    count: AtomicU64,
    is_told: AtomicBool,
}

/// The time at which a channel broke the promise: whenever one asks.
const FOR_EVER: u64 = u64::MAX;

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
        self.covers(log) && self.0.broken.last(log) != FOR_EVER
    }

    /// A stream of the log expires in so many milliseconds. Counts a channel of which that was not known, and says so once.
    pub fn note_expiring(&self, log: &LogName, left_ms: u64) {
        if self.note(log) {
            tracing::warn!(
                channel = %log,
                left = ?Duration::from_millis(left_ms),
                "a stream expires though redis.streams_expire is false: until this node restarts an absence of such a channel proves \
                 nothing where Redis evicts (told once; see fanfare_streams_expire_broken_total)"
            );
        }
    }

    /// A message, or a read, told of a stream of the log, and the next look found none. The same follows from that.
    pub fn note_vanished(&self, log: &LogName) {
        if self.note(log) {
            tracing::warn!(
                channel = %log,
                "a message or a read told of a stream that is gone though redis.streams_expire is false: it had a TTL and was evicted, or somebody \
                 has deleted it or forged the message. Until this node restarts an absence of such a channel proves nothing where Redis \
                 evicts (told once; see fanfare_streams_expire_broken_total)"
            );
        }
    }

    /// Notes a channel that breaks the promise. Returns whether that is to be told.
    fn note(&self, log: &LogName) -> bool {
        if !self.covers(log) || self.0.broken.note(log, FOR_EVER) == FOR_EVER {
            return false;
        }
        self.0.count.fetch_add(1, Ordering::Relaxed);
        !self.0.is_told.swap(true, Ordering::Relaxed)
    }

    /// How many channels were seen to break the promise.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
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

    // Fails if a number of channels is remembered and no more.
    #[test]
    fn channels_that_break_it_do_not_break_it_for_all() {
        let permanence = Permanence::new(true);
        (0..1_000).for_each(|n| permanence.note_expiring(&log(&n.to_string()), 5));
        assert!((0..1_000).all(|n| !permanence.holds(&log(&n.to_string()))), "none is forgotten");
        assert!((0..20).any(|n| permanence.holds(&log(&format!("kept{n}")))));
    }

    #[test]
    fn a_channel_whose_stream_is_gone_unread_breaks_it_as_well() {
        let permanence = Permanence::new(true);
        permanence.note_vanished(&log("a"));
        permanence.note_expiring(&log("a"), 4);
        assert_eq!((permanence.holds(&log("a")), permanence.holds(&log("b")), permanence.broken()), (false, true, 1));
    }

    #[test]
    fn without_a_promise_none_is_broken() {
        let permanence = Permanence::new(false);
        permanence.note_expiring(&log("a"), 5);
        assert_eq!((permanence.covers(&log("a")), permanence.broken()), (false, 0));
    }
}
