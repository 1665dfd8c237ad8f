//! What is said of a stream, besides that it is allowed.

use fanfare_protocol::{ChannelName, ChannelTag, LastEventId, Position};

/// What the application says of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedStream {
    /// Its channels, without repetitions, where the request names none.
    pub channels: Box<[ChannelName]>,
    /// Where it begins for a client that brings no position, and where a channel does of which the client's position says nothing.
    pub from: Option<LastEventId>,
}

impl NamedStream {
    /// Its memory, in bytes, with what stands beside the text of each name.
    pub(crate) fn own_bytes(&self) -> usize {
        // The text of a name is shared, and counts its owners.
        let name = |name: &ChannelName| size_of::<ChannelName>() + 2 * size_of::<usize>() + name.as_str().len();
        let positions = match &self.from {
            Some(LastEventId::Many(positions)) => positions.len() * size_of::<(ChannelTag, Position)>(),
            Some(LastEventId::One(_)) | None => 0,
        };
        size_of::<Self>() + self.channels.iter().map(name).sum::<usize>() + positions
    }
}
