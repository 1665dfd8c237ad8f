//! How long streams have to live (`PTTL`), asked where something is promised about it and nowhere else: that they live so long
//! (`min_life`), or that they do not expire (`redis.streams_expire`).

use std::sync::atomic::{AtomicBool, Ordering};

use fanfare_log::{BrokenBy, Ending, MinLife, MinLives};
use fanfare_protocol::LogName;
use redis::Value;

use super::reply::StreamInfo;

/// What `PTTL` says of a key that does not exist.
const GONE: i64 = -2;

/// What is promised, and whether this user may see if it is kept.
#[derive(Debug)]
pub(super) struct Lives {
    min_lives: MinLives,
    is_denied: AtomicBool,
}

/// What is known of the lives of one log's streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) min_life: MinLife,
    /// They expire, or nobody promises that they do not. The gateway's own logs do not.
    pub(super) expires: bool,
    /// That they do not is an operator's promise, which somebody may break.
    pub(super) is_promised: bool,
}

impl Lives {
    pub(super) fn new(min_lives: MinLives) -> Self {
        Self { min_lives, is_denied: AtomicBool::new(false) }
    }

    /// Whether anything is promised.
    pub(super) fn are_promised(&self) -> bool {
        !self.min_lives.is_empty() || self.min_lives.permanence().is_promised()
    }

    /// Whether nobody promises that streams do not expire.
    pub(super) fn do_expire(&self) -> bool {
        !self.min_lives.permanence().is_promised()
    }

    /// Whether a read of this log asks for `PTTL` too.
    pub(super) fn asks(&self, log: &LogName) -> bool {
        (self.min_lives.covers(log) || self.min_lives.permanence().covers(log))
            && !self.is_denied.load(Ordering::Relaxed)
    }

    /// A read was denied because it asked: none asks from now on.
    pub(super) fn note_denied(&self) {
        if !self.is_denied.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "this user may not ask for PTTL, so that nobody sees whether min_life and streams_expire are kept: \
                 ACL SETUSER <user> +pttl"
            );
        }
    }

    /// What is known of a log.
    pub(super) fn of(&self, log: &LogName) -> Life {
        let is_promised = self.min_lives.permanence().holds(log);
        let expires = !log.is_system() && !is_promised;
        Life { min_life: self.min_lives.of(log), expires, is_promised }
    }

    /// Learns from the reply to `PTTL` (<https://redis.io/docs/latest/commands/pttl/>): -1 for a stream that lives for ever, and -2 if there
    /// is none any more, where it was asked after the stream was read.
    pub(super) fn learn(&self, log: &LogName, info: Option<&StreamInfo>, now_ms: u64, pttl: Option<&Value>) -> Life {
        if let (Some(info), Some(Value::Int(left))) = (info, pttl)
            && let Ok(left_ms) = u64::try_from(*left)
        {
            let end_ms = now_ms.saturating_add(left_ms);
            let ending = Ending { last_ms: info.last_generated.ms, end_ms, seen_ms: now_ms, by: BrokenBy::Expiry };
            self.min_lives.note(log, ending);
            self.min_lives.permanence().note_expiring(log, left_ms);
        } else if let (Some(_), Some(Value::Int(GONE))) = (info, pttl) {
            self.min_lives.permanence().note_vanished(log);
        }
        self.of(log)
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::{ChannelName, EntryId};

    use super::*;

    // Seeds 852 and 1004 of the simulation failed: the stream was read by a function, and evicted before PTTL.
    #[test]
    fn a_stream_that_is_gone_when_it_is_asked_how_long_it_has_to_live_breaks_the_promise() {
        let log = LogName::from(ChannelName::parse("a").unwrap());
        let broken = |info: Option<&StreamInfo>, pttl| {
            let min_lives = MinLives::default().permanent();
            Lives::new(min_lives.clone()).learn(&log, info, 5, Some(&Value::Int(pttl)));
            min_lives.permanence().broken()
        };
        let info = StreamInfo {
            last_generated: EntryId { ms: 4, seq: 0 },
            first: None,
            untouched: false,
            length: None,
            oldest_bytes: 0,
            newest_bytes: 0,
        };
        assert_eq!([broken(Some(&info), -2), broken(Some(&info), 7)], [1, 1]);
        assert_eq!([broken(Some(&info), -1), broken(None, -2)], [0, 0]);
    }
}
