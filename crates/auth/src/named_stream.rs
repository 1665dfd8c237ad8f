//! What is said of a stream, besides that it is allowed.

use fanfare_protocol::{ChannelName, LastEventId};

/// What the application says of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedStream {
    /// Its channels, without repetitions, where the request names none.
    pub channels: Box<[ChannelName]>,
    /// Where it begins for a client that brings no position, and where a channel does of which the client's position says nothing.
    pub from: Option<LastEventId>,
}
