//! What is written to sockets.

use std::io::Write as _;
use std::rc::Rc;

use super::id::Id;

/// An event as it is written to every socket: one chunk, with its data and its id, in the very bytes that Fanfare writes.
pub(super) type Frame = Rc<[u8]>;

/// One chunk of an HTTP/1.1 body that holds the event's block.
pub(super) fn encode(id: Id, data: &[u8]) -> Frame {
    let mut block = Vec::with_capacity(data.len() + 48);
    // Writing to a vector cannot fail.
    block.extend_from_slice(b"data: ");
    block.extend_from_slice(data);
    let _ = write!(block, "\nid: {id}\n\n");
    chunk(&block)
}

/// The bytes as one chunk (RFC 9112, section 7.1).
pub(super) fn chunk(block: &[u8]) -> Frame {
    let mut bytes = Vec::with_capacity(block.len() + 12);
    let _ = write!(bytes, "{:x}\r\n", block.len());
    bytes.extend_from_slice(block);
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}
