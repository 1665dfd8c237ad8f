//! Names of which the store refused lately to tell where their streams end.
//!
//! The log of such a name is closed with its last reader, who was refused. A stranger who asks for the name again makes another log; it is
//! known by this that it most likely ends the same way.

use std::collections::{HashMap, VecDeque};

use fanfare_protocol::LogName;
use fanfare_protocol::limits::{REFUSED_STREAM_AGE, REFUSED_STREAMS_MAX};
use tokio::time::Instant;

/// At most [`REFUSED_STREAMS_MAX`] names, each for [`REFUSED_STREAM_AGE`] since it was last refused.
#[derive(Debug, Default)]
pub(super) struct RefusedNames {
    refused: HashMap<LogName, Instant>,
    /// The oldest first. Some may have been refused again, or told, since.
    order: VecDeque<(Instant, LogName)>,
}

impl RefusedNames {
    /// The store refuses to tell of a name.
    pub(super) fn note(&mut self, name: &LogName, now: Instant) {
        self.refused.insert(name.clone(), now);
        self.order.push_back((now, name.clone()));
        self.forget_old(now);
    }

    /// The store tells of a name.
    pub(super) fn forget(&mut self, name: &LogName) {
        self.refused.remove(name);
    }

    /// Whether a name was refused lately.
    pub(super) fn has(&mut self, name: &LogName, now: Instant) -> bool {
        self.forget_old(now);
        self.refused.contains_key(name)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, name)) = self.order.front()
            && (*at + REFUSED_STREAM_AGE <= now || self.order.len() > REFUSED_STREAMS_MAX)
        {
            if self.refused.get(name) == Some(at) {
                self.refused.remove(name);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::ChannelName;

    use super::*;

    fn name(number: usize) -> LogName {
        LogName::from(ChannelName::parse(&format!("c{number}")).unwrap())
    }

    // Seen to fail when nothing is forgotten, by age and by number.
    #[test]
    fn names_are_remembered_for_some_seconds_and_never_too_many_of_them() {
        let (mut names, now) = (RefusedNames::default(), Instant::now());
        (0..2 * REFUSED_STREAMS_MAX).for_each(|number| names.note(&name(number), now));
        assert_eq!((names.refused.len(), names.order.len()), (REFUSED_STREAMS_MAX, REFUSED_STREAMS_MAX));
        let last = name(2 * REFUSED_STREAMS_MAX - 1);
        assert!(!names.has(&name(0), now) && names.has(&last, now));
        let again = now + REFUSED_STREAM_AGE / 2;
        names.note(&last, again);
        assert!(names.has(&last, now + REFUSED_STREAM_AGE), "it was refused again");
        assert!(!names.has(&last, again + REFUSED_STREAM_AGE));
        assert_eq!((names.refused.len(), names.order.len()), (0, 0));
        names.note(&last, again);
        names.forget(&last);
        assert!(!names.has(&last, again), "it is told");
    }
}
