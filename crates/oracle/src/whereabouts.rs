//! Where a client is.

use crate::place::Place;

/// What is known about where the client is.
#[derive(Clone, Debug)]
pub enum Whereabouts {
    /// It has no position yet.
    New,
    /// Told by a gap that its place is unknown.
    Unknown,
    /// At one of these places; several where incarnations share their beginning.
    At(Vec<Place>),
}
