//! What became of events when the connection to publish over broke.

use super::span::Span;

/// Events that no client can be expected to get, found out after one break. None of them is published again: their numbers
/// are left out, and each of the next events has the next number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// They were sent, but are not in the Stream. (Clients may have seen them, if they were there for a moment.)
    pub unstored: Vec<Span>,
    /// They were in the Stream, and Redis has lost them.
    pub forgotten: Vec<Span>,
    /// They may have been published or not.
    pub unknown: Vec<Span>,
}

impl Mended {
    /// All of them, in no order.
    pub fn spans(&self) -> Vec<Span> {
        [self.unstored.as_slice(), &self.forgotten, &self.unknown].concat()
    }
}
