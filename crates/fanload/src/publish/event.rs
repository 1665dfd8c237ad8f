//! The name of an event that is published.

/// Which event it is: the number in its channel, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The index of the channel.
    pub channel: u32,
    /// One more than that of the event before.
    pub number: u64,
}
