//! What is written to subscribers.

use std::io::Write as _;

use bytes::Bytes;

use super::id::Id;

/// An event as it is written to every subscriber, with its data and its id, in the very bytes that Fanfare writes.
pub(super) type Frame = Bytes;

/// How a block stands in the body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// One chunk of an HTTP/1.1 body (RFC 9112, section 7.1).
    Chunk,
    /// As it is: HTTP/2 has frames of its own.
    Bare,
}

impl Framing {
    /// The event's block.
    pub(super) fn event(self, id: Id, data: &[u8]) -> Frame {
        let mut block = Vec::with_capacity(data.len() + 48);
        // Writing to a vector cannot fail.
        block.extend_from_slice(b"data: ");
        block.extend_from_slice(data);
        let _ = write!(block, "\nid: {id}\n\n");
        self.block(block)
    }

    /// Any block.
    pub(super) fn block(self, block: Vec<u8>) -> Frame {
        match self {
            Self::Bare => block.into(),
            Self::Chunk => {
                let mut bytes = Vec::with_capacity(block.len() + 12);
                let _ = write!(bytes, "{:x}\r\n", block.len());
                bytes.extend_from_slice(&block);
                bytes.extend_from_slice(b"\r\n");
                bytes.into()
            }
        }
    }
}
