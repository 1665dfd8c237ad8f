//! What happened to a client on one channel.

use crate::observed::Gap;
use crate::position::Position;

/// One thing that happened to a client on one channel.
#[derive(Clone, Debug)]
pub enum Step {
    /// It connected, with this position of the channel.
    Connected(Option<Position>),
    /// A block without data moved its place on the channel here.
    Place(Position),
    /// An entry came.
    Event {
        /// What it is recognised by: [`Entry::data`](crate::Entry::data).
        data: String,
        /// The position of the channel that it carried.
        at: Option<Position>,
    },
    /// A `$gap` of this channel came.
    Gap {
        /// What it said.
        gap: Gap,
        /// The position of the channel that it carried.
        at: Option<Position>,
    },
}
