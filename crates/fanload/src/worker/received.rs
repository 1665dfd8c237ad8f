//! What a read brought.

use bytes::Bytes;

use crate::wire::head::Head;

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nothing is there now.
    Nothing,
    /// The head of an answer, where the protocol keeps it apart from the body, and the beginning of the body of a refusal, as far
    /// as that has come.
    Head(Head, Bytes),
    /// This many bytes, at least one.
    Bytes(usize),
    /// The end, in order.
    End,
}
