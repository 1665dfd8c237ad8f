//! A channel's short stand-in inside a position.

use crate::{ChannelName, hash};

/// A 64-bit hash of a channel's name that never changes: not between nodes, not between versions.
/// Sessions compute it once per channel. The order of tags is the order of the components of a
/// [`crate::PositionVector`], so a caller that keeps its channels sorted by tag encodes without a
/// sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelTag(u64);

impl ChannelTag {
    /// The tag of a channel.
    #[must_use]
    pub fn of(channel: &ChannelName) -> Self {
        Self(hash::stable(channel.as_str().as_bytes()))
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }
}
