//! Ids of events.

use std::fmt;

/// The place of an event in its channel, formed as Redis forms entry ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    ms: u64,
    sequence: u64,
}

impl Id {
    pub(super) const fn at(ms: u64) -> Self {
        Self { ms, sequence: 0 }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ms, sequence) = text.split_once('-')?;
        Some(Self { ms: ms.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// The id of the next event, at `now` by the clock.
    pub(super) fn following(self, now_ms: u64) -> Self {
        if now_ms > self.ms { Self::at(now_ms) } else { Self { ms: self.ms, sequence: self.sequence + 1 } }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}
