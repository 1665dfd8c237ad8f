//! What may be due to a session since it was last given everything.

/// Which channels of a session may have something for it. Two bytes for each session: that of one channel needs no list, and a
/// session that several channels have woken asks all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// None: each of its readers is armed.
    Nothing,
    /// The one with this index.
    Channel(u8),
    /// Any of them.
    Any,
}

impl Due {
    /// One more channel.
    pub(crate) fn and(self, channel: u8) -> Self {
        match self {
            Self::Nothing => Self::Channel(channel),
            Self::Channel(other) if other == channel => self,
            Self::Channel(_) | Self::Any => Self::Any,
        }
    }
}
